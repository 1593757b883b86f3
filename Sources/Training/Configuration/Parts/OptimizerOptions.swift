import MartletNN

/// What changes the weights along the gradient, and what watches over it.
public struct OptimizerOptions: Sendable, Equatable {
    public internal(set) var kind = OptimizerKind.adamw
    public internal(set) var numbers = OptimizerKind.Numbers()
    /// The largest gradient norm.
    public internal(set) var clip = 1.0
    /// Decay of the average of the weights; 0: none.
    public internal(set) var averageDecay = 0.0
    public internal(set) var spikeFactor = 100.0
    /// Factor on the learning rate from each layer to the one below it.
    public internal(set) var layerDecay = 1.0
}

extension OptimizerKind: OptionValue {}

extension OptionPart {
    static let optimizer = OptionPart(
        "Optimiser",
        [
            .choice(
                "optimizer", \.optimizer.kind,
                "What changes the weights along the gradient; adamw8bit, galore and apollo keep little state.",
                shown: true,
                others: "optim optimiser opt", default: .value(.adamw)),
            .number(
                "weight_decay", \.optimizer.numbers.weightDecay, 0...10, "Decay of matrices.",
                others: "wd l2 lambda",
                default: .from {
                    // An adapter begins as nothing, and small.
                    $0.run.adapter.isOn
                        ? (0, "none for adapters") : ($0.optimizer.weightDecay, "default of the optimizer")
                }),
            .number(
                "beta1", \.optimizer.numbers.beta1, 0...0.9999,
                "Memory of the gradient: adamw and its kin, adam, lion.",
                others: "b1 adam_beta1 betas beta", default: .value(0.9)),
            .number(
                "beta2", \.optimizer.numbers.beta2, 0...0.99999,
                "Memory of its square: adamw and its kin, adam, rmsprop; of lion's momentum.", others: "b2 adam_beta2",
                default: .from { ($0.optimizer.beta2, "default of the optimizer") }),
            .number(
                "momentum", \.optimizer.numbers.momentum, 0...0.9999, "Momentum of sgd, rmsprop and muon.",
                default: .from { ($0.optimizer.momentum, "default of the optimizer") }),
            .flag(
                "nesterov", \.optimizer.numbers.nesterov, "Whether sgd and muon look ahead along the momentum.",
                default: .value(true)),
            .number(
                "epsilon", \.optimizer.numbers.epsilon, 1e-15...1,
                "What is added to the root: adamw and its kin, adam, rmsprop.",
                others: "eps adam_epsilon", default: .value(1e-8)),
            .integer(
                "projection_rank", \.optimizer.numbers.projection.rank, 1...65_536,
                "Of galore and apollo: dimensions that gradients of matrices are projected to; 1 makes apollo its mini.",
                others: "galore_rank apollo_rank", default: .value(128)),
            .integer(
                "projection_interval", \.optimizer.numbers.projection.interval, 1...1_000_000,
                "Of galore and apollo: steps until they are projected otherwise.",
                others: "galore_update_interval apollo_update_interval update_proj_gap", default: .value(200)),
            .option(
                "projection_scale", optional: \.optimizer.numbers.projection.scale, .number(1e-6...1e6),
                "Of galore and apollo: the factor on what is projected back.", others: "galore_scale apollo_scale",
                default: .none("0.25 of galore; 1 of apollo, 128 at rank 1")),
            .number(
                "layer_decay", \.optimizer.layerDecay, 0.01...1,
                "Factor on the learning rate from each layer to the one below it, the embedding below the first.",
                resume: .told, others: "layerwise_lr_decay llrd layer_wise_lr_decay", default: .value(1, "the same")),
            .number(
                "clip", \.optimizer.clip, 1e-6...1e6, "The largest gradient norm; larger ones are scaled down to it.",
                resume: .told, flags: ["gradient-clip"],
                others: "grad_clip max_grad_norm gradient_clip gradient_clipping clip_grad clip_norm grad_norm "
                    + "gradient_clip_val", default: .value(1)),
            .number(
                "ema", \.optimizer.averageDecay, 0...0.999999,
                "Decay of an average of the weights that is evaluated and saved, such as 0.999; 0: none.", shown: true,
                others: "ema_decay weight_average average swa", default: .value(0, "none")),
            .number(
                "spike_factor", \.optimizer.spikeFactor, 2...1e9,
                "Stop at a gradient norm of more than this many times the median of the last 100 steps (at least 1), "
                    + "where clip lets it through.", resume: .told, others: "spike spikes", default: .value(100)),
        ])
}

extension OptionFacts {
    var optimizer: UsualNumbers {
        UsualNumbers(run.optimizer.kind, hiddenSize: max(1, run.shape.hiddenSize))
    }
}

/// What an optimiser is usually set to.
struct UsualNumbers {
    var learningRate = 0.0, weightDecay = 0.1, beta2 = 0.95, momentum = 0.9
    var origin = ""
    /// Whether the rate follows from the model's width.
    var followsWidth = true

    init(_ kind: OptimizerKind, hiddenSize: Int) {
        // The usual 1/width rule around 3e-3 at 256, for what moves every number by about the rate.
        func byWidth(_ rate: Double, _ text: String) {
            learningRate = (rate * min(2, 256 / Double(hiddenSize)) * 1e5).rounded() / 1e5
            origin = text + " × 256 / hidden_size"
        }
        switch kind {
        case .adamw, .adamw8bit, .galore, .apollo: byWidth(3e-3, "3e-3")
        case .adam:
            byWidth(3e-3, "3e-3")
            // As part of the gradient a decay is divided by its size: the usual 0.1 would drown it.
            weightDecay = 0
        case .muon:
            byWidth(3e-3, "3e-3")
            momentum = 0.95
        case .lion:
            byWidth(3e-4, "3e-4")
            beta2 = 0.99
            weightDecay = 1
        case .rmsprop:
            byWidth(1e-3, "1e-3")
            beta2 = 0.99
            momentum = 0
            weightDecay = 0
        case .sgd:
            learningRate = 0.1
            origin = "default of sgd"
            followsWidth = false
            weightDecay = 0
        case .adafactor:
            learningRate = 0.02
            origin = "default of adafactor, relative to the weights"
            followsWidth = false
            weightDecay = 0
        }
    }
}

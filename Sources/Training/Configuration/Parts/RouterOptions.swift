import MartletModels

/// How the routers of mixtures are trained.
public struct RouterOptions: Sendable, Equatable {
    /// Weights of the load-balancing loss and of the z-loss.
    public internal(set) var balance = 0.0, zLoss = 0.0
    public internal(set) var noise = 0.0
    /// 0: nothing is dropped.
    public internal(set) var capacityFactor = 0.0
    public internal(set) var choice = RouterTraining.Choice.tokens
    /// Of the selection bias.
    public internal(set) var biasRate = 0.0
}

extension RouterTraining.Choice: OptionValue {}

extension OptionPart {
    static let router = OptionPart(
        "Routers",
        [
            .number(
                "load_balance", \.router.balance, 0...10,
                "Weight of the load-balancing loss of mixtures, experts · Σ f P, a mean over the layers.", shown: true,
                others: "router_aux_loss_coef aux_loss_alpha moe_aux_loss_coeff aux_loss_coef load_balancing_loss",
                default: .from { facts in
                    guard let kind = facts.mixture else { return (0, "no mixture") }
                    guard facts.isNew else { return (0, "none in fine-tuning") }
                    return kind.isBalancedByBias ? (0, "loads are balanced by the selection bias") : (0.01, "default")
                }),
            .number(
                "router_z_loss", \.router.zLoss, 0...10,
                "Weight of the squared log-partition of the routers' logits, a mean over the layers.", shown: true,
                others: "router_z_loss_coef moe_z_loss_coeff", default: .value(0, "none")),
            .number(
                "router_noise", \.router.noise, 0...10,
                "Standard deviation of the normal noise on the routers' logits.", shown: true,
                others: "router_jitter_noise moe_input_jitter_eps noisy_gate", default: .value(0, "none")),
            .number(
                "capacity_factor", \.router.capacityFactor, 0...1024,
                "An expert takes at most this many times its even share of a micro-batch's tokens, and the rest is "
                    + "dropped; 0: nothing is.", shown: true,
                others: "moe_capacity_factor expert_capacity_factor moe_expert_capacity_factor expert_capacity",
                default: .value(0, "nothing is dropped")),
            .choice(
                "routing", \.router.choice,
                "Who chooses in training: tokens their experts, or experts their tokens (as many each; evaluation and "
                    + "generation are by tokens' choice).", shown: true,
                others: "expert_choice moe_router_load_balancing_type",
                default: .value(.tokens)),
            .number(
                "router_bias_rate", \.router.biasRate, 0...1,
                "What the bias that experts are selected by moves in a step against their loads (DeepSeek V3).",
                shown: true,
                others: "moe_router_bias_update_rate bias_update_speed",
                default: .from { facts in
                    guard facts.mixture?.isBalancedByBias == true else { return (0, "no selection bias") }
                    return facts.isNew ? (0.001, "default") : (0, "none in fine-tuning")
                }),
        ]
    ) { (run, facts) throws(TrainingError) in
        let router = run.router
        guard let kind = facts.mixture else {
            // What is tuned may not be known yet.
            guard router == RouterOptions() || !facts.isNew && facts.model == nil else {
                throw TrainingError(
                    .configuration,
                    "load_balance, router_z_loss, router_noise, capacity_factor, routing and router_bias_rate are of "
                        + "mixtures of experts; \(run.shape.family) is none")
            }
            return
        }
        guard kind.isBalancedByBias || router.biasRate == 0 else {
            throw TrainingError(
                .configuration, "router_bias_rate: family \(run.shape.family) selects experts by no bias")
        }
        guard router.biasRate == 0 || !run.adapter.isOn else {
            throw TrainingError(
                .configuration,
                "router_bias_rate moves the base's selection bias, which an adapter does not save: leave adapter out, or "
                    + "router_bias_rate at 0")
        }
        guard router.choice == .tokens || kind.takesExpertsChoice else {
            throw TrainingError(
                .configuration,
                "routing experts: the router of family \(run.shape.family) has groups, a selection bias or a sparse mixer, by "
                    + "which tokens choose")
        }
    }
}

/// What options ask of a model's routers.
struct MixtureFacts: Sendable {
    var isBalancedByBias: Bool
    var takesExpertsChoice: Bool
}

extension OptionFacts {
    /// Of the model that is trained; nil for a dense one.
    var mixture: MixtureFacts? {
        guard let model else {
            guard let form = run.shape.form.mixture, run.shape.mixture.experts > 0 else { return nil }
            return MixtureFacts(
                isBalancedByBias: form.isBalancedByBias,
                takesExpertsChoice: !form.isBalancedByBias && run.shape.mixture.groups == 1)
        }
        guard let router = model.layers.lazy.compactMap(\.feedForward.experts).first else { return nil }
        let isPlain = router.scoring == .softmax || router.scoring == .sigmoid
        return MixtureFacts(
            isBalancedByBias: router.hasSelectionBias,
            takesExpertsChoice: !router.hasSelectionBias && router.groups == nil && isPlain)
    }
}

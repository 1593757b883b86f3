import MartletJSON
import MartletNN
import MartletSystem

/// Options of training on preferences and judged replies.
public struct PreferenceOptions: Sendable, Equatable {
    /// As it is written: "sigmoid", "sigmoid=0.8,bco_pair=0.2,sft=1", "simpo".
    public internal(set) var loss = ""
    public internal(set) var beta = 0.0, labelSmoothing = 0.0, likelihoodWeight = 0.0, tailWeight = 1.0
    public internal(set) var divergence = DirectPreferenceLoss.Divergence.reverseKL
    public internal(set) var isReferenceFree = false
    /// Another model, or a file of its log-probabilities.
    public internal(set) var reference: String?
    public internal(set) var simpoMargin = 0.0, alpha = 0.0, discopopTemperature = 0.0
    public internal(set) var desirableWeight = 1.0, undesirableWeight = 1.0
}

/// Options of training a reward model.
public struct RewardModelOptions: Sendable, Equatable {
    public internal(set) var centering = 0.0
    public internal(set) var usesMargins = true
}

extension DirectPreferenceLoss.Divergence: OptionValue {}

/// A loss by its name: what `--loss` takes.
enum NamedPreferenceLoss {
    case pairs(any PreferenceLoss)
    case judged(JudgedPolicy.Kind)

    /// Losses beside the kinds of `DirectPreferenceLoss`, which are added with weights.
    static let others = ["orpo", "simpo", "cpo", "cpo_hinge", "cpo_ipo"] + JudgedPolicy.Kind.allCases.map(\.rawValue)
    static let all = DirectPreferenceLoss.Kind.allCases.map(\.rawValue) + others

    init(_ options: PreferenceOptions) throws(TrainingError) {
        let text = options.loss, beta = options.beta
        if let kind = JudgedPolicy.Kind(rawValue: text) {
            self = .judged(kind)
            return
        }
        func contrastive(_ kind: ContrastivePreferenceLoss.Kind) -> Self {
            var loss = ContrastivePreferenceLoss(kind, beta: beta, likelihoodWeight: options.likelihoodWeight)
            loss.labelSmoothing = options.labelSmoothing
            loss.simpoMargin = options.simpoMargin
            loss.alpha = options.alpha
            return .pairs(loss)
        }
        switch text {
        case "orpo": self = .pairs(OddsRatioLoss(beta: beta))
        case "simpo": self = contrastive(.simpo)
        case "cpo": self = contrastive(.sigmoid)
        case "cpo_hinge": self = contrastive(.hinge)
        case "cpo_ipo": self = contrastive(.ipo)
        default: self = .pairs(try Self.direct(options))
        }
    }

    private static func direct(_ options: PreferenceOptions) throws(TrainingError) -> DirectPreferenceLoss {
        var kinds: [(DirectPreferenceLoss.Kind, Double)] = []
        for part in options.loss.split(separator: ",", omittingEmptySubsequences: false) {
            var name = String(part), weight = 1.0
            if let cut = part.firstIndex(of: "=") {
                guard let number = Double(part[part.index(after: cut)...]), number.isFinite else {
                    throw TrainingError(
                        .configuration, "loss: the weight of \(String(part).quoted()) is no number", option: "loss")
                }
                (name, weight) = (String(part[..<cut]), number)
            }
            guard let kind = DirectPreferenceLoss.Kind(rawValue: name) else {
                let near = all.min { Spelling.distance($0, name) < Spelling.distance($1, name) } ?? ""
                throw TrainingError(
                    .configuration,
                    others.contains(name)
                        ? "loss: \(name) stands alone, not among others"
                        : "loss: there is no \(name.quoted()); there are \(all.joined(separator: ", ")); did you mean "
                            + "\"\(near)\"?", option: "loss")
            }
            kinds.append((kind, weight))
        }
        if options.likelihoodWeight != 0 { kinds.append((.sft, options.likelihoodWeight)) }
        var loss = DirectPreferenceLoss(kinds, beta: options.beta)
        loss.labelSmoothing = options.labelSmoothing
        loss.divergence = options.divergence
        loss.isReferenceFree = options.isReferenceFree
        loss.tailWeight = options.tailWeight
        loss.discopopTemperature = options.discopopTemperature
        return loss
    }

    /// The usual parameters of a loss.
    static func usualBeta(_ text: String) -> Double {
        switch text {
        case "simpo": 2
        default: 0.1
        }
    }
}

extension OptionPart {
    /// Records with feedback on replies.
    static let feedback = OptionPart(
        "Feedback",
        recordKeys(
            "Files and folders of pairs, or of replies that were judged; names, where --dataset-info lists them.")
            + [
                .option(
                    "validation", optional: \.chat.validation, .number(0...1e9),
                    "The share of prompts kept for validation; from 1 on, how many.", resume: .fixed, shown: true,
                    others: "val_size test_size eval_split", default: .none("0.1")),
                .integer(
                    "validation_fold", \.chat.validationFold, 0...999,
                    "Which share is kept: 0 to 9 are the ten parts of 0.1, for cross-validation.", resume: .fixed,
                    others: "fold", default: .value(0)),
                .chatTemplate,
            ])

    /// Texts or conversations for distillation from a teacher.
    static let texts = OptionPart(
        "Texts",
        recordKeys("Files and folders of conversations, prompts or texts.")
            + [
                .option(
                    "validation", optional: \.chat.validation, .number(0...1e9),
                    "The share kept for validation; from 1 on, how many.",
                    resume: .fixed, shown: true, others: "val_size test_size eval_split", default: .none("0.1")),
                .chatTemplate,
            ])

    /// Steps of whole replies with their prompts.
    static let pairs = OptionPart(
        "Steps",
        [
            .integer(
                "context_length", \.rows.length, 8...1_048_576,
                "Tokens of a prompt with its reply at most; what is longer is left out and counted.", shown: true,
                others: "cutoff_len max_length max_seq_length max_seq_len context ctx length",
                default: .from { facts in
                    guard let model = facts.model else { return (nil, "the model's, 1024 at most") }
                    return (min(model.contextLength, 1024), "the model's, 1024 at most")
                }),
            .integer(
                "batch_rows", \.rows.perStep, 1...65_536, "Pairs, or judged replies, of an optimiser step.",
                shown: true, flags: ["batch"],
                others: "batch_size bs per_device_train_batch_size train_batch_size batch_pairs",
                default: .from { facts in
                    let isFew = facts.rows.map { $0 < 16 } ?? false
                    return (max(1, min(16, facts.rows ?? 16)), isFew ? "all rows of the data" : "default")
                }),
            .option(
                "epochs", optional: \.rows.epochs, .number(0.001...100_000),
                "Times to go through the data, instead of steps.", resume: .told, shown: true,
                others: "epoch num_epochs num_train_epochs n_epochs",
                default: .from { !$0.isTimed && !$0.givesSteps ? (1, "default") : (nil, "by steps") }),
        ])

    static let preferences = OptionPart(
        "Preferences",
        [
            .option(
                "loss", \.preferences.loss, .text,
                "What pairs become: sigmoid (DPO), hinge, ipo, exo_pair, nca_pair, robust, bco_pair, sppo_hard, aot, "
                    + "aot_unpaired, apo_zero, apo_down, discopop, sigmoid_norm, sft, or several with weights, as "
                    + "sigmoid=0.8,bco_pair=0.2; orpo, simpo, cpo, cpo_hinge, cpo_ipo; of judged replies kto or "
                    + "apo_zero_unpaired.", shown: true, others: "loss_type pref_loss", default: .value("sigmoid")),
            .number(
                "beta", \.preferences.beta, 1e-6...1000, "How much a log-ratio is worth.", shown: true,
                others: "pref_beta dpo_beta",
                default: .from { (NamedPreferenceLoss.usualBeta($0.run.preferences.loss), "default of the loss") }),
            .number(
                "label_smoothing", \.preferences.labelSmoothing, 0...1,
                "How likely a pair is the wrong way round: sigmoid, robust, exo_pair, aot, aot_unpaired, cpo, simpo.",
                shown: true, others: "smoothing dpo_label_smoothing",
                default: .from {
                    $0.run.preferences.loss.contains("robust") || $0.run.preferences.loss.contains("exo_pair")
                        ? (0.1, "default of the loss") : (0, "none")
                }),
            .number(
                "sft_weight", \.preferences.likelihoodWeight, 0...1000,
                "Weight of the negative log-likelihood of the chosen replies beside the loss.", shown: true,
                others: "rpo_alpha cpo_alpha pref_ftx",
                default: .from {
                    $0.run.preferences.loss.hasPrefix("cpo") ? (1, "default of the loss") : (0, "none")
                }),
            .number(
                "tail_weight", \.preferences.tailWeight, 0...1,
                "Weight of what stands behind the end of the shorter reply of a pair (LD-DPO); 1: as the rest.",
                others: "ld_alpha", default: .value(1)),
            .choice(
                "f_divergence", \.preferences.divergence, "What DPO's ratios are scored by.",
                others: "f_divergence_type", default: .value(.reverseKL)),
            .flag(
                "reference_free", \.preferences.isReferenceFree,
                "Compare the policy's own probabilities, without a reference.", shown: true, default: .value(false)),
            .option(
                "reference", optional: \.preferences.reference, .path,
                "Another model as the reference, or a file of its log-probabilities (reference.safetensors of a run).",
                resume: .free, shown: true, others: "ref_model reference_model ref_model_name",
                default: .none("the model before training, its adapter switched off")),
            .number(
                "simpo_margin", \.preferences.simpoMargin, 0...100,
                "γ of simpo: by how much the chosen reply is to be ahead.", others: "simpo_gamma gamma",
                default: .value(0.5)),
            .number(
                "alphapo", \.preferences.alpha, -10...10, "α of AlphaPO's rewards in cpo and simpo; 0: log p.",
                others: "alpha", default: .value(0)),
            .number(
                "discopop_tau", \.preferences.discopopTemperature, 1e-4...10, "τ of discopop.", default: .value(0.05)),
            .number(
                "desirable_weight", \.preferences.desirableWeight, 0...1000, "Weight of good replies in kto.",
                others: "kto_chosen_weight", default: .value(1)),
            .number(
                "undesirable_weight", \.preferences.undesirableWeight, 0...1000, "Weight of bad replies in kto.",
                others: "kto_rejected_weight", default: .value(1)),
        ]
    ) { (run, _) throws(TrainingError) in
        _ = try NamedPreferenceLoss(run.preferences)
        guard run.preferences.labelSmoothing < 0.5 || !run.preferences.loss.contains("robust") else {
            throw TrainingError(
                .configuration, "robust needs a label_smoothing below 0.5: of more, pairs say nothing",
                option: "label_smoothing")
        }
        guard run.preferences.labelSmoothing > 0 || !run.preferences.loss.contains("exo_pair") else {
            throw TrainingError(
                .configuration, "exo_pair needs a label_smoothing above 0, such as 0.001", option: "label_smoothing")
        }
        try LossReaders.demand(run.preferences)
    }

    static let rewardModel = OptionPart(
        "Reward model",
        [
            .number(
                "centering", \.rewardModel.centering, 0...10,
                "Weight of the square of a pair's scores, which keeps them around 0, such as 0.01.", shown: true,
                others: "center_rewards_coefficient", default: .value(0, "none")),
            .flag(
                "margins", \.rewardModel.usesMargins,
                "Whether a record's margin is by how much the chosen reply leads.",
                shown: true, default: .value(true)),
        ])

    /// How runs over whole replies differ from runs over rows.
    static let replyDefaults: [String: @Sendable (OptionFacts) -> (value: JSON, how: String)] = [
        "micro_batches": OptionDefault.microBatches(ofTokens: 8192, sequences: 2).usual,
        "weight_decay": OptionDefault.value(0.0, "what was learnt before is to stay").usual,
        "log_every": OptionDefault.value(1).usual,
        "evaluation_rows": OptionDefault.value(1000).usual,
    ]
}

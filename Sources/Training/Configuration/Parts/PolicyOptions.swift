import MartletJSON
import MartletNN

/// How replies that were judged become a loss.
public struct PolicyGradientOptions: Sendable, Equatable {
    public enum Method: String, Sendable, CaseIterable, OptionValue {
        case grpo
        case drGRPO = "dr_grpo"
        case dapo, gspo, cispo, rloo, reinforce
        case expert
    }
    public enum Normalisation: String, Sendable, CaseIterable, OptionValue { case tokens, replies, length }
    public enum Baseline: String, Sendable, CaseIterable, OptionValue { case group, others, step, none, best }

    public internal(set) var method = Method.grpo
    public internal(set) var normalisation = Normalisation.tokens
    public internal(set) var importance = GroupRelativePolicy.Importance.token
    public internal(set) var surrogate = GroupRelativePolicy.Surrogate.clipped
    public internal(set) var baseline = Baseline.group
    public internal(set) var dividesByDeviation = true
    public internal(set) var clipHigh = 0.2
    public internal(set) var ratioLimit: Double?
    public internal(set) var divergenceWeight = 0.0
    public internal(set) var reference: String?
    /// How often groups of equal rewards are drawn again.
    public internal(set) var redraws = 0
    /// Tokens before the most that a reply may have, from which on long replies lose reward.
    public internal(set) var overlongMargin = 0
}

/// What PPO has beside.
public struct ProximalOptions: Sendable, Equatable {
    public enum Place: String, Sendable, CaseIterable, OptionValue { case reward, loss }

    public internal(set) var discount = 1.0, lambda = 0.95, valueClip = 0.2, valueWeight = 0.1
    public internal(set) var divergenceWeight = 0.05
    public internal(set) var divergencePlace = Place.reward
    public internal(set) var divergenceTarget: Double?
    public internal(set) var divergenceHorizon = 10_000.0
    public internal(set) var reference: String?
    public internal(set) var whitens = true
    /// A folder of shards whose texts are learnt beside.
    public internal(set) var texts: String?
    public internal(set) var textWeight = 1.0
    public internal(set) var textRows = 4
}

/// What a student learns of its teacher.
public struct DistillationOptions: Sendable, Equatable {
    public enum Level: String, Sendable, CaseIterable, OptionValue { case token, sequence }

    public internal(set) var teacher: String?
    /// Of a teacher behind a URL: its name there, the variable with its key, and how long an answer may take.
    public internal(set) var teacherName: String?, teacherKeyVariable: String?
    public internal(set) var teacherSeconds = 120.0, teacherRetries = 3
    public internal(set) var weight = 0.0, temperature = 1.0, hardWeight = 0.0, onPolicy = 0.0
    public internal(set) var top: Int?
    public internal(set) var level = Level.token
    public internal(set) var maximumTokens = 128
    public internal(set) var drawTemperature = 1.0
}

extension GroupRelativePolicy.Importance: OptionValue {}
extension GroupRelativePolicy.Surrogate: OptionValue {}

extension PolicyGradientOptions {
    /// How a method and nothing else sets the others.
    static func method<Value>(_ usual: Value, _ values: [Method: Value]) -> OptionDefault<Value> {
        .from { facts in
            guard let value = values[facts.run.policy.method] else { return (usual, "default") }
            return (value, "default of \(facts.run.policy.method.rawValue)")
        }
    }
}

extension OptionPart {
    static let policyGradient = OptionPart(
        "Policy gradient",
        [
            .choice(
                "normalisation", \.policy.normalisation,
                "What the losses of tokens become: a mean over the step's tokens, over its replies, or a sum divided by "
                    + "replies × maximum_tokens.", others: "loss_type normalization",
                default: PolicyGradientOptions.method(.tokens, [.drGRPO: .length, .gspo: .replies])),
            .choice(
                "importance", \.policy.importance,
                "Whose probabilities the ratio is of: a token's, or the mean of a sequence or a group.",
                others: "importance_sampling_level", default: PolicyGradientOptions.method(.token, [.gspo: .sequence])),
            .choice(
                "surrogate", \.policy.surrogate,
                "min(ρA, clip(ρ)A); ρA; the clipped weight times log p; or log p alone.",
                default: PolicyGradientOptions.method(
                    .clipped,
                    [
                        .cispo: .clippedWeight, .rloo: .logProbability, .reinforce: .logProbability,
                        .expert: .logProbability,
                    ])),
            .choice(
                "baseline", \.policy.baseline,
                "What a reward is held against: the group's mean, that of the others of the group, the step's, nothing; "
                    + "best learns the best replies of each group alone.",
                default: PolicyGradientOptions.method(.group, [.rloo: .others, .reinforce: .step, .expert: .best])),
            .flag(
                "divides_by_deviation", \.policy.dividesByDeviation,
                "Divide a reply's advantage by the deviation of its group.", shown: true, off: "without-deviation",
                default: PolicyGradientOptions.method(true, [.drGRPO: false])),
            .number(
                "clip_high", \.policy.clipHigh, 1e-6...100, "How far above 1 the ratio counts; ratio_clip is below.",
                others: "epsilon_high",
                default: .from { facts in
                    let method = facts.run.policy.method
                    guard let own = method.usualClipHigh else { return (facts.run.rollouts.ratioClip, "ratio_clip") }
                    return (own, "default of \(method.rawValue)")
                }),
            .option(
                "ratio_limit", optional: \.policy.ratioLimit, .number(1...1000),
                "The largest ratio of a reply that is worse than its group.", others: "delta", default: .none()),
            .number(
                "kl_weight", \.policy.divergenceWeight, 0...100, "Weight of the divergence from the reference.",
                shown: true, others: "kl_coef init_kl_coef kl", default: .value(0, "none")),
            .option(
                "reference", optional: \.policy.reference, .path, "The reference of kl_weight.", resume: .free,
                others: "ref_model reference_model", default: .none("the model before training")),
            .integer(
                "redraws", \.policy.redraws, 0...64,
                "How often problems are taken anew for groups whose rewards are all equal (dynamic sampling).",
                shown: true, others: "dynamic_sampling max_resample_attempts",
                default: PolicyGradientOptions.method(0, [.dapo: 3])),
            .integer(
                "overlong_margin", \.policy.overlongMargin, 0...65_536,
                "Tokens before maximum_tokens from which on a reply loses up to 1 of its reward; 0: none.",
                others: "overlong_buffer",
                default: .from { facts in
                    facts.run.policy.method == .dapo
                        ? (facts.run.rollouts.maximumTokens / 5, "default of dapo") : (0, "none")
                }),
        ]
    ) { (run, _) throws(TrainingError) in
        guard run.rollouts.groupSize > 1 || run.policy.baseline == .step || run.policy.baseline == .none else {
            throw TrainingError(
                .configuration,
                "group_size 1 has no others to be compared with: take 2 or more, or baseline step or none",
                option: "group_size")
        }
        guard run.policy.overlongMargin <= run.rollouts.maximumTokens else {
            throw TrainingError(
                .configuration,
                "overlong_margin \(run.policy.overlongMargin) is more than the \(run.rollouts.maximumTokens) tokens of a reply",
                option: "overlong_margin")
        }
        try run.policy.demandUse(run)
    }

    static let method = OptionPart(
        "Method",
        [
            .choice(
                "method", \.policy.method,
                "What the others follow from: grpo, dr_grpo, dapo, gspo, cispo, rloo, reinforce, or expert iteration.",
                shown: true, others: "algorithm algo", default: .value(.grpo))
        ])

    static let proximal = OptionPart(
        "Proximal policy",
        [
            .number("discount", \.proximal.discount, 0...1, "γ of later rewards.", others: "gamma", default: .value(1)),
            .number(
                "gae_lambda", \.proximal.lambda, 0...1, "λ of advantages: 0 trusts values, 1 rewards.", shown: true,
                others: "lam lambda", default: .value(0.95)),
            .number(
                "value_weight", \.proximal.valueWeight, 0...100, "Weight of the values' loss.", shown: true,
                others: "vf_coef", default: .value(0.1)),
            .number(
                "value_clip", \.proximal.valueClip, 1e-6...1000, "How far a value may move in a step.",
                others: "cliprange_value", default: .value(0.2)),
            .number(
                "kl_weight", \.proximal.divergenceWeight, 0...100, "Weight of the divergence from the reference.",
                shown: true, others: "kl_coef init_kl_coef kl", default: .value(0.05)),
            .choice(
                "kl_place", \.proximal.divergencePlace, "Whether the divergence lowers rewards or raises the loss.",
                shown: true, default: .value(.reward)),
            .option(
                "kl_target", optional: \.proximal.divergenceTarget, .number(1e-6...10_000),
                "Divergence of a reply that kl_weight is adapted to keep.", shown: true, others: "target target_kl",
                default: .none("kl_weight stays")),
            .number(
                "kl_horizon", \.proximal.divergenceHorizon, 1...1e9, "Replies over which kl_weight follows its target.",
                others: "horizon", default: .value(10_000)),
            .option(
                "reference", optional: \.proximal.reference, .path, "The reference of kl_weight.", resume: .free,
                others: "ref_model reference_model", default: .none("the model before training")),
            .flag(
                "whitens_advantages", \.proximal.whitens, "Bring a step's advantages to mean 0 and deviation 1.",
                others: "whiten_advantages", default: .value(true)),
            .option(
                "texts", optional: \.proximal.texts, .path,
                "A folder of token shards whose texts are learnt beside, so that what was known stays (PPO-ptx).",
                resume: .free, shown: true, others: "ptx pretraining_data", default: .none()),
            .number(
                "text_weight", \.proximal.textWeight, 0...1000, "Weight of their negative log-likelihood.",
                others: "ptx_coef", default: .value(1)),
            .integer(
                "text_rows", \.proximal.textRows, 1...4096, "Rows of 256 tokens of them in a step.", default: .value(4)),
        ]
    ) { (run, _) throws(TrainingError) in
        try run.proximal.demandUse()
    }

    static let distillation = OptionPart(
        "Distillation",
        [
            .option(
                "teacher", optional: \.distillation.teacher, .path,
                "The model to learn from, with the same vocabulary: a path or name, or the URL of a server with OpenAI's "
                    + "interface, as http://host:8000/v1.",
                resume: .free, shown: true, others: "teacher_model teacher_model_name_or_path", default: .none("given")),
            .option(
                "teacher_name", optional: \.distillation.teacherName, .text, "Of a URL: the model's name there.",
                resume: .free, shown: true, default: .none("default")),
            .option(
                "teacher_key_variable", optional: \.distillation.teacherKeyVariable, .text,
                "Of a URL: the environment variable that holds its key.", resume: .free, shown: true,
                others: "teacher_api_key", default: .none("no key")),
            .number(
                "teacher_seconds", \.distillation.teacherSeconds, 0.1...86_400,
                "Of a URL: how long an answer may take.", resume: .free, default: .value(120)),
            .integer(
                "teacher_retries", \.distillation.teacherRetries, 0...100,
                "Of a URL: how often a request is sent again.", resume: .free, default: .value(3)),
            .choice(
                "level", \.distillation.level,
                "token: what the teacher says of each next token; sequence: what it writes to the prompts.",
                shown: true,
                default: .value(.token)),
            .number(
                "divergence", \.distillation.weight, 0...1,
                "0: forward KL, 1: reverse KL, between: generalised Jensen-Shannon.", shown: true, others: "beta",
                default: .value(0)),
            .number(
                "temperature", \.distillation.temperature, 0.05...20,
                "That both distributions are taken at; the loss is multiplied with its square.", shown: true,
                default: .value(1)),
            .number(
                "hard_weight", \.distillation.hardWeight, 0...1, "Share of the next tokens' own loss.", shown: true,
                others: "alpha ce_weight", default: .value(0)),
            .option(
                "teacher_top", optional: \.distillation.top, .integer(1...1_048_576),
                "The teacher's most likely tokens alone.", shown: true, others: "top_k topk",
                default: .from { facts in
                    let isRemote = facts.run.distillation.teacher.map(TeacherConnection.isURL) ?? false
                    return isRemote ? (20, "default of a URL") : (nil, "all")
                }),
            .number(
                "on_policy", \.distillation.onPolicy, 0...1,
                "Share of the steps whose replies the student writes itself (GKD).", shown: true,
                others: "lmbda lambda", default: .value(0)),
            .integer(
                "maximum_tokens", \.distillation.maximumTokens, 1...65_536, "Max new tokens of a generated reply.",
                others: "max_new_tokens max_tokens", default: .value(128)),
            .number(
                "draw_temperature", \.distillation.drawTemperature, 0...10, "That replies are drawn at; 0: greedy.",
                default: .value(1)),
        ]
    ) { (run, _) throws(TrainingError) in
        try run.distillation.demandUse()
    }
}

extension DistillationOptions {
    /// Refuses what the level and the teacher do not read, by name: it would change nothing, or have the student learn
    /// what it wrote itself.
    fileprivate func demandUse() throws(TrainingError) {
        let isRemote = teacher.map(TeacherConnection.isURL) ?? false
        let ofServers = [("teacher_name", teacherName != nil), ("teacher_key_variable", teacherKeyVariable != nil)]
        for (name, isSet) in ofServers where isSet && teacher != nil && !isRemote {
            throw TrainingError(
                .configuration, "\(name) is of a teacher behind a URL; \(teacher ?? "") is a model of this machine",
                option: name)
        }
        guard level == .sequence else {
            let usual = Self()
            let ofReplies = [
                ("maximum_tokens", maximumTokens != usual.maximumTokens),
                ("draw_temperature", drawTemperature != usual.drawTemperature),
            ]
            for (name, isSet) in ofReplies where isSet && onPolicy == 0 {
                throw TrainingError(
                    .configuration,
                    "\(name) is of replies that are written, and with level token and on_policy 0 none are: give on_policy a "
                        + "share above 0, such as 0.5, or take level sequence, or leave \(name) out", option: name)
            }
            return
        }
        let ofTokens = [
            ("on_policy", onPolicy != 0), ("divergence", weight != 0), ("temperature", temperature != 1),
            ("hard_weight", hardWeight != 0), ("teacher_top", top != nil && !isRemote),
        ]
        for (name, isSet) in ofTokens where isSet {
            throw TrainingError(
                .configuration,
                "\(name) is of level token: with level sequence the teacher's replies are learnt as they are written"
                    + (name == "temperature" ? "; what they are drawn at is draw_temperature" : ""), option: name)
        }
    }
}

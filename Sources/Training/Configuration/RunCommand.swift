import MartletJSON
import MartletNN
import MartletSystem

/// A command that trains: its name, and the parts its options are made of. A new one names its parts, and has its
/// configuration file, flags, `--help`, `--print-config`, rules of resuming and page of reference by that.
public struct RunCommand: Sendable, Hashable, CustomStringConvertible {
    public let name: String
    /// Whether it begins a model, else it goes on from one.
    let beginsModel: Bool
    /// Whether what it goes on from is a language model.
    let tunesLanguageModels: Bool
    /// In the order in which options follow from each other.
    let parts: [OptionPart]
    /// Defaults that are other ones than their part says.
    private let defaults: [String: @Sendable (OptionFacts) -> (value: JSON, how: String)]

    init(
        _ name: String, beginsModel: Bool = false, tunesLanguageModels: Bool = true, parts: [OptionPart],
        defaults: [String: @Sendable (OptionFacts) -> (value: JSON, how: String)] = [:]
    ) {
        self.name = name
        self.beginsModel = beginsModel
        self.tunesLanguageModels = tunesLanguageModels
        self.parts = parts
        self.defaults = defaults
    }

    /// `martlet train`
    public static let pretraining = RunCommand(
        "train", beginsModel: true,
        parts: [
            .data, .output, .shape, .mixture, .latent, .recurrent, .objective, .rows, .compute, .quantization,
            .optimizer,
            .schedule, .seed, .dropout, .loss,
            .router, .predictions, .perEpoch,
            .evaluation, .heldOutRows, .checkpoints,
        ])

    /// `martlet sft`
    public static let tuning = RunCommand(
        "sft",
        parts: [
            .conversations, .output, .adapter, .rows, .compute, .quantization, .optimizer, .schedule, .seed, .dropout,
            .noise, .base,
            .loss, .router, .perEpoch, .evaluation, .heldOutRows, .checkpoints,
        ], defaults: ["micro_batches": OptionDefault.microBatches(ofTokens: 2048).usual])

    /// `martlet grpo`
    public static let policy = RunCommand(
        "grpo",
        parts: [
            .problems, .output, .adapter, .compute, .optimizer, .schedule, .seed, .method, .rollouts, .tools,
            .policyGradient,
            .evaluation, .heldOutProblems, .checkpoints,
        ], defaults: RolloutOptions.defaults)

    /// `martlet ppo`
    public static let proximal = RunCommand(
        "ppo",
        parts: [
            .problems, .output, .adapter, .compute, .optimizer, .schedule, .seed, .rollouts, .proximal, .evaluation,
            .heldOutProblems, .checkpoints,
        ],
        defaults: RolloutOptions.defaults.merging([
            "updates": OptionDefault.value(4).usual, "group_size": OptionDefault.value(1).usual,
            "problems": OptionDefault.value(64).usual,
        ]) { $1 })

    /// `martlet distill`
    public static let distillation = RunCommand(
        "distill",
        parts: [
            .texts, .output, .adapter, .distillation, .pairs, .compute, .optimizer, .schedule, .seed, .perEpoch,
            .evaluation, .heldOutRows, .checkpoints,
        ],
        defaults: OptionPart.replyDefaults.merging([
            "micro_batches": OptionDefault.microBatches(ofTokens: 4096).usual
        ]) { $1 })

    /// `martlet dpo`
    public static let preferences = RunCommand(
        "dpo",
        parts: [
            .feedback, .output, .adapter, .preferences, .pairs, .compute, .optimizer, .schedule, .seed, .perEpoch,
            .evaluation, .heldOutRows, .checkpoints,
        ],
        defaults: OptionPart.replyDefaults.merging([
            "learning_rate": OptionDefault.from {
                if $0.run.adapter.isOn, $0.run.optimizer.kind == .adamw {
                    // What an adapter begins as does nothing: it moves further for as much.
                    let rate = $0.run.adapter.usualRate(hiddenSize: $0.run.shape.hiddenSize)
                    return (rate.0.map { ($0 / 5 * 1e6).rounded() / 1e6 }, "a fifth of that of sft with an adapter")
                }
                let usual = UsualNumbers($0.run.optimizer.kind, hiddenSize: 256)
                return (usual.learningRate / 600, "a six-hundredth of the default of the optimizer")
            }.usual
        ]) { $1 })

    /// `martlet reward`
    public static let rewardModel = RunCommand(
        "reward",
        parts: [
            .feedback, .output, .adapter, .rewardModel, .pairs, .compute, .optimizer, .schedule, .seed, .perEpoch,
            .evaluation, .heldOutRows, .checkpoints,
        ],
        defaults: OptionPart.replyDefaults.merging([
            "learning_rate": OptionDefault.from {
                if $0.run.adapter.isOn, $0.run.optimizer.kind == .adamw {
                    let rate = $0.run.adapter.usualRate(hiddenSize: $0.run.shape.hiddenSize)
                    return (rate.0.map { ($0 / 2 * 1e6).rounded() / 1e6 }, "half of that of sft with an adapter")
                }
                let usual = UsualNumbers($0.run.optimizer.kind, hiddenSize: 256)
                return (usual.learningRate / 100, "a hundredth of the default of the optimizer")
            }.usual
        ]) { $1 })

    /// `martlet embed-train`
    public static let embedding = RunCommand(
        "embed-train", tunesLanguageModels: false,
        parts: [
            .textPairs, .output, .embedding, .adapter, .trainedLayers,
            .textSteps(
                "Rows of an optimiser step; in infonce each is a negative for the others.",
                length: "Tokens of a text at most; longer ones are cut and counted.", rows: 32, epochs: 1),
            .compute, .optimizer, .schedule, .seed, .dropout, .perEpoch, .evaluation, .heldOutRows, .checkpoints,
        ], defaults: OptionPart.encoderDefaults(texts: 2))

    /// `martlet classify-train`
    public static let classification = RunCommand(
        "classify-train", tunesLanguageModels: false,
        parts: [
            .labelledTexts, .output, .classification, .adapter, .trainedLayers,
            .textSteps(
                "Texts of an optimiser step.",
                length: "Tokens of a text, or pair of texts, at most; longer ones are cut and "
                    + "counted.", rows: 16, epochs: 3),
            .compute, .optimizer, .schedule, .seed, .dropout, .perEpoch, .evaluation, .heldOutRows, .checkpoints,
        ], defaults: OptionPart.encoderDefaults(texts: 1))

    /// Every command that trains.
    public static let all: [RunCommand] = [
        pretraining, tuning, policy, preferences, rewardModel, proximal, distillation, embedding, classification,
    ]

    public var description: String { "martlet " + name }

    var keys: [OptionKey] { parts.flatMap(\.keys) }

    func key(_ name: String) -> OptionKey? {
        for part in parts {
            if let key = part.keys.first(where: { $0.name == name }) { return key }
        }
        return nil
    }

    func usual(_ key: OptionKey, _ facts: OptionFacts) -> (value: JSON, how: String) {
        (defaults[key.name] ?? key.usual)(facts)
    }

    /// Names of its own defaults: a test looks for an option of each.
    package var ownDefaults: [String] { defaults.keys.sorted() }

    public static func == (one: Self, other: Self) -> Bool { one.name == other.name }
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

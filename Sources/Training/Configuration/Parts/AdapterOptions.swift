import MartletAdapters
import MartletSystem

/// What of a model is tuned: all of it, or an adapter on a model that stays as it is.
public struct AdapterOptions: Sendable, Equatable {
    /// "none" tunes the model itself; the others as `AdapterConfiguration(named:)` has them.
    public enum Method: String, Sendable, CaseIterable, OptionValue {
        case none, lora, rslora, dora, pissa, loftq, ia3, oft, prompt, prefix
        case promptEncoder = "p-tuning"
        case bitfit, freeze
    }
    public enum TrainedBiases: String, Sendable, CaseIterable, OptionValue {
        case none, all
        case adapted = "lora_only"
    }

    public internal(set) var method = Method.none
    public internal(set) var rank = 16, blockSize = 32, virtualTokens = 20
    public internal(set) var alpha: Double?
    public internal(set) var dropout = 0.0
    /// "all-linear", names with commas, or an expression.
    public internal(set) var targets = "all-linear"
    /// "v_proj=8,down_proj=32"
    public internal(set) var ranks: String?, alphas: String?
    /// "0-3,7"
    public internal(set) var layers: String?
    public internal(set) var savedModules: String?, feedForward: String?, trained: String?, tokens: String?
    public internal(set) var biases = TrainedBiases.none
    /// The learning rate of B as a multiple of A's.
    public internal(set) var plusRatio = 1.0
    /// An adapter to go on from.
    public internal(set) var from: String?
    /// Of loftq: the model before it was quantised.
    public internal(set) var original: String?

    public init() {}

    public var isOn: Bool { method != .none || from != nil }

    /// - Parameter depth: the layers that the model has; nil where it is not known yet.
    /// - Throws: `AdapterError` for what cannot be read.
    public func configuration(depth: Int? = nil) throws(AdapterError) -> AdapterConfiguration? {
        guard method != .none else { return nil }
        var result = try AdapterConfiguration(named: method.rawValue)
        result.rank = rank
        result.alpha = alpha ?? 2 * Double(rank)
        result.dropout = dropout
        result.blockSize = blockSize
        result.virtualTokens = virtualTokens
        result.rankPattern = try Self.pairs(ranks, "rank_pattern").map { (one) throws(AdapterError) in
            guard let rank = Int(exactly: one.value), rank <= 65_536 else {
                throw AdapterError(
                    .configuration, "rank_pattern: \(one.name) has \(one.value), no whole number in 1...65536")
            }
            return .init(one.name, rank)
        }
        result.alphaPattern = try Self.pairs(alphas, "alpha_pattern").map { .init($0.name, $0.value) }
        result.layers = try layers.map { (text) throws(AdapterError) in try Self.layers(text, of: depth) }
        result.savedModules = Self.names(savedModules)
        if biases != .none { result.bias = AdapterConfiguration.Bias(rawValue: biases.rawValue) ?? .none }
        result.targets = AdapterConfiguration.Targets(targets)
        if method == .ia3 {
            result.feedForwardModules = Self.names(feedForward)
            guard targets != "all-linear" || result.feedForwardModules.isEmpty else {
                throw AdapterError(
                    .configuration,
                    "feedforward_modules are targets: name those too, as targets=k_proj,v_proj,down_proj")
            }
        }
        if let tokens {
            result.trainedTokens = try Self.numbers(tokens).map { (number) throws(AdapterError) in
                guard let token = Int32(exactly: number) else {
                    throw AdapterError(.configuration, "trained_tokens: \(number) is no token")
                }
                return token
            }
        }
        if method == .freeze {
            result.trainedPatterns = Self.names(trained)
            if result.trainedPatterns.isEmpty, result.layers != nil { result.trainedPatterns = ["layers"] }
            guard !result.trainedPatterns.isEmpty else {
                throw AdapterError(
                    .configuration, "freeze needs what is trained: layers=22-29, or trained=mlp,lm_head")
            }
        }
        return result
    }

    /// Refuses what describes an adapter where none is tuned: all of the model would be, at the price of that.
    fileprivate func demandUse() throws(TrainingError) {
        guard !isOn else { return }
        let usual = Self()
        let parts = [
            ("rank", rank != usual.rank), ("alpha", alpha != nil), ("adapter_dropout", dropout != usual.dropout),
            ("targets", targets != usual.targets), ("adapter_layers", layers != nil), ("rank_pattern", ranks != nil),
            ("alpha_pattern", alphas != nil), ("modules_to_save", savedModules != nil),
            ("train_bias", biases != usual.biases), ("trained_tokens", tokens != nil),
            ("feedforward_modules", feedForward != nil), ("oft_block_size", blockSize != usual.blockSize),
            ("virtual_tokens", virtualTokens != usual.virtualTokens), ("trained", trained != nil),
            ("original", original != nil), ("lora_plus_ratio", plusRatio != usual.plusRatio),
        ]
        guard let name = parts.first(where: \.1)?.0 else { return }
        throw TrainingError(
            .configuration,
            "\(name) is of an adapter, and adapter is none, which tunes the whole model: name one, as adapter=lora, or "
                + "leave \(name) out", option: name)
    }

    /// The learning rate where nobody chose one: for LoRA 2e-4 at a width of 4096, more for smaller models, some ten times
    /// that of tuning the model itself; vectors and prompts learn with higher ones.
    func usualRate(hiddenSize: Int) -> (Double?, String) {
        switch method {
        case .ia3: return (3e-3, "default of ia3")
        case .prompt, .prefix, .promptEncoder: return (1e-2, "default of prompts")
        case .bitfit: return (1e-3, "default of bitfit")
        default:
            guard hiddenSize > 0 else { return (nil, "2e-4 × √(4096 / hidden_size)") }
            let rate = 2e-4 * (4096 / Double(hiddenSize)).squareRoot()
            return ((rate * 1e5).rounded() / 1e5, "2e-4 × √(4096 / hidden_size)")
        }
    }

    private static func names(_ text: String?) -> [String] {
        text?.split(separator: ",").map(String.init) ?? []
    }

    /// "0-3,7" as [0, 1, 2, 3, 7], "last 4" as the four highest of a model with so many.
    static func layers(_ text: String, of depth: Int?) throws(AdapterError) -> [Int] {
        guard text.hasPrefix("last ") else { return try numbers(text) }
        guard let count = Int(text.dropFirst(5)), count > 0 else {
            throw AdapterError(.configuration, "adapter_layers: \(text.quoted()) is not as last 4")
        }
        guard let depth else { return [] }
        return Array(max(0, depth - count)..<depth)
    }

    /// "0-3,7" as [0, 1, 2, 3, 7].
    static func numbers(_ text: String) throws(AdapterError) -> [Int] {
        var result: [Int] = []
        for part in text.split(separator: ",") {
            let ends = part.split(separator: "-").map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends.last ?? nil, first <= last,
                last - first < 1_000_000
            else {
                throw AdapterError(
                    .configuration, "\(String(part).quoted()) is no number or range; expected as 0-3,7")
            }
            result += first...last
        }
        return result
    }

    private static func pairs(
        _ text: String?, _ option: String
    ) throws(AdapterError) -> [(name: String, value: Double)] {
        var result: [(String, Double)] = []
        for part in names(text) {
            let sides = part.split(separator: "=").map(String.init)
            guard sides.count == 2, let value = Double(sides[1]), value > 0, value.isFinite else {
                throw AdapterError(
                    .configuration, "\(option): \(part.quoted()) is not name=number, as v_proj=8")
            }
            result.append((sides[0], value))
        }
        return result
    }
}

extension OptionPart {
    static let adapter = OptionPart(
        "Adapter",
        [
            .choice(
                "adapter", \.adapter.method,
                "What is tuned: the model itself, or an adapter on a base that stays as it is stored.", shown: true,
                others: "finetuning_type fine_tune_type peft_type lora", default: .value(.none)),
            .option(
                "adapter_from", optional: \.adapter.from, .path, "An adapter to go on from, with its own options.",
                resume: .free, shown: true, others: "resume_adapter_file adapter_name_or_path lora_model_dir",
                default: .none()),
            .integer(
                "rank", \.adapter.rank, 1...65_536, "Rank of LoRA and its like.", shown: true,
                others: "r lora_rank lora_r", default: .value(16)),
            .option(
                "alpha", optional: \.adapter.alpha, .number(1e-6...1e6),
                "What LoRA's part is multiplied by, divided by the rank.", shown: true, others: "lora_alpha",
                default: .none("2 × rank")),
            .number(
                "adapter_dropout", \.adapter.dropout, 0...0.9, "Share of an adapter's input that is dropped.",
                others: "lora_dropout", default: .value(0, "none")),
            .option(
                "targets", \.adapter.targets, .text,
                "Modules with an adapter, by the names of the model's files: all-linear, names with commas, or a regular "
                    + "expression. Of ia3, all-linear is keys, values and what the feed-forward's last product takes.",
                shown: true, others: "lora_target target_modules lora_target_modules keys",
                default: .value("all-linear")),
            .option(
                "adapter_layers", optional: \.adapter.layers, .text, "Only these layers, as 0-3,7, or as last 4.",
                shown: true,
                others: "layers_to_transform num_layers_to_train freeze_trainable_layers", default: .none("all")),
            .option(
                "rank_pattern", optional: \.adapter.ranks, .text, "Other ranks of some modules, as v_proj=8.",
                default: .none()),
            .option(
                "alpha_pattern", optional: \.adapter.alphas, .text, "Other alphas of some modules, as v_proj=16.",
                default: .none()),
            .option(
                "modules_to_save", optional: \.adapter.savedModules, .text,
                "Modules trained as a whole beside the adapter, as lm_head.", others: "additional_target",
                default: .none()),
            .choice(
                "train_bias", \.adapter.biases, "Biases trained beside the adapter.", others: "bias lora_bias",
                default: .value(.none)),
            .option(
                "trained_tokens", optional: \.adapter.tokens, .text,
                "Tokens whose rows of the embedding are trained and no others, as 49152-49155.",
                others: "trainable_token_indices", default: .none()),
            .option(
                "feedforward_modules", optional: \.adapter.feedForward, .text,
                "Of ia3: targets whose input is scaled, not their output.", default: .none()),
            .integer(
                "oft_block_size", \.adapter.blockSize, 1...65_536, "Of oft: numbers that are rotated together.",
                default: .value(32)),
            .integer(
                "virtual_tokens", \.adapter.virtualTokens, 1...65_536, "Of prompt, prefix and p-tuning: learnt tokens.",
                others: "num_virtual_tokens prompt_length", default: .value(20)),
            .option(
                "trained", optional: \.adapter.trained, .text,
                "Of freeze: what is trained, by paths of `martlet show --tree`, as mlp,lm_head; whole layers with "
                    + "adapter_layers.", others: "freeze_trainable_modules unfrozen_parameters", default: .none()),
            .option(
                "original", optional: \.adapter.original, .path,
                "Of loftq: the model's folder before it was quantised.", resume: .free, default: .none()),
            .number(
                "lora_plus_ratio", \.adapter.plusRatio, 1...1000,
                "Learning rate of B as a multiple of A's (LoRA+, Hayou et al. 2024).", resume: .told,
                others: "loraplus_lr_ratio", default: .value(1, "the same")),
        ]
    ) { (run, _) throws(TrainingError) in
        do throws(AdapterError) { _ = try run.adapter.configuration() } catch {
            throw TrainingError(.configuration, error.description)
        }
        try run.adapter.demandUse()
    }

    /// Noise in the embeddings while training.
    static let noise = OptionPart(
        "Noise",
        [
            .number(
                "neftune_alpha", \.loss.embeddingNoise, 0...1000,
                "Uniform noise of α / √(length · width) on the embeddings while training (NEFTune, Jain et al. 2023).",
                others: "neftune_noise_alpha noise", default: .value(0, "none"))
        ])
}

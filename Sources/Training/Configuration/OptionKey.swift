import MartletJSON
import MartletNN
import MartletSystem

/// One option of a training run: its name, what it may be, and what it means.
struct OptionKey: Sendable {
    enum Kind: Sendable {
        case integer(ClosedRange<Int>)
        case number(ClosedRange<Double>)
        case flag
        case choice([String])
        case path
        /// A folder, or several with their weights.
        case folders
    }
    let name: String
    let kind: Kind
    let meaning: String
    /// Whether a run may be resumed with another value: the weights so far do not depend on it, and the model keeps its
    /// shape. How long and how fast it goes on, and when it gives up, are decided anew.
    var isFree = false

    /// Whether it says where something lies, which the weights do not depend on.
    var isPath: Bool {
        switch kind {
        case .path, .folders: true
        default: false
        }
    }

    /// Completes "expected …".
    var expected: String {
        switch kind {
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .number(let range): "a number from \(Self.plain(range.lowerBound)) to \(Self.plain(range.upperBound))"
        case .flag: "true or false"
        case .choice(let names): "one of " + names.joined(separator: ", ")
        case .path: "a path"
        case .folders: "a folder, or several with weights above 0, as {\"a\": 1, \"b\": 0.3}"
        }
    }

    private static func plain(_ value: Double) -> String {
        Int(whole: value).map { abs(value) < 1e9 ? String($0) : "\(value)" } ?? "\(value)"
    }

    /// What a choice may be.
    var choices: [String] { if case .choice(let names) = kind { names } else { [] } }

    func accepts(_ value: JSON) -> Bool {
        switch kind {
        case .integer(let range): value.integer.map { range.contains($0) } ?? false
        case .number(let range): value.double.map { range.contains($0) } ?? false
        case .flag: value.bool != nil
        case .choice(let names): value.string.map { names.contains($0) } ?? false
        case .path: value.string.map { !$0.isEmpty } ?? false
        case .folders: DataPortion.all(value) != nil
        }
    }

    /// What a written value is for this key; a string where it is nothing of the kind.
    func value(_ text: String) -> JSON {
        if ["", "null", "~", "Null", "NULL"].contains(text) { return .null }
        switch kind {
        case .integer, .number:
            if let whole = Int64(text) { return .integer(whole) }
            // "nan", "inf" and "0x10" are numbers to Swift, not here.
            let digits = Set("0123456789+-.eE")
            return text.allSatisfy { digits.contains($0) }
                ? Double(text).map { .number($0) } ?? .string(text)
                : .string(text)
        case .flag:
            switch text.lowercased() {
            case "true", "yes", "on": return .bool(true)
            case "false", "no", "off": return .bool(false)
            default: return .string(text)
            }
        case .choice, .path, .folders: return .string(text)
        }
    }

    private static func integer(_ name: String, _ range: ClosedRange<Int>, _ meaning: String, free: Bool = false)
        -> Self
    {
        OptionKey(name: name, kind: .integer(range), meaning: meaning, isFree: free)
    }
    private static func number(
        _ name: String, _ range: ClosedRange<Double>, _ meaning: String, free: Bool = false
    ) -> Self {
        OptionKey(name: name, kind: .number(range), meaning: meaning, isFree: free)
    }
    private static func flag(_ name: String, _ meaning: String, free: Bool = false) -> Self {
        OptionKey(name: name, kind: .flag, meaning: meaning, isFree: free)
    }
    private static func choice(_ name: String, _ names: [String], _ meaning: String, free: Bool = false) -> Self {
        OptionKey(name: name, kind: .choice(names), meaning: meaning, isFree: free)
    }
    private static func path(_ name: String, _ meaning: String) -> Self {
        OptionKey(name: name, kind: .path, meaning: meaning, isFree: true)
    }

    /// In the order in which they follow from each other.
    static let all: [OptionKey] = [
        OptionKey(
            name: "data", kind: .folders,
            meaning: "The folder of token shards, or folders with their shares of the rows.",
            isFree: true),
        path("out", "The run folder to write."),
        path("tokenizer", "The tokenizer's folder, when it is not the data's own."),
        integer("depth", 1...256, "Layers; the dial that sets every size."),
        choice("family", ["llama", "qwen3"], "The architecture."),
        integer("hidden_size", 8...65_536, "Width of the residual stream."),
        integer("heads", 1...1024, "Attention heads."),
        integer("key_value_heads", 1...1024, "Heads of keys and values, shared by the query heads."),
        integer("intermediate_size", 8...262_144, "Width inside the feed-forward blocks."),
        integer("context_length", 8...1_048_576, "Tokens of a row, and the most the model sees."),
        flag("tied_embeddings", "The head is the embedding."),
        number("rope_theta", 1...1e9, "Base of the rotary frequencies."),
        integer(
            "sliding_window", 0...1_048_576,
            "How far back every other layer looks, from the first on, itself included (qwen3); 0: all see everything."),
        integer("batch_rows", 1...65_536, "Rows of an optimiser step."),
        integer("micro_batches", 1...65_536, "Parts a step's rows are computed in, to save memory.", free: true),
        choice(
            "recompute", ["none", "layers"],
            "What the way back computes again to save memory: nothing, or every layer from its input, for a third more time.",
            free: true),
        integer("steps", 1...100_000_000, "Optimiser steps.", free: true),
        number("epochs", 0.001...100_000, "Times to go through the data, instead of steps.", free: true),
        number("minutes", 0.01...100_000, "Stop after this much training.", free: true),
        number("learning_rate", 1e-7...1, "The highest learning rate.", free: true),
        number("final_rate", 0...1, "The last learning rate, as a share of the highest.", free: true),
        choice("schedule", LearningRateSchedule.allCases.map(\.rawValue), "How the learning rate goes.", free: true),
        integer("warmup", 0...1_000_000, "Steps until the highest learning rate.", free: true),
        integer("decay", 0...100_000_000, "Steps of the last part of a wsd schedule.", free: true),
        choice("optimizer", OptimizerKind.allCases.map(\.rawValue), "What changes the weights along the gradient."),
        choice("precision", ["fp32", "bf16", "fp16"], "What matrices and their gradients are rounded to."),
        number("weight_decay", 0...10, "Decay of matrices."),
        number("beta1", 0...0.9999, "Memory of the gradient: adamw, adam, lion."),
        number("beta2", 0...0.99999, "Memory of its square: adamw, adam, rmsprop; of lion's momentum."),
        number("epsilon", 1e-15...1, "What is added to the root: adamw, adam, rmsprop."),
        number("momentum", 0...0.9999, "Momentum of sgd, rmsprop and muon."),
        flag("nesterov", "Whether sgd and muon look ahead along the momentum."),
        number("ema", 0...0.999999, "Decay of an average of the weights that is evaluated and saved; 0: none."),
        number("dropout", 0...0.9, "Share of the numbers added to the residual stream that is dropped."),
        number("attention_dropout", 0...0.9, "Share of attention's probabilities that is dropped."),
        number("clip", 1e-6...1e6, "The largest gradient norm; larger ones are scaled down to it.", free: true),
        number("z_loss", 0...1, "Weight of the squared log-partition."),
        number("label_smoothing", 0...0.99, "Weight of the uniform distribution beside the target."),
        integer("seed", 0...Int(Int32.max), "Of initial weights and the order of data."),
        choice(
            "initialization", ["gpt2", "cs336", "xavier", "kaiming", "zero-residual"], "How the weights begin."),
        choice("layout", ["contiguous", "packed"], "Rows cut from the stream, or whole documents packed into them."),
        integer("evaluate_every", 1...100_000_000, "Steps between looks at held-out data.", free: true),
        integer("evaluation_rows", 1...1_000_000, "Held-out rows of a look.", free: true),
        integer("patience", 0...1_000_000, "Stop after this many looks without a lower loss; 0: never.", free: true),
        integer("save_every", 1...100_000_000, "Steps between checkpoints.", free: true),
        integer("keep", 1...1000, "The newest checkpoints that are kept.", free: true),
        flag("keep_best", "Keep the checkpoint of the lowest held-out loss too.", free: true),
        choice("on_disk_full", ["continue", "stop"], "What to do when a checkpoint cannot be written.", free: true),
        integer("log_every", 1...1_000_000, "Steps between lines of the log.", free: true),
        number(
            "spike_factor", 2...1e9,
            "Stop when a gradient norm that clip lets through is this many times the usual, which counts as 1 at least.",
            free: true),
    ]
}

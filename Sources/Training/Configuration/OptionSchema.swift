import MartletJSON
import MartletModels
import MartletNN
import MartletSystem

/// What an option's usual value may follow from: the options before it, the model, the data.
struct OptionFacts {
    let command: RunCommand
    /// What training goes on from.
    let model: DecoderConfiguration?
    /// The most tokens of a row cut from the data's stream.
    let longestRow: Int?
    /// As given, or the usual of the command.
    let layout: String
    /// The run ends by the clock, not by a number of steps.
    let isTimed: Bool
    /// Somebody said how many.
    let givesSteps: Bool
    /// Options before this one.
    var before: ResolvedOptions
    /// What the data holds at the context length and layout, once these are known.
    var rows: Int?

    func integer(_ name: String) -> Int { before.integer(name) }
    var isPolicy: Bool { command == .policy }

    /// Tokens of a row where nobody says, and what the data allows.
    var usualLength: (usual: Int, longest: Int) {
        let usual = min(model?.contextLength ?? 256, 1024)
        return (usual, layout == "packed" ? usual : max(8, longestRow ?? usual))
    }

    var optimizer: UsualNumbers {
        UsualNumbers(
            OptimizerKind(rawValue: before.text("optimizer")) ?? .adamw, hiddenSize: before.integer("hidden_size"))
    }

    func learningRate() -> (JSON, String) {
        guard !isPolicy else {
            let kind = OptimizerKind(rawValue: before.text("optimizer")) ?? .adamw
            let rate = (UsualNumbers(kind, hiddenSize: 256).learningRate * 1e4).rounded() / 1e5
            return (.number(rate), "a tenth of the usual of the optimizer")
        }
        let usual = optimizer
        guard model != nil else { return (.number(usual.learningRate), usual.origin) }
        // What was learnt is to be kept: a third of what one begins with.
        return (.number(usual.learningRate / 3), usual.origin + ", a third to go on")
    }

    func steps() -> (JSON, String) {
        if let epochs = before["epochs"].double, let rows {
            let perEpoch = max(1, rows).adding(clamped: integer("batch_rows") - 1) / integer("batch_rows")
            return (
                whole(min(100_000_000, max(1, Int(clamping: (epochs * Double(perEpoch)).rounded())))),
                "epochs × \(rows) rows / batch_rows"
            )
        }
        if isTimed { return (whole(ResolvedOptions.unboundedSteps), "until the minutes are over") }
        return (whole(isPolicy ? 60 : 1000), "the usual")
    }

    func microBatches() -> (JSON, String) {
        guard !isPolicy else { return (1, "all replies at once") }
        let parts = integer("batch_rows").multiplied(clampedBy: integer("context_length")) / 8192
        return (whole(max(1, min(parts, integer("batch_rows")))), "8192 tokens each")
    }
}

private func whole(_ value: Int) -> JSON { .integer(Int64(value)) }

extension OptionKey {
    /// Every option, each after those that it follows from.
    static let all: [OptionKey] = paths + shape + batches + length + step + objective + policy + looks

    /// Where something lies.
    private static let paths: [OptionKey] = [
        OptionKey(
            name: "data", kind: .folders,
            meaning: "The folder of token shards, or folders with their shares of the rows.", commands: rows,
            resume: .free, usual: none("given")),
        path("out", "The run folder to write.", everywhere),
        path("tokenizer", "The tokenizer's folder, when it is not the data's own.", rows),
        path("prompts", "A file or folder of problems to learn from, instead of a task.", rewards),
    ]

    private static let shape: [OptionKey] = [
        integer("depth", 1...256, "Layers; the dial that sets every size.", new) { _ in (6, "the usual") },
        choice("family", ["llama", "qwen3"], "The architecture.", new) { _ in ("llama", "the usual") },
        integer("hidden_size", 8...65_536, "Width of the residual stream.", new) {
            (whole($0.integer("depth") * 64), "64 × depth")
        },
        integer("heads", 1...1024, "Attention heads.", new) {
            (whole(max(1, $0.integer("hidden_size") / 64)), "hidden_size / 64")
        },
        integer("key_value_heads", 1...1024, "Heads of keys and values, shared by the query heads.", new) {
            (whole($0.integer("heads")), "heads")
        },
        integer("intermediate_size", 8...262_144, "Width inside the feed-forward blocks.", new) {
            (whole(max(64, ($0.integer("hidden_size") * 8 / 3 + 32) / 64 * 64)), "8/3 × hidden_size, in 64s")
        },
        flag("tied_embeddings", "The head is the embedding.", new) { _ in (true, "the usual for small models") },
        number("rope_theta", 1...1e9, "Base of the rotary frequencies.", new) { _ in (10_000.0, "the usual") },
        integer(
            "sliding_window", 0...1_048_576,
            "How far back every other layer looks, from the first on, itself included (qwen3); 0: all see everything.",
            new
        ) { _ in (0, "none") },
        choice(
            "initialization", ["gpt2", "cs336", "xavier", "kaiming", "zero-residual"], "How the weights begin.", new
        ) { _ in ("gpt2", "the usual") },
    ]

    private static let batches: [OptionKey] = [
        integer("context_length", 8...1_048_576, "Tokens of a row, and the most the model sees.", rows) {
            let (usual, longest) = $0.usualLength
            let how =
                longest < usual
                ? "the data makes no longer row" : $0.model == nil ? "the usual" : "the model's, 1024 at most"
            return (whole(min(usual, longest)), how)
        },
        integer("batch_rows", 1...65_536, "Rows of an optimiser step.", rows) {
            let usual = max(1, 8192 / $0.integer("context_length"))
            let isFew = $0.rows.map { $0 < usual } ?? false
            return (
                whole(max(1, min(usual, $0.rows ?? usual))),
                isFew ? "all rows of the data" : "8192 tokens / context_length"
            )
        },
        integer(
            "micro_batches", 1...65_536, "Parts a step's rows are computed in, to save memory.", everywhere, .told
        ) { $0.microBatches() },
        choice(
            "recompute", ["none", "layers"],
            "What the way back computes again to save memory: nothing, or every layer from its input, for a third more time.",
            everywhere, .free
        ) { _ in ("none", "the usual") },
        choice(
            "layout", ["contiguous", "packed"], "Rows cut from the stream, or whole documents packed into them.", rows
        ) {
            $0.model == nil ? ("contiguous", "the usual for pre-training") : ("packed", "whole conversations")
        },
    ]

    private static let length: [OptionKey] = [
        number("epochs", 0.001...100_000, "Times to go through the data, instead of steps.", rows, .told) {
            $0.model != nil && !$0.isTimed && !$0.givesSteps
                ? (2.0, "the usual for fine-tuning") : (.null, "by steps")
        },
        integer("steps", 1...100_000_000, "Optimiser steps.", everywhere, .told) { $0.steps() },
        number("minutes", 0.01...100_000, "Stop after this much training.", everywhere, .told, usual: none("no limit")),
    ]

    private static let step: [OptionKey] = [
        choice("optimizer", OptimizerKind.allCases.map(\.rawValue), "What changes the weights along the gradient.") {
            _ in ("adamw", "the usual")
        },
        number("learning_rate", 1e-7...1, "The highest learning rate.", everywhere, .told) { $0.learningRate() },
        number("final_rate", 0...1, "The last learning rate, as a share of the highest.", everywhere, .told) {
            $0.isPolicy ? (0.0, "the usual") : (0.1, "a tenth of learning_rate")
        },
        choice(
            "schedule", LearningRateSchedule.allCases.map(\.rawValue), "How the learning rate goes.", everywhere, .told
        ) {
            if $0.isPolicy { return ("constant", "the usual") }
            return $0.isTimed ? ("wsd", "the usual with a time limit") : ("cosine", "the usual")
        },
        integer("warmup", 0...1_000_000, "Steps until the highest learning rate.", everywhere, .told) {
            if $0.isPolicy { return (0, "none") }
            return $0.isTimed
                ? (50, "the usual") : (whole(max(1, min(200, $0.integer("steps") / 20))), "steps / 20")
        },
        integer("decay", 0...100_000_000, "Steps of the last part of a wsd schedule.", everywhere, .told) {
            $0.isTimed ? (0, "the last fifth of the minutes") : (whole($0.integer("steps") / 5), "steps / 5")
        },
        number("weight_decay", 0...10, "Decay of matrices.") {
            // What was learnt before is to stay.
            $0.isPolicy ? (0.0, "none") : (.number($0.optimizer.weightDecay), "the usual of the optimizer")
        },
        number("beta1", 0...0.9999, "Memory of the gradient: adamw, adam, lion.") { _ in (0.9, "the usual") },
        number("beta2", 0...0.99999, "Memory of its square: adamw, adam, rmsprop; of lion's momentum.") {
            (.number($0.optimizer.beta2), "the usual of the optimizer")
        },
        number("momentum", 0...0.9999, "Momentum of sgd, rmsprop and muon.") {
            (.number($0.optimizer.momentum), "the usual of the optimizer")
        },
        flag("nesterov", "Whether sgd and muon look ahead along the momentum.") { _ in (true, "the usual") },
        number("epsilon", 1e-15...1, "What is added to the root: adamw, adam, rmsprop.") { _ in (1e-8, "the usual") },
        number("dropout", 0...0.9, "Share of the numbers added to the residual stream that is dropped.", rows) {
            _ in (0.0, "none")
        },
        number("attention_dropout", 0...0.9, "Share of attention's probabilities that is dropped.", rows) {
            _ in (0.0, "none")
        },
        number(
            "clip", 1e-6...1e6, "The largest gradient norm; larger ones are scaled down to it.", everywhere, .told
        ) { _ in (1.0, "the usual") },
        number("ema", 0...0.999999, "Decay of an average of the weights that is evaluated and saved; 0: none.") {
            _ in (0.0, "none")
        },
        choice("precision", ["fp32", "bf16", "fp16"], "What matrices and their gradients are rounded to.") {
            _ in ("fp32", "the usual")
        },
    ]

    private static let objective: [OptionKey] = [
        number("z_loss", 0...1, "Weight of the squared log-partition.", rows) { _ in (0.0, "none") },
        number("label_smoothing", 0...0.99, "Weight of the uniform distribution beside the target.", rows) {
            _ in (0.0, "none")
        },
        integer("seed", 0...Int(Int32.max), "Of initial weights, the order of data, and what is drawn.") {
            _ in (1, "the usual")
        },
    ]

    private static let policy: [OptionKey] = [
        choice("task", WorldTask.names, "What is asked, where there are no prompts.", rewards, usual: none("prompts")),
        integer("world_seed", 0...Int(Int32.max), "The village that the task is about.", rewards) {
            _ in (1, "the usual")
        },
        text("map", "Columns of the prompts, as prompt=question,response=answer.", usual: none("by their names")),
        text("reward", "What a reply is worth: names and programs with weights, as number=1,./judge.py=0.5.") {
            $0.before["task"].isNull ? ("exact", "the usual of prompts") : ("task", "the task's own")
        },
        number(
            "reward_seconds", 0.1...86_400, "That a reward program may take for the replies of a step.", rewards, .free
        ) { _ in (60.0, "the usual") },
        integer("problems", 1...4096, "Problems of a step.", rewards) { _ in (16, "the usual") },
        integer("group_size", 2...1024, "Replies to each problem, which are compared with each other.", rewards) {
            _ in (8, "the usual")
        },
        integer("updates", 1...64, "Optimiser steps on the replies of a step.", rewards) { _ in (1, "the usual") },
        integer("maximum_tokens", 1...65_536, "Tokens of a reply at most.", rewards) { _ in (64, "the usual") },
        number("temperature", 0.01...10, "That replies are drawn at.", rewards) { _ in (1.0, "the usual") },
        number(
            "ratio_clip", 1e-6...0.999999, "How far probabilities may move from those of the replies' writer.", rewards
        ) { _ in (0.2, "the usual") },
        flag("divides_by_deviation", "Divide a reply's advantage by the deviation of its group.", rewards) {
            _ in (true, "the usual")
        },
    ]

    private static let looks: [OptionKey] = [
        integer("evaluate_every", 1...100_000_000, "Steps between looks at held-out data.", everywhere, .free) {
            if $0.isPolicy { return (20, "the usual") }
            return (whole($0.isTimed ? 200 : max(1, $0.integer("steps") / 10)), "a tenth of the steps")
        },
        integer("evaluation_rows", 1...1_000_000, "Held-out rows of a look.", rows, .free) { _ in (256, "the usual") },
        integer("questions", 0...100_000, "Held-out problems of a look; 0: none.", rewards, .free) {
            _ in (200, "the usual")
        },
        integer(
            "patience", 0...1_000_000, "Stop after this many looks without a lower loss; 0: never.", rows, .free
        ) { _ in (0, "no early stop") },
        integer("save_every", 1...100_000_000, "Steps between checkpoints.", everywhere, .free) {
            if $0.isPolicy { return (20, "the usual") }
            return (whole($0.isTimed ? 200 : max(1, $0.integer("steps") / 5)), "a fifth of the steps")
        },
        integer("keep", 1...1000, "The newest checkpoints that are kept.", everywhere, .free) { _ in (2, "the usual") },
        flag("keep_best", "Keep the checkpoint of the lowest held-out loss too.", rows, .free) {
            (.bool($0.integer("patience") > 0), "where there is an early stop")
        },
        choice(
            "on_disk_full", ["continue", "stop"], "What to do when a checkpoint cannot be written.", everywhere, .free
        ) { _ in ("continue", "the usual") },
        integer("log_every", 1...1_000_000, "Steps between lines of the log.", everywhere, .free) {
            $0.isPolicy ? (1, "the usual") : (10, "the usual")
        },
        number(
            "spike_factor", 2...1e9,
            "Stop when a gradient norm that clip lets through is this many times the usual, which counts as 1 at least.",
            everywhere, .told
        ) { _ in (100.0, "the usual") },
    ]

    // MARK: - How they are declared

    private typealias Usual = @Sendable (OptionFacts) -> (value: JSON, how: String)
    private static let everywhere = Set(RunCommand.allCases), new: Set = [RunCommand.pretraining]
    /// What trains on rows of tokens, and what trains on replies.
    private static let rows: Set = [RunCommand.pretraining, .tuning], rewards: Set = [RunCommand.policy]

    private static func none(_ how: String) -> Usual { { _ in (.null, how) } }

    private static func integer(
        _ name: String, _ range: ClosedRange<Int>, _ meaning: String, _ commands: Set<RunCommand> = everywhere,
        _ resume: ResumeRule = .fixed, usual: @escaping Usual
    ) -> Self {
        OptionKey(
            name: name, kind: .integer(range), meaning: meaning, commands: commands, resume: resume, usual: usual)
    }
    private static func number(
        _ name: String, _ range: ClosedRange<Double>, _ meaning: String, _ commands: Set<RunCommand> = everywhere,
        _ resume: ResumeRule = .fixed, usual: @escaping Usual
    ) -> Self {
        OptionKey(
            name: name, kind: .number(range), meaning: meaning, commands: commands, resume: resume, usual: usual)
    }
    private static func flag(
        _ name: String, _ meaning: String, _ commands: Set<RunCommand> = everywhere, _ resume: ResumeRule = .fixed,
        usual: @escaping Usual
    ) -> Self {
        OptionKey(name: name, kind: .flag, meaning: meaning, commands: commands, resume: resume, usual: usual)
    }
    private static func choice(
        _ name: String, _ names: [String], _ meaning: String, _ commands: Set<RunCommand> = everywhere,
        _ resume: ResumeRule = .fixed, usual: @escaping Usual
    ) -> Self {
        OptionKey(
            name: name, kind: .choice(names), meaning: meaning, commands: commands, resume: resume, usual: usual)
    }
    private static func text(_ name: String, _ meaning: String, usual: @escaping Usual) -> Self {
        OptionKey(name: name, kind: .text, meaning: meaning, commands: rewards, resume: .fixed, usual: usual)
    }
    private static func path(_ name: String, _ meaning: String, _ commands: Set<RunCommand>) -> Self {
        OptionKey(
            name: name, kind: .path, meaning: meaning, commands: commands, resume: .free, usual: none("given"))
    }
}

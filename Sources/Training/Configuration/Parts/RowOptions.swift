import MartletData
import MartletSystem

/// How the rows of a step are made from the data.
public struct RowOptions: Sendable, Equatable {
    public enum Layout: String, Sendable, CaseIterable, OptionValue { case contiguous, packed }

    /// The number of tokens per row.
    public internal(set) var length = 0
    public internal(set) var perStep = 0
    public internal(set) var layout = Layout.contiguous
    public internal(set) var epochs: Double?

    var sequenceLayout: SequenceLayout { layout.sequences }
}

extension RowOptions.Layout {
    var sequences: SequenceLayout { self == .packed ? .packed(.bestFit) : .contiguous }
}

extension OptionPart {
    static let rows = OptionPart(
        "Rows",
        [
            .choice(
                "layout", \.rows.layout, "Rows cut from the stream, or whole documents packed into them.",
                others: "packing pack",
                default: .from {
                    guard $0.isNew else { return (.packed, "whole conversations") }
                    let kind = $0.run.objective.kind
                    if kind == .pairs { return (.packed, "whole pairs") }
                    return kind.learnsPairs
                        ? (.packed, "pairs are parts of one document") : (.contiguous, "default of pre-training")
                }),
            .integer(
                "context_length", \.rows.length, 8...1_048_576, "Tokens of a row, and the most the model sees.",
                others: "context ctx n_ctx seq_len seq_length sequence_length block_size max_length max_seq_len "
                    + "max_seq_length max_position_embeddings length ctx_size", default: .from { length($0) }),
            .integer(
                "batch_rows", \.rows.perStep, 1...65_536, "Rows of an optimiser step.",
                others: "batch batch_size bs rows train_batch_size per_device_train_batch_size global_batch_size b",
                default: .from { facts in
                    let length = facts.run.rows.length
                    guard length > 0 else { return (nil, "8192 tokens / context_length") }
                    let usual = max(1, 8192 / length), isFew = facts.rows.map { $0 < usual } ?? false
                    return (
                        max(1, min(usual, facts.rows ?? usual)),
                        isFew ? "all rows of the data" : "8192 tokens / context_length"
                    )
                }),
            .option(
                "epochs", optional: \.rows.epochs, .number(0.001...100_000),
                "Times to go through the data, instead of steps.", resume: .told, shown: true,
                others: "epoch num_epochs num_train_epochs n_epochs",
                default: .from {
                    !$0.isNew && !$0.isTimed && !$0.givesSteps
                        ? (2, "default of fine-tuning") : (nil, "by steps")
                }),
        ]
    ) { (run, _) throws(TrainingError) in
        guard !run.objective.kind.learnsPairs || run.rows.layout == .packed else {
            throw TrainingError(
                .configuration,
                "layout contiguous cuts rows without regard to documents, and objective \(run.objective.kind.rawValue) asks "
                    + "whether two parts are of one: leave layout out, or say packed")
        }
    }

    /// The usual value, limited by the data.
    private static func length(_ facts: OptionFacts) -> (Int?, String) {
        guard facts.isNew || facts.model != nil else { return (nil, "the model's, 1024 at most") }
        let usual = min(facts.model?.contextLength ?? 256, 1024)
        let longest = facts.run.rows.layout == .packed ? usual : max(8, facts.longestRow ?? usual)
        return (
            min(usual, longest),
            longest < usual
                ? "the data makes no longer row" : facts.isNew ? "default" : "the model's, 1024 at most"
        )
    }
}

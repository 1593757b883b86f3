import MartletData

/// Options of every run.
public struct GeneralOptions: Sendable, Equatable {
    /// The run folder.
    public internal(set) var out: String?
    /// The seed of initial weights, the order of data, and sampling.
    public internal(set) var seed = 1

    var randomSeed: UInt64 { UInt64(seed) }
}

/// Shards of tokens to learn from.
public struct DataOptions: Sendable, Equatable {
    public internal(set) var portions: [DataPortion] = []
    public internal(set) var tokenizer: String?
}

extension OptionPart {
    static let output = OptionPart(
        "Run",
        [
            .option(
                "out", optional: \.general.out, .path, "The run folder to write.", resume: .free, shown: true,
                others: "output output_dir out_dir run", default: .none("given"))
        ])

    static let seed = OptionPart(
        "Randomness",
        [
            .integer(
                "seed", \.general.seed, 0...Int(Int32.max),
                "Of initial weights, the order of data, and what is drawn.", shown: true,
                others: "random_seed rng random_state", default: .value(1))
        ])

    static let data = OptionPart(
        "Data",
        [
            .option(
                "data", \.data.portions, .folders,
                "The folder of token shards, or folders with their shares of the rows: folder=0.3.", resume: .free,
                shown: true, others: "dataset train_data data_dir", default: .none("given")),
            .option(
                "tokenizer", optional: \.data.tokenizer, .path,
                "The tokenizer's folder, when it is not the data's own.",
                resume: .free, shown: true, default: .none("given")),
        ])
}

import MartletData
import MartletFormats
import MartletJSON
import MartletText

/// What a run reads: folders of token shards as `martlet data pack` writes them, with the tokenizer that made them.
public struct TrainingData {
    /// One folder's shards, and its share of the rows relative to the others.
    public struct Source {
        public let folder: String
        public let weight: Double
        public let training, validation: [TokenShard]
    }
    public let sources: [Source]
    public let tokenizer: Tokenizer
    public let vocabulary: VocabularyIdentity
    /// The tokenizer's files, which go into every checkpoint.
    let tokenizerFiles: [(name: String, bytes: [UInt8])]

    /// Of all sources.
    public var training: [TokenShard] { sources.flatMap(\.training) }
    public var validation: [TokenShard] { sources.flatMap(\.validation) }

    static let fileNames = [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "vocab.json",
        "merges.txt", "tokenizer.model",
    ]

    /// - Parameters:
    ///   - folder: shards whose names begin with `train` or `validation`.
    ///   - tokenizer: its folder; the shards' own when left out.
    public init(folder: String, tokenizer: String? = nil) throws {
        try self.init([DataPortion(folder)], tokenizer: tokenizer)
    }

    /// - Parameters:
    ///   - portions: folders and their shares of the rows.
    ///   - tokenizer: its folder; that of the first portion when left out. All shards must be made with it.
    public init(_ portions: [DataPortion], tokenizer tokenizerFolder: String? = nil) throws {
        guard let first = portions.first else { throw TrainingError(.data, "there is no data to train on") }
        let tokenizerFolder = tokenizerFolder ?? first.folder
        tokenizer = try Tokenizer(folder: tokenizerFolder)
        vocabulary = VocabularyIdentity(tokenizer)
        sources = try portions.map { portion in
            func shards(_ prefix: String) throws -> [TokenShard] {
                try Folder.files(portion.folder).sorted().filter {
                    $0.hasPrefix(prefix) && ($0.hasSuffix(".shard") || $0.hasSuffix(".bin"))
                }
                .map { try TokenShard(path: portion.folder + "/" + $0) }
            }
            let training = try shards("train")
            guard !training.isEmpty else {
                throw TrainingError(
                    .data, "\(portion.folder) holds no shards named train*; martlet data pack makes them")
            }
            return Source(
                folder: portion.folder, weight: portion.weight, training: training, validation: try shards("val"))
        }
        tokenizerFiles = try Self.tokenizerFiles(tokenizerFolder)
    }

    static func tokenizerFiles(_ folder: String) throws -> [(name: String, bytes: [UInt8])] {
        try fileNames.filter { Folder.isFile(folder + "/" + $0) }.map { ($0, try Folder.read(folder + "/" + $0)) }
    }
}

extension TrainingData {
    /// The rows to train on.
    func trainingRows(length: Int, layout: SequenceLayout) throws(DataError) -> [BatchStream.Source] {
        var rows: [BatchStream.Source] = []
        for source in sources {
            let set = try SequenceSet(source.training, length: length, layout: layout, vocabulary: vocabulary)
            rows.append(.init(set, weight: source.weight))
        }
        return rows
    }

    /// The rows to evaluate on, by folder; folders without any are left out.
    func heldOutRows(length: Int, layout: SequenceLayout) throws(DataError) -> [HeldOutRows] {
        var rows: [HeldOutRows] = []
        for source in sources where !source.validation.isEmpty {
            let set = try SequenceSet(
                source.validation, length: length, layout: layout, vocabulary: vocabulary, shiftsWindows: false)
            rows.append(HeldOutRows(folder: source.folder, weight: source.weight, set: set))
        }
        return rows
    }

    /// The proportions that rows are mixed in, to be kept with a checkpoint; null for one source.
    var proportions: JSON {
        guard sources.count > 1 else { return .null }
        let total = sources.reduce(0) { $0 + $1.weight }
        return .array(sources.map { .number(($0.weight / total * 1e6).rounded() / 1e6) })
    }
}

/// The held-out rows of one folder of data.
struct HeldOutRows {
    let folder: String
    let weight: Double
    let set: SequenceSet

    /// How many rows of each to look at so that all together are `count`, in the proportions of the weights.
    static func shares(_ all: [HeldOutRows], of count: Int) -> [Int] {
        guard all.count > 1 else { return all.map { min($0.set.count, count) } }
        let total = all.reduce(0) { $0 + $1.weight }
        return all.map { min($0.set.count, max(1, Int((Double(count) * $0.weight / total).rounded()))) }
    }
}

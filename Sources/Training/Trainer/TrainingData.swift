import MartletData
import MartletFormats
import MartletJSON
import MartletSystem
import MartletTokenizers

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
        "merges.txt", "tokenizer.model", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "spm.model",
        "added_tokens.json",
    ]

    /// - Parameters:
    ///   - folder: shards whose names begin with `train` or `validation`.
    ///   - tokenizer: its folder; the shards' own when left out.
    public init(folder: String, tokenizer: String? = nil) throws {
        try self.init([DataPortion(folder)], tokenizer: tokenizer)
    }

    /// - Parameters:
    ///   - portions: folders and their shares of the rows.
    ///   - tokenizerFolder: of the tokenizer; that of the first portion when left out. All shards must be made with it.
    public init(_ portions: [DataPortion], tokenizer tokenizerFolder: String? = nil) throws {
        guard let first = portions.first else { throw TrainingError(.data, "there is no data to train on") }
        for portion in portions { try Self.demandShards(portion.folder) }
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

    /// Refuses what is no folder of shards, and says what makes one of it.
    private static func demandShards(_ path: String) throws {
        guard Folder.exists(path) else {
            throw TrainingError(
                .data,
                "\(path) is not there: --data names a folder of token shards, which martlet data pack makes of text")
        }
        let command = "martlet data pack \(path) --tokenizer TOKENIZER --out shards/, and train with --data shards/"
        guard Folder.isFolder(path) else {
            if path.hasSuffix(".shard") || path.hasSuffix(".bin") {
                throw TrainingError(.data, "\(path) is one shard; name the folder it lies in")
            }
            guard let file = CorpusFile(path: path) else {
                throw TrainingError(.data, "\(path) is no folder of token shards; martlet data pack makes them")
            }
            let kind = file.format == .text ? "text" : "records"
            throw TrainingError(.data, "\(path) is \(kind), not token shards; pack it first: \(command)")
        }
        let names = Folder.files(path)
        guard !names.contains(where: { $0.hasSuffix(".shard") || $0.hasSuffix(".bin") }) else { return }
        guard let first = names.first(where: { CorpusFile(path: "\(path)/\($0)") != nil && !$0.hasSuffix(".json") })
        else {
            return
        }
        throw TrainingError(
            .data, "\(path) holds files that are not packed (\(first)) and no token shards; pack them first: \(command)"
        )
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
    /// - Parameter tell: hears what is done with data too small for a row of `length` tokens: its documents are looked
    ///   at in rows that are filled up, or there are none and it is left out.
    func heldOutRows(
        length: Int, layout: SequenceLayout, tell: (String) -> Void = { _ in }
    ) throws(DataError) -> [HeldOutRows] {
        var rows: [HeldOutRows] = []
        for source in sources where !source.validation.isEmpty {
            let tokens = source.validation.reduce(0) { $0 + $1.tokenCount }
            let isCut: Bool = if case .packed = layout { false } else { true }
            let makesRow = source.validation.contains { $0.tokenCount > length }
            let hasPair = source.validation.contains { shard in
                (0..<shard.documentCount).contains { shard.range(ofDocument: $0).count > 1 }
            }
            guard makesRow && isCut || hasPair else {
                tell("the validation data of \(source.folder) has no two tokens in a row: nothing of it is evaluated")
                continue
            }
            if isCut, !makesRow {
                tell(
                    "the validation data of \(source.folder), \(tokens) tokens, makes no row of \(length): its documents "
                        + "are evaluated in rows that are filled up")
            }
            let set = try SequenceSet(
                source.validation, length: length, layout: isCut && !makesRow ? .packed(.sequential) : layout,
                vocabulary: vocabulary, shiftsWindows: false)
            rows.append(HeldOutRows(folder: source.folder, weight: source.weight, set: set))
        }
        return rows
    }

    /// How much there is, and a hash of it: of every shard its name, size and first and last 64 KiB, of all its folders in
    /// their order. The whole is not read for it.
    var fingerprint: String {
        var hash = HashXX64()
        for shard in training + validation {
            let name = shard.path.split(separator: "/").last.map(String.init) ?? shard.path
            let size = Folder.byteCount(shard.path)
            Array("\(name) \(size)\n".utf8).withUnsafeBytes { hash.update($0) }
            guard let file = try? InputFile(path: shard.path) else { continue }
            for start in Set([0, max(0, size - 65_536)]).sorted() {
                withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 8) { buffer in
                    let count = (try? file.read(into: buffer, at: start)) ?? 0
                    hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                }
            }
        }
        let tokens = training.reduce(0) { $0.adding(clamped: $1.tokenCount) }
        return "\(tokens) tokens in \(training.count) shards, XXH64 \(String(hash.value, radix: 16))"
    }

    /// Of pairs: how many texts of each folder are none, since they have no prompt.
    /// - Throws: `TrainingError` for a folder without a pair.
    func textsWithoutPrompt() throws(TrainingError) -> [String] {
        var told: [String] = []
        for source in sources {
            var all = 0, bare = 0
            for shard in source.training {
                for document in 0..<shard.documentCount {
                    let range = shard.range(ofDocument: document)
                    guard range.count > 1 else { continue }
                    all += 1
                    if shard.trainedCount(range) == range.count { bare += 1 }
                }
            }
            guard bare < all else {
                throw TrainingError(
                    .data,
                    "\(source.folder) has no pairs: all tokens of its \(all) texts are trained on, so that none is a prompt; "
                        + "pack prompts with their responses with martlet data pack --chats pairs")
            }
            guard bare > 0 else { continue }
            told.append(
                "\(bare) of \(all) texts of \(source.folder) have no prompt, all of their tokens being trained on: objective "
                    + "seq2seq passes them over")
        }
        return told
    }

    /// The most tokens of a row that every source can give one of, cut from its stream.
    var longestRow: Int? {
        sources.map { source in (source.training.map(\.tokenCount).max() ?? 0) - 1 }.min()
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
        return all.map { min($0.set.count, max(1, Int(clamping: (Double(count) * $0.weight / total).rounded()))) }
    }

    /// The numbers of `count` rows to look at, the same at every look: one drawn from each of as many equal parts of the
    /// set. Files lie one after the other in it, so its beginning is not like the whole; drawn this way, every file has
    /// the part in the loss that it has in the set.
    func spread(_ count: Int) -> [Int] {
        let all = set.count
        guard count < all else { return Array(0..<all) }
        return (0..<count).map { part in
            let start = Self.bound(part, count, all), end = Self.bound(part + 1, count, all)
            // A place in the part that does not follow the data's own period.
            let order = KeyedPermutation(count: end - start, key: 0x5EED_0F4E_1D00 &+ UInt64(part))
            return start + order(0)
        }
    }

    private static func bound(_ part: Int, _ parts: Int, _ all: Int) -> Int {
        let product = part.multipliedFullWidth(by: all)
        return parts.dividingFullWidth(product).quotient
    }
}

import MartletData
import MartletFormats
import MartletText

/// What a run reads: a folder of token shards as `martlet data pack` writes it, with the tokenizer that made them.
public struct TrainingData {
    public let tokenizer: Tokenizer
    public let vocabulary: VocabularyIdentity
    public let training, validation: [TokenShard]
    /// The tokenizer's files, which go into every checkpoint.
    let tokenizerFiles: [(name: String, bytes: [UInt8])]

    static let fileNames = [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "vocab.json",
        "merges.txt", "tokenizer.model",
    ]

    /// - Parameters:
    ///   - folder: shards whose names begin with `train` or `validation`. - tokenizer: its folder; the shards' own
    ///     when left out.
    public init(folder: String, tokenizer tokenizerFolder: String? = nil) throws {
        let tokenizerFolder = tokenizerFolder ?? folder
        tokenizer = try Tokenizer(folder: tokenizerFolder)
        vocabulary = VocabularyIdentity(tokenizer)
        func shards(_ prefix: String) throws -> [TokenShard] {
            try Folder.files(folder).sorted().filter {
                $0.hasPrefix(prefix) && ($0.hasSuffix(".shard") || $0.hasSuffix(".bin"))
            }
            .map { try TokenShard(path: folder + "/" + $0) }
        }
        training = try shards("train")
        validation = try shards("val")
        guard !training.isEmpty else {
            throw TrainingError(.data, "\(folder) holds no shards named train*; martlet data pack makes them")
        }
        tokenizerFiles = try Self.tokenizerFiles(tokenizerFolder)
    }

    static func tokenizerFiles(_ folder: String) throws -> [(name: String, bytes: [UInt8])] {
        try fileNames.filter { Folder.isFile(folder + "/" + $0) }.map { ($0, try Folder.read(folder + "/" + $0)) }
    }
}

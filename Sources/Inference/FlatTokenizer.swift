import MartletFormats
import MartletTokenizers

/// The tokenizer that stands beside a model of llama2.c or llm.c.
enum FlatTokenizer {
    case metadata(GGUFTokenizerMetadata)
    /// The folder of the model, which has the files of another tokenizer.
    case folder(String)

    private static let folderFiles = [
        "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "vocab.json",
        "merges.txt", "added_tokens.json", "chat_template.jinja",
    ]

    /// - Throws: `TokenizerError.unreadable` where there is none, with the names that are looked for.
    init(of model: any FlatModelFile) throws {
        let folder = AtomicFile.split(model.path).folder
        for name in model.tokenizerNames where Folder.exists("\(folder)/\(name)") {
            let path = "\(folder)/\(name)"
            if model is LLMCFile {
                let vocabulary = try FlatVocabulary(llmc: path, vocabularySize: model.vocabularySize)
                self = .metadata(
                    try GGUFTokenizerMetadata(
                        llmc: vocabulary.tokens, endOfText: vocabulary.endOfText ?? 0, file: path))
            } else {
                let vocabulary = try FlatVocabulary(llama2c: path, vocabularySize: model.vocabularySize)
                self = .metadata(
                    GGUFTokenizerMetadata(
                        llama2c: Array(vocabulary.tokens.prefix(model.vocabularySize)),
                        scores: Array(vocabulary.scores.prefix(model.vocabularySize))))
            }
            return
        }
        guard
            Self.folderFiles[..<2].contains(where: { Folder.exists("\(folder)/\($0)") })
                || Folder.exists(folder + "/vocab.json")
        else {
            throw TokenizerError.unreadable(
                file: model.path,
                reason: "there is no tokenizer beside it: "
                    + (model.tokenizerNames + ["tokenizer.model", "tokenizer.json"]).joined(separator: ", ")
                    + " are looked for in \(folder)")
        }
        self = .folder(folder)
    }

    /// The tokenizer in a file of its own, without a model; nil for a file of another format.
    init?(alone path: String) throws {
        guard let vocabulary = try FlatVocabulary.open(path) else { return nil }
        if let end = vocabulary.endOfText {
            self = .metadata(try GGUFTokenizerMetadata(llmc: vocabulary.tokens, endOfText: end, file: path))
        } else {
            self = .metadata(GGUFTokenizerMetadata(llama2c: vocabulary.tokens, scores: vocabulary.scores))
        }
    }

    func tokenizer() throws -> Tokenizer {
        switch self {
        case .metadata(let metadata): try Tokenizer(gguf: metadata)
        case .folder(let path): try Tokenizer(folder: path)
        }
    }

    func metadata(vocabularySize: Int) throws -> GGUFTokenizerMetadata {
        switch self {
        case .metadata(let metadata): metadata
        case .folder(let path): try GGUFTokenizerMetadata(folder: path, vocabularySize: vocabularySize)
        }
    }

    /// As files of a folder.
    func files() throws -> [(name: String, bytes: [UInt8])] {
        switch self {
        case .metadata(let metadata): return try metadata.files()
        case .folder(let path):
            return try Self.folderFiles.filter { Folder.exists("\(path)/\($0)") }
                .map { ($0, try Folder.read("\(path)/\($0)")) }
        }
    }
}

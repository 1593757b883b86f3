import MartletChat
import MartletFormats
import MartletJSON
import MartletModels
import MartletTensor
import MartletTokenizers

/// The files of one model: a folder as published on a hub, or a single GGUF file.
public struct ModelFiles: Sendable {
    public let path: String
    public let checkpoint: Checkpoint

    public init(path: String) throws {
        self.path = path
        checkpoint = try Checkpoint(path: path)
    }

    public func decoder() throws -> Decoder { try checkpoint.decoder() }

    /// The tokenizer at a path, whether or not a model is there: a folder that holds a tokenizer's files, one of those
    /// files, or a GGUF file, which may hold a vocabulary only.
    public static func tokenizer(path: String) throws -> Tokenizer {
        let isTokenizerFile = [".json", ".model", ".txt", ".tiktoken"].contains { path.hasSuffix($0) }
        guard !Folder.isFolder(path), !isTokenizerFile else { return try Tokenizer(folder: path) }
        return try Tokenizer(gguf: GGUFFile(path: path).tokenizerMetadata())
    }

    public func tokenizer() throws -> Tokenizer {
        if let gguf = checkpoint.gguf { return try Tokenizer(gguf: gguf.tokenizerMetadata()) }
        return try Tokenizer(folder: path)
    }

    /// The tokenizer of a GGUF file as files of a folder; nil for a folder, which has them.
    package func tokenizerFiles() throws -> [(name: String, bytes: [UInt8])]? {
        try checkpoint.gguf?.tokenizerMetadata().files()
    }

    public func chatTemplate(_ tokenizer: Tokenizer) throws -> ChatTemplate? {
        guard let source = tokenizer.chatTemplate else { return nil }
        return try ChatTemplate(source: source, specialTokens: tokenizer.namedSpecialTokens)
    }

    /// `generation_config.json`, where there is one.
    private func generationConfiguration() throws -> ConfigurationReader? {
        guard checkpoint.gguf == nil else { return nil }
        let file = path + "/generation_config.json"
        guard Folder.exists(file) else { return nil }
        return ConfigurationReader(file: file, json: try JSON(parsing: Folder.read(file)))
    }

    public func recommendedSampling() throws -> SamplingOptions? {
        guard let config = try generationConfiguration() else { return nil }
        var options = SamplingOptions()
        guard try config.flag("do_sample", default: false) else {
            // transformers decodes greedily unless the file says to sample.
            return .greedy
        }
        options.temperature = Float(try config.number("temperature", default: 1))
        options.topK = try config.integer("top_k", in: 0...(1 << 24), default: 0)
        options.topP = Float(try config.number("top_p", default: 1))
        options.minP = Float(try config.number("min_p", default: 0))
        options.repetitionPenalty = Float(try config.number("repetition_penalty", default: 1))
        return options
    }

    /// `eos_token_id` of `generation_config.json` and `config.json`: a number or a list.
    public func endTokens() throws -> Set<Int32> {
        var tokens: Set<Int32> = []
        for json in [try generationConfiguration()?.json, checkpoint.configuration.json] {
            guard let value = json?["eos_token_id"], !value.isNull else { continue }
            for token in value.array ?? [value] {
                guard let id = token.integer, let exact = Int32(exactly: id) else {
                    throw ModelError.wrongValue(
                        file: path, key: "eos_token_id", found: value.text(), expected: "a token or a list of tokens")
                }
                tokens.insert(exact)
            }
        }
        return tokens
    }

}

extension Tokenizer {
    /// The special tokens a chat template may name: `bos_token`, `eos_token`, ….
    package var namedSpecialTokens: [String: String] {
        var names: [String: String] = [:]
        names["bos_token"] = details.bosToken.flatMap(token)
        names["eos_token"] = details.eosTokens.min().flatMap(token)
        names["pad_token"] = details.padToken.flatMap(token)
        names["unk_token"] = details.unknownToken.flatMap(token)
        return names
    }
}

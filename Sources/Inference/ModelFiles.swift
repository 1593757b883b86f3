import MartletAdapters
import MartletChat
import MartletFormats
import MartletJSON
import MartletModels
import MartletTensor
import MartletTokenizers

/// The files of one model: a folder as published on a hub, a single GGUF file, or what `martlet create` made of one.
///
/// ```swift
/// let files = try ModelFiles(path: "SmolLM2-135M-Instruct", adapters: [AdapterReference("my-adapter")])
/// print(files.checkpoint.kind, files.hasChatTemplate)
/// let model = try LanguageModel(files)
/// ```
public struct ModelFiles: Sendable {
    /// Of the weights.
    public let path: String
    public private(set) var checkpoint: Checkpoint
    /// Where the model was made of another: what it is to be used with.
    public let created: CreatedModel?

    /// What the model is computed with beside its weights, in this order.
    public let adapters: [AdapterReference]

    public init(path: String, adapters: [AdapterReference] = []) throws {
        created = path.hasSuffix(CreatedModel.suffix) ? try CreatedModel(file: path) : nil
        self.adapters = (created?.adapter.map { [AdapterReference($0)] } ?? []) + adapters
        self.path = created?.path ?? path
        if let created, !Folder.exists(created.path) {
            throw ModelError.wrongValue(
                file: path, key: "path", found: created.path,
                expected: "the files of \(created.from), which are gone: fetch them again, then martlet create")
        }
        checkpoint = try Checkpoint(path: self.path)
    }

    /// Loads the modules of multi-token prediction with the model, which draft tokens (`EngineOptions.Speculation`).
    /// - Throws: `ModelError` where there are none.
    public mutating func usePredictions() throws { try checkpoint.usePredictions() }

    /// The model with its adapters on it.
    public func decoder() throws -> Decoder {
        let decoder = try checkpoint.decoder()
        try attachAdapters(to: decoder)
        return decoder
    }

    /// - Returns: what of their files is passed over and may matter.
    @discardableResult
    func attachAdapters(to decoder: Decoder) throws -> [String] {
        // A family without published names has no adapters, and is run nevertheless.
        guard !adapters.isEmpty else { return [] }
        return try attachAdapters(to: AdapterBase(decoder))
    }

    /// The same on any kind of model.
    @discardableResult
    func attachAdapters(to base: AdapterBase) throws -> [String] {
        try attach(adapters.map { try StoredAdapter.read($0.path, of: base) }, to: base)
    }

    /// The same of adapters that have been read, in their order.
    func attach(_ stored: [StoredAdapter], to base: AdapterBase) throws -> [String] {
        var notes: [String] = []
        for (index, (stored, reference)) in zip(stored, adapters).enumerated() {
            let adapter = try Adapter(stored, of: base, name: index == 0 ? "default" : "adapter-\(index)")
            try adapter.setStrength(reference.strength)
            notes += try stored.notes(on: base, path: reference.path)
            try adapter.attach()
        }
        return notes
    }

    /// The tokenizer at a path, whether or not a model is there: a folder that holds a tokenizer's files, one of those
    /// files, the `tokenizer.bin` of llama2.c or llm.c, or a GGUF file, which may hold a vocabulary only.
    public static func tokenizer(path: String) throws -> Tokenizer {
        if path.hasSuffix(CreatedModel.suffix) { return try tokenizer(path: CreatedModel(file: path).path) }
        let isTokenizerFile = [".json", ".model", ".txt", ".tiktoken"].contains { path.hasSuffix($0) }
        guard !Folder.isFolder(path), !isTokenizerFile else { return try Tokenizer(folder: path) }
        if let alone = try FlatTokenizer(alone: path) { return try alone.tokenizer() }
        if let flat = try FlatModel.open(path) { return try FlatTokenizer(of: flat).tokenizer() }
        return try Tokenizer(gguf: GGUFFile(path: path).tokenizerMetadata())
    }

    public func tokenizer() throws -> Tokenizer {
        if let gguf = checkpoint.gguf { return try Tokenizer(gguf: gguf.tokenizerMetadata()) }
        if let flat = checkpoint.flat { return try FlatTokenizer(of: flat).tokenizer() }
        return try Tokenizer(folder: path)
    }

    /// The tokenizer of a single file as files of a folder; nil for a folder, which has them.
    package func tokenizerFiles() throws -> [(name: String, bytes: [UInt8])]? {
        if let flat = checkpoint.flat { return try FlatTokenizer(of: flat).files() }
        return try checkpoint.gguf?.tokenizerMetadata().files()
    }

    public func chatTemplate(_ tokenizer: Tokenizer) throws -> ChatTemplate? {
        guard let source = try chatTemplateSource(tokenizer) else { return nil }
        return try ChatTemplate(source: source, specialTokens: tokenizer.namedSpecialTokens)
    }

    /// Whether there is a chat template, found out without reading the vocabulary.
    public var hasChatTemplate: Bool {
        if created?.template != nil { return true }
        if adapters.contains(where: { $0.strength != 0 && (try? StoredAdapter.templateSource($0.path)) != nil }) {
            return true
        }
        if let gguf = checkpoint.gguf { return gguf.metadata.has("tokenizer.chat_template") }
        if ["chat_template.jinja", "chat_template.json"].contains(where: { Folder.exists("\(path)/\($0)") }) {
            return true
        }
        let file = path + "/tokenizer_config.json"
        guard Folder.exists(file), let bytes = try? Folder.read(file), let json = try? JSON(parsing: bytes) else {
            return false
        }
        return json["chat_template"].map { !$0.isNull } ?? false
    }

    /// `generation_config.json`, where there is one.
    func generationConfiguration() throws -> ConfigurationReader? {
        guard checkpoint.gguf == nil else { return nil }
        let file = path + "/generation_config.json"
        guard Folder.exists(file) else { return nil }
        return ConfigurationReader(file: file, json: try JSON(parsing: Folder.read(file)))
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

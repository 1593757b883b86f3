import MartletAdapters
import MartletChat
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTokenizers

/// A published or trained model that training goes on from.
///
/// ```swift
/// let model = try StartingModel(path: "SmolLM2-135M-Instruct")
/// let trainer = try Trainer(
///     run: "runs/tuned", options: TrainingOptions(for: .tuning), data: data, from: model)
/// ```
public struct StartingModel {
    public let path: String
    public let decoder: Decoder
    public let parameters: [Parameter]
    public let tokenizer: Tokenizer
    private(set) var files: ModelFolderFiles
    /// The chat template that conversations are written by: the model's, or another.
    public private(set) var template: String?
    /// Finds the files of a model by its name.
    let locate: (String) throws -> String
    /// What is trained, where it is not the model.
    public var adapter: Adapter? { files.adapter?.adapter }

    /// The files that make the tokenizer in a folder.
    public var tokenizerFiles: [(name: String, bytes: [UInt8])] { files.tokenizerFiles }

    /// - Parameter path: a folder with config.json, safetensors and tokenizer files, or a GGUF file. Every parameter
    ///   becomes float32; what is saved has the folder's form.
    /// - Parameter memory: bytes that these and their gradients may come to; nil does not look.
    /// - Parameters:
    ///   - adapter: what is tuned in place of the model.
    ///   - seed: of what an adapter begins as.
    ///   - locate: finds the files of a name, where options name others.
    public init(
        path: String, memory: Int? = MachineMemory().total, adapter: AdapterOptions = AdapterOptions(),
        seed: UInt64 = 1, locate: @escaping (String) throws -> String = { $0 }
    ) throws {
        try self.init(ModelFiles(path: path), memory: memory, adapter: adapter, seed: seed, locate: locate)
    }

    /// The same, of files that are open.
    /// - Parameter base: what files of an adapter are to call the model; its path where left out.
    public init(
        _ model: ModelFiles, memory: Int? = MachineMemory().total, adapter options: AdapterOptions = AdapterOptions(),
        seed: UInt64 = 1, base: String? = nil, locate: @escaping (String) throws -> String = { $0 }
    ) throws {
        let path = model.path, checkpoint = model.checkpoint
        self.path = path
        self.locate = locate
        if options.isOn {
            decoder = try TrainedAdapter.decoder(of: model)
            let trained = try TrainedAdapter(
                options, on: AdapterBase(decoder), depth: decoder.configuration.layers.count, seed: seed,
                base: base ?? path, locate: locate)
            parameters = trained.adapter.parameters
            tokenizer = try model.tokenizer()
            template = tokenizer.chatTemplate
            try Self.demand(tokenizer, decoder, path)
            var files = try ModelFolderFiles(of: model, tokenizer)
            files.adapter = trained
            self.files = files
            // What is trained on goes on with the template that it was trained with.
            let before = try options.from.flatMap { try StoredAdapter.templateSource(locate($0)) }
            if let before, before != template { use(source: before) }
            return
        }
        if !checkpoint.hasEncoder {
            // What every kind of training needs at least; the trainer looks again at the whole.
            let kinds = try TrainingCost(checkpoint.decoderConfiguration(), length: 1).memory(tokens: 0)
            try TrainingCost.demand(Array(kinds.prefix(2)), within: memory, for: "training \(path)")
        }
        let (decoder, parameters) = try checkpoint.trainableDecoder()
        self.decoder = decoder
        // What files join with others keeps the name that the model has for it, and is joined again when it is saved.
        var joins = false
        self.parameters = try parameters.map { parameter in
            guard let name = try checkpoint.publishedName(parameter.name) else {
                joins = true
                return parameter
            }
            return Parameter(name: name, role: parameter.role, tensor: parameter.tensor)
        }
        tokenizer = try model.tokenizer()
        template = tokenizer.chatTemplate
        try Self.demand(tokenizer, decoder, path)
        var files = try ModelFolderFiles(of: model, tokenizer)
        files.joined = joins ? JoinedModel(decoder) : nil
        self.files = files
    }

    private static func demand(_ tokenizer: Tokenizer, _ decoder: Decoder, _ path: String) throws {
        let size = decoder.configuration.vocabularySize
        guard tokenizer.vocabularySize <= size else {
            throw TrainingError(
                .data, "\(path): the tokenizer has \(tokenizer.vocabularySize) tokens, the model only \(size)")
        }
    }

    /// The small files of a model's folder: configuration, tokenizer, what ends a reply.
    /// - Parameter type: of the matrices that are saved with them: "float32".
    public static func files(of model: ModelFiles, savedAs type: String) throws -> [(name: String, bytes: [UInt8])] {
        var files = try ModelFolderFiles(of: model, model.tokenizer())
        // What makes vectors of a language model's states.
        files.others = try SentenceFolder.published(model) ?? []
        return try files.all(savedAs: type)
    }

    /// Conversations through the model's own template.
    public func chatEncoder() throws -> ChatEncoder {
        try ChatEncoder(
            tokenizer: tokenizer, template: template, whose: path, next: "; --chat-template FILE gives it one")
    }

    /// Has conversations written by another chat template, which is saved with the model, or in the adapter's folder.
    /// - Parameter given: a template's file, or its text.
    /// - Throws: `TrainingError` for what is no template.
    public mutating func use(template given: String) throws {
        guard given.contains("{") || Folder.isFile(given) else {
            throw TrainingError(
                .configuration,
                "chat_template: \(given.quoted()) is neither a file nor a template, which has {{ }} in it")
        }
        let source = given.contains("{") ? given : String(decoding: try Folder.read(given), as: UTF8.self)
        guard source != template else { return }
        do { _ = try ChatTemplate(source: source, specialTokens: tokenizer.namedSpecialTokens) } catch {
            throw TrainingError(.configuration, "chat_template: \(error)")
        }
        use(source: source)
    }

    private mutating func use(source: String) {
        template = source
        files.use(template: source)
    }
}

extension ChatEncoder {
    /// With the tokenizer's own chat template.
    /// - Parameter path: the model's, for the error when it has none.
    public init(tokenizer: Tokenizer, whose path: String) throws {
        try self.init(tokenizer: tokenizer, template: tokenizer.chatTemplate, whose: path, next: "")
    }

    fileprivate init(tokenizer: Tokenizer, template: String?, whose path: String, next: String) throws {
        guard let source = template else {
            throw TrainingError(
                .data,
                "\(path) has no chat template: neither chat_template in tokenizer_config.json, nor chat_template.jinja, nor "
                    + "tokenizer.chat_template in a GGUF file\(next)")
        }
        self.init(
            tokenizer: tokenizer,
            template: try ChatTemplate(source: source, specialTokens: tokenizer.namedSpecialTokens))
    }
}

/// The small files that make a folder of weights a model.
struct ModelFolderFiles {
    /// Of a run that trains an adapter: what is saved in place of a model.
    var adapter: TrainedAdapter?
    /// A second model that is trained beside it.
    var companion: CompanionModel?
    /// Of a family whose files join matrices: what makes them of the model.
    var joined: JoinedModel?
    /// Of an encoder: its other tensors, and what makes files of it.
    var encoder: EncoderFiles?
    /// Further files; names may have a folder: "1_Pooling/config.json".
    var others: [(name: String, bytes: [UInt8])] = []
    /// config.json as it was published or derived; what is written says the true type and end tokens.
    let configuration: JSON
    var tokenizerFiles: [(name: String, bytes: [UInt8])]
    /// What ends a text or a reply. All of them are needed: a model that learnt conversations after texts ends the one
    /// with another token than the other.
    let endTokens: Set<Int32>

    /// What an encoder-decoder's targets begin with.
    var startToken: Int32? { configuration["decoder_start_token_id"]?.integer.flatMap { Int32(exactly: $0) } }

    /// Whether the tokenizer comes with a chat template, in a file of its own or in `tokenizer_config.json`.
    var hasChatTemplate: Bool {
        tokenizerFiles.contains { file in
            file.name == "chat_template.jinja"
                || file.name == "tokenizer_config.json"
                    && (try? JSON(parsing: file.bytes))?["chat_template"].map { !$0.isNull } ?? false
        }
    }

    init(
        configuration: JSON, tokenizerFiles: [(name: String, bytes: [UInt8])], endTokens: Set<Int32>
    ) {
        (self.configuration, self.tokenizerFiles, self.endTokens) = (configuration, tokenizerFiles, endTokens)
    }

    /// Those of a model that is there.
    init(of model: ModelFiles, _ tokenizer: Tokenizer) throws {
        var configuration = try model.checkpoint.publishedConfiguration()
        if model.checkpoint.gguf != nil, var members = configuration.object {
            members["bos_token_id"] = tokenizer.bosToken.map { .integer(Int64($0)) } ?? .null
            members["eos_token_id"] = tokenizer.eosTokens.min().map { .integer(Int64($0)) } ?? .null
            configuration = .object(members)
        }
        self.init(
            configuration: configuration,
            tokenizerFiles: try model.tokenizerFiles() ?? TrainingData.tokenizerFiles(model.path),
            endTokens: try model.endTokens().union(tokenizer.eosTokens))
        // An adapter that is merged may have been tuned with another.
        if let source = try model.chatTemplateSource(tokenizer), source != tokenizer.chatTemplate {
            use(template: source)
        }
    }

    /// Takes the place of the template that the tokenizer's files have: the one in a file of its own counts.
    mutating func use(template source: String) {
        tokenizerFiles.removeAll { $0.name == "chat_template.jinja" }
        tokenizerFiles.append(("chat_template.jinja", Array(source.utf8)))
    }

    /// - Parameter type: of the matrices that are saved: "float32", "bfloat16". A model that training went on from may
    ///   have had another.
    func all(savedAs type: String) -> [(name: String, bytes: [UInt8])] {
        if let adapter { return adapter.files + tokenizerFiles + others }
        if encoder != nil {
            var members = configuration.object ?? JSONObject()
            members["dtype"] = .string(type)
            members["torch_dtype"] = .string(type)
            return [("config.json", JSON.object(members).bytes(indent: 2))] + tokenizerFiles + others
        }
        let list = endTokens.sorted().map { JSON.integer(Int64($0)) }
        let ends = list.count > 1 ? .array(list) : list.first ?? configuration["eos_token_id"] ?? .null
        var generation: JSONObject = [
            "do_sample": true, "temperature": 0.8, "top_p": 0.95, "eos_token_id": ends,
            "bos_token_id": configuration["bos_token_id"] ?? .null,
        ]
        if let start = configuration["decoder_start_token_id"], let pad = configuration["pad_token_id"] {
            // An encoder-decoder writes what is most likely.
            generation = ["decoder_start_token_id": start, "pad_token_id": pad, "eos_token_id": ends]
        }
        var members = configuration.object ?? JSONObject()
        // transformers reads the one name from version 5 on, the other before.
        members["dtype"] = .string(type)
        members["torch_dtype"] = .string(type)
        members["eos_token_id"] = ends
        return [
            ("config.json", JSON.object(members).bytes(indent: 2)),
            ("generation_config.json", JSON.object(generation).bytes(indent: 2)),
        ] + tokenizerFiles + others
    }
}

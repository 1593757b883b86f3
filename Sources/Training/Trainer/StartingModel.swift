import MartletChat
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTokenizers

/// A published or trained model that training goes on from.
public struct StartingModel {
    public let path: String
    public let decoder: Decoder
    public let parameters: [Parameter]
    public let tokenizer: Tokenizer
    let files: ModelFolderFiles

    /// The files that make the tokenizer in a folder.
    public var tokenizerFiles: [(name: String, bytes: [UInt8])] { files.tokenizerFiles }

    /// - Parameter path: a folder with config.json, safetensors and tokenizer files, or a GGUF file. Every parameter
    ///   becomes float32; what is saved has the folder's form.
    /// - Parameter memory: bytes that these and their gradients may come to; nil does not look.
    public init(path: String, memory: Int? = MachineMemory().total) throws {
        try self.init(ModelFiles(path: path), memory: memory)
    }

    /// The same, of files that are open.
    public init(_ model: ModelFiles, memory: Int? = MachineMemory().total) throws {
        let path = model.path, checkpoint = model.checkpoint
        self.path = path
        if !checkpoint.hasEncoder {
            // What every kind of training needs at least; the trainer looks again at the whole.
            let kinds = try TrainingCost(checkpoint.decoderConfiguration(), length: 1).memory(tokens: 0)
            try TrainingCost.demand(Array(kinds.prefix(2)), within: memory, for: "training \(path)")
        }
        let (decoder, parameters) = try checkpoint.trainableDecoder()
        self.decoder = decoder
        self.parameters = try parameters.map { parameter in
            guard let name = try checkpoint.publishedName(parameter.name) else {
                throw TrainingError(
                    .data,
                    "\(path) is a \(checkpoint.modelType), whose files join \(parameter.name) with others; training goes "
                        + "on from models that hold each matrix by itself, as llama, qwen and gemma do")
            }
            return Parameter(name: name, role: parameter.role, tensor: parameter.tensor)
        }
        tokenizer = try model.tokenizer()
        let size = decoder.configuration.vocabularySize
        guard tokenizer.vocabularySize <= size else {
            throw TrainingError(
                .data, "\(path): the tokenizer has \(tokenizer.vocabularySize) tokens, the model only \(size)")
        }
        var configuration = try checkpoint.publishedConfiguration()
        if checkpoint.gguf != nil, var members = configuration.object {
            members["bos_token_id"] = tokenizer.bosToken.map { .integer(Int64($0)) } ?? .null
            members["eos_token_id"] = tokenizer.eosTokens.min().map { .integer(Int64($0)) } ?? .null
            configuration = .object(members)
        }
        files = ModelFolderFiles(
            configuration: configuration,
            tokenizerFiles: try model.tokenizerFiles() ?? TrainingData.tokenizerFiles(path),
            endTokens: try model.endTokens().union(tokenizer.eosTokens))
    }

    /// Conversations through the model's own template.
    public func chatEncoder() throws -> ChatEncoder {
        try ChatEncoder(tokenizer: tokenizer, whose: path)
    }
}

extension ChatEncoder {
    /// With the tokenizer's own chat template.
    /// - Parameter path: the model's, for the error when it has none.
    public init(tokenizer: Tokenizer, whose path: String) throws {
        guard let source = tokenizer.chatTemplate else {
            throw TrainingError(
                .data,
                "\(path) has no chat template: neither chat_template in tokenizer_config.json, nor chat_template.jinja, nor "
                    + "tokenizer.chat_template in a GGUF file")
        }
        self.init(
            tokenizer: tokenizer,
            template: try ChatTemplate(source: source, specialTokens: tokenizer.namedSpecialTokens))
    }
}

/// The small files that make a folder of weights a model.
struct ModelFolderFiles {
    /// config.json as it was published or derived; what is written says the true type and end tokens.
    let configuration: JSON
    let tokenizerFiles: [(name: String, bytes: [UInt8])]
    /// What ends a text or a reply. All of them are needed: a model that learnt conversations after texts ends the one
    /// with another token than the other.
    let endTokens: Set<Int32>

    /// Whether the tokenizer comes with a chat template, in a file of its own or in `tokenizer_config.json`.
    var hasChatTemplate: Bool {
        tokenizerFiles.contains { file in
            file.name == "chat_template.jinja"
                || file.name == "tokenizer_config.json"
                    && (try? JSON(parsing: file.bytes))?["chat_template"].map { !$0.isNull } ?? false
        }
    }

    /// - Parameter type: of the matrices that are saved: "float32", "bfloat16". A model that training went on from may
    ///   have had another.
    func all(savedAs type: String) -> [(name: String, bytes: [UInt8])] {
        let list = endTokens.sorted().map { JSON.integer(Int64($0)) }
        let ends = list.count > 1 ? .array(list) : list.first ?? configuration["eos_token_id"] ?? .null
        let generation: JSON = [
            "do_sample": true, "temperature": 0.8, "top_p": 0.95, "eos_token_id": ends,
            "bos_token_id": configuration["bos_token_id"] ?? .null,
        ]
        var members = configuration.object ?? JSONObject()
        // transformers reads the one name from version 5 on, the other before.
        members["dtype"] = .string(type)
        members["torch_dtype"] = .string(type)
        members["eos_token_id"] = ends
        return [
            ("config.json", JSON.object(members).bytes(indent: 2)),
            ("generation_config.json", generation.bytes(indent: 2)),
        ] + tokenizerFiles
    }
}

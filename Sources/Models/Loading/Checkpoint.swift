import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

/// An opened model: its configuration and its tensors, from a safetensors folder, a GGUF file, or a `.bin` file of llama2.c
/// or llm.c.
///
/// ```swift
/// let checkpoint = try Checkpoint(path: "SmolLM2-135M-Instruct")
/// let decoder = try checkpoint.decoder()
/// try decoder.prepare(.fast)
/// ```
public struct Checkpoint: Sendable {
    public let path: String
    /// `config.json` (of a multimodal model: its text part), or its equivalent built from a GGUF file's metadata.
    public let configuration: ConfigurationReader
    public let tensors: any TensorSource
    /// Set when the checkpoint is a GGUF file.
    public let gguf: GGUFFile?
    /// Set when the checkpoint is a `.bin` file of llama2.c or llm.c, which is read as a folder of the same model.
    public let flat: (any FlatModelFile)?
    /// What the model does.
    public let kind: ModelKind
    /// The type of the whole multimodal model: "gemma3", "qwen2_5_vl"; nil for a text model.
    let wrapper: String?
    /// Whether `config.json` contains `tie_word_embeddings`.
    let saysTied: Bool
    let names: TensorNames
    /// The tokens whose logits are the score of a language model that orders texts; nil of others.
    let scoreTokens: ScoreTokens?
    /// Whether modules of multi-token prediction are loaded with the decoder; they are left out else.
    public private(set) var usesPredictions = false
    /// Keys of a GGUF file that are not read.
    let unknownKeys: [(key: String, value: String)]

    /// - Parameter path: a folder with `config.json` and safetensors files, a GGUF file, or a `.bin` file of llama2.c or llm.c.
    /// - Throws: `ModelError` when it is not a model, is not supported, or has an adapter beside it.
    public init(path: String) throws {
        self.path = path
        if Folder.isFolder(path) {
            let whole = try Self.configuration(ofFolder: path)
            let part = try TextPart(whole)
            configuration = ConfigurationReader(file: whole.file, json: .object(part.configuration))
            tensors = try SafetensorsFolder(path: path)
            gguf = nil
            flat = nil
            wrapper = part.wrapper
            saysTied = part.configuration["tie_word_embeddings"]?.bool != nil
            names = TensorNames(tensors)
            unknownKeys = []
            scoreTokens = try ScoreTokens(folder: path)
            kind =
                scoreTokens != nil
                ? .scores
                : ModelKind(
                    configuration, architectures: whole.json["architectures"]?.array?.compactMap(\.string) ?? [],
                    hasHead: names.head != nil, isSentenceModel: Folder.exists(path + "/modules.json"),
                    labelCount: ModelKind.labelCount(configuration, tensors))
        } else if let file = try FlatModel.open(path) {
            configuration = ConfigurationReader(file: path, json: file.configuration)
            tensors = file
            gguf = nil
            flat = file
            wrapper = nil
            saysTied = true
            names = TensorNames(file)
            unknownKeys = []
            scoreTokens = nil
            kind = .generates
        } else {
            let file = try GGUFFile(path: path)
            let reading = try file.modelReading()
            gguf = file
            flat = nil
            tensors = file
            configuration = reading.configuration
            unknownKeys = reading.unknown
            wrapper = nil
            saysTied = true
            names = TensorNames(file)
            scoreTokens = nil
            kind = ModelKind(
                configuration, architectures: [], hasHead: true, isSentenceModel: false,
                labelCount: ModelKind.labelCount(configuration, file))
        }
    }

    private static func configuration(ofFolder path: String) throws -> ConfigurationReader {
        let config = path + "/config.json", adapter = path + "/adapter_config.json"
        let hasAdapter = Folder.exists(adapter)
        guard Folder.exists(config) else {
            throw ModelError.notAModel(
                path: path,
                reason: Folder.exists(path + "/shards.json")
                    ? "this folder holds token shards, which a model is trained on (martlet train --data \(path)), and no "
                        + "model; give the run's folder"
                    : hasAdapter
                        ? "this folder holds an adapter (adapter_config.json) and no model; give its base, and --adapter "
                            + "\(path), or merge it (martlet merge)"
                        : "there is no config.json in this folder; a model is a folder with config.json, weights and "
                            + "tokenizer, or a GGUF file")
        }
        guard !hasAdapter else {
            throw ModelError.unsupported(
                file: adapter,
                reason:
                    "there is an adapter beside the model, and it is not clear which of them is meant: move "
                    + "adapter_config.json and its weights to a folder of their own, and name that by --adapter")
        }
        var json = try parsed(config)
        if json["quantization_config"]?.isNull ?? true, json["quantization"]?.isNull ?? true, var object = json.object,
            let packing = try packing(ofFolder: path)
        {
            object["quantization_config"] = packing
            json = .object(object)
        }
        return ConfigurationReader(file: config, json: json)
    }

    /// What older programs said of packed weights in a file of its own only: modelopt, AutoGPTQ and AutoAWQ.
    private static func packing(ofFolder path: String) throws -> JSON? {
        let modelopt = path + "/hf_quant_config.json"
        if Folder.exists(modelopt), let told = try parsed(modelopt)["quantization"]?["quant_algo"], !told.isNull {
            return ["quant_method": "modelopt", "quant_algo": told]
        }
        for (name, method) in [("quantize_config.json", "gptq"), ("quant_config.json", "awq")] {
            let file = "\(path)/\(name)"
            guard Folder.exists(file), var members = try parsed(file).object else { continue }
            if members["quant_method"]?.isNull ?? true { members["quant_method"] = .string(method) }
            return .object(members)
        }
        return nil
    }

    private static func parsed(_ path: String) throws -> JSON {
        let bytes = try Folder.read(path)
        do throws(JSONError) {
            return try JSON(parsingPython: bytes)
        } catch {
            throw ModelError.notAModel(path: path, reason: error.description)
        }
    }

    /// Modules of multi-token prediction in the files.
    public var predictionModules: Int {
        guard let layers = configuration.json["num_hidden_layers"]?.integer, (0...10_000).contains(layers)
        else { return 0 }
        var count = 0
        while count < 16 {
            let layer = layers + count
            let name = gguf == nil ? "\(names.body)layers.\(layer).eh_proj.weight" : "blk.\(layer).nextn.eh_proj.weight"
            guard tensors.entry(name) != nil else { break }
            count += 1
        }
        return count
    }

    /// Loads the modules of multi-token prediction with the decoder.
    /// - Throws: `ModelError` where there are none.
    public mutating func usePredictions() throws {
        guard predictionModules > 0 else {
            throw ModelError.unsupported(
                file: path,
                reason:
                    "there are no modules for multi-token prediction in its files (model.layers.N.eh_proj behind the last "
                    + "layer, of a GGUF file blk.N.nextn.eh_proj), so nothing can draft tokens")
        }
        // A module has a block like the last layer's, with a cache of its own.
        let last = try decoderConfiguration().layers.last
        guard last?.withState == nil, last?.attention.sharesKeysOf == nil, last?.ownInputSize == nil else {
            throw ModelError.unsupported(
                file: path,
                reason:
                    "modules of multi-token prediction are blocks like the last layer, and that one needs other layers' keys, "
                    + "an input of its own or a recurrent state")
        }
        usesPredictions = true
    }

    /// `model_type`: "llama", "bert", ….
    public var modelType: String { configuration.json["model_type"]?.string ?? "" }

    /// Whether the layers are those of a bidirectional text encoder. `kind` tells what the model does.
    public var hasEncoder: Bool { Family.named(modelType)?.isEncoder ?? false }

    /// Whether the layers are those of an encoder and a decoder that reads its states.
    public var hasEncoderDecoder: Bool { Family.named(modelType)?.isEncoderDecoder ?? false }

    public func decoder() throws -> Decoder { try decoder { source, _ in PlainParameters(source) }.0 }

    /// The decoder in the form of its family's folders, whatever it was opened from: a GGUF file's rows and norms are
    /// those of a folder. Nothing is trained.
    public func publishedDecoder() throws -> Decoder { try trainableDecoder { _ in false }.0 }

    /// The decoder with trainable float32 parameters, and those parameters. A GGUF file gives the same as a folder of
    /// the same model.
    /// - Parameter isTrained: returns by name which of them are trained; the others stay in their stored form.
    public func trainableDecoder(
        where isTrained: @escaping (String) -> Bool = { _ in true }
    ) throws -> (Decoder, [Parameter]) {
        var spec = try decoderReading().configuration
        if gguf != nil {
            let published = ConfigurationReader(file: path, json: try publishedConfiguration())
            let hasHead = spec.hasHead
            spec = try Family.configuration(published).1
            spec.hasHead = hasHead
        }
        let (decoder, parameters) = try decoder(as: spec) { source, stored in
            TrainableParameters(
                gguf == nil ? source : PublishedParameters(source, stored: stored, published: spec), where: isTrained)
        }
        try parameters.finish()
        return (decoder, parameters.parameters)
    }

    /// - Parameter shape: the decoder's configuration, if it differs from the stored parameters' layout.
    private func decoder<Source: ParameterSource>(
        as shape: DecoderConfiguration? = nil,
        _ wrapped: (CheckpointParameters, DecoderConfiguration) -> Source
    ) throws -> (Decoder, Source) {
        let reading = try decoderReading(), stored = reading.configuration, spec = shape ?? stored
        let parameters = CheckpointParameters(
            tensors, file: path, places: places(reading), packed: try PackedFormats.reader(configuration))
        let source = wrapped(parameters, stored)
        let decoder = Decoder(source, spec)
        try parameters.finish()
        try tensors.checkUnchanged()
        return (decoder, source)
    }

    /// The name of a parameter in a published folder; nil where it is stored as a part of another tensor.
    package func publishedName(_ name: String) throws -> String? {
        let family = Family.named(modelType), place: WeightPlace?
        switch family?.body {
        case .decoder(let form): place = form.naming.places(name, try Family.configuration(configuration).1).first
        case .encoder: place = encoderForm?.allPlaces(name, isGGUF: false).first
        case .encoderDecoder(let form): place = form.places(name).first
        case nil: place = nil
        }
        guard case .tensor(let stored)? = place else { return nil }
        return stored
    }

    /// The configuration of the language model, without its parameters.
    public func decoderConfiguration() throws -> DecoderConfiguration { try decoderReading().configuration }

    public func encoder() throws -> Encoder { try encoder { source in PlainParameters(source) }.0 }

    /// The encoder with trainable float32 parameters, and those parameters.
    /// - Parameter isTrained: returns by name which of them are trained; the others stay in their stored form.
    public func trainableEncoder(
        where isTrained: @escaping (String) -> Bool = { _ in true }
    ) throws -> (Encoder, [Parameter]) {
        let (encoder, parameters) = try encoder { TrainableParameters($0, where: isTrained) }
        try parameters.finish()
        return (encoder, parameters.parameters)
    }

    private func encoder<Source: ParameterSource>(
        _ wrapped: (CheckpointParameters) -> Source
    ) throws -> (Encoder, Source) {
        let spec = try EncoderConfiguration(configuration)
        let parameters = CheckpointParameters(tensors, file: path, places: encoderPlaces)
        let source = wrapped(parameters)
        let encoder = Encoder(source, spec)
        try parameters.finish()
        try tensors.checkUnchanged()
        return (encoder, source)
    }
}

/// The parameters as stored in the checkpoint.
private final class PlainParameters: ParameterSource {
    let source: any ParameterSource
    init(_ source: any ParameterSource) { self.source = source }
    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        source.parameter(name, shape: shape, role: role)
    }
    func matrix(_ name: String, shape: Shape, role: ParameterRole) -> any WeightMatrix {
        source.matrix(name, shape: shape, role: role)
    }
}

import MartletJSON
import MartletNN

/// A model family: how its `config.json` and its checkpoint's names map onto the one decoder.
public struct Family: Sendable {
    /// `model_type` values of `config.json` that mean this family.
    public let modelTypes: [String]
    /// `general.architecture` in GGUF files, or nil where GGUF has none.
    public let ggufArchitecture: String?
    /// What a key means that `config.json` leaves out, as transformers publishes it for this family.
    let defaults: JSONObject
    /// Keys of this family that change no value in inference.
    let neutral: Set<String>
    let configure: @Sendable (inout DecoderConfiguration, ConfigurationReader) throws(ModelError) -> Void
    let naming: Naming

    /// - Parameter configure: called with what Llama's keys say, to change what the family does otherwise.
    init(
        _ modelTypes: String..., gguf: String? = nil, naming: Naming = .llama, defaults: JSONObject,
        neutral: Set<String> = [],
        configure: @escaping @Sendable (inout DecoderConfiguration, ConfigurationReader) throws(ModelError) -> Void = {
            (_, _) throws(ModelError) in
        }
    ) {
        self.modelTypes = modelTypes
        ggufArchitecture = gguf
        self.naming = naming
        self.defaults = defaults
        self.neutral = neutral
        self.configure = configure
    }

    /// Every decoder family there is.
    public static let all: [Family] = [
        llama, mistral, ministral, ministral3, mixtral, qwen2, qwen2VL, qwen3, qwen3VL, phi3, gemma2, gemma3, gpt2,
        seedOSS,
    ]

    public static var supportedArchitectures: [String] { all.flatMap(\.modelTypes) + ["bert"] }

    /// The family and configuration that a `config.json` describes.
    public static func configuration(_ reader: ConfigurationReader) throws(ModelError) -> (Family, DecoderConfiguration)
    {
        let reading = try read(reader)
        return (reading.family, reading.configuration)
    }

    /// What a `config.json` says, and what of it was passed over.
    struct Reading {
        let family: Family
        let configuration: DecoderConfiguration
        /// Keys that are not read and are not known to be without effect.
        let unknown: [(key: String, value: JSON)]
    }

    static func read(_ reader: ConfigurationReader) throws(ModelError) -> Reading {
        let modelType = try reader.string("model_type")
        guard let family = all.first(where: { $0.modelTypes.contains(modelType) }) else {
            throw .unsupportedArchitecture(file: reader.file, name: modelType, supported: supportedArchitectures)
        }
        let record = KeyRecord()
        // A GGUF file says everything, by its own rules.
        let isGGUF = reader.says("martlet_gguf")
        let reader = (isGGUF ? reader : reader.completed(by: family.defaults)).recorded(in: record)
        try reader.refuseQuantization()
        var configuration =
            family.naming.isGPT2 ? try DecoderConfiguration(gpt2: reader) : try DecoderConfiguration(llama: reader)
        configuration.family = modelType
        try family.configure(&configuration, reader)
        try configuration.check(file: reader.file)
        let unread = record.unread(in: reader.json).filter { !$0.key.hasPrefix("martlet_") }
        return Reading(
            family: family, configuration: configuration,
            unknown: try NeutralKeys.check(unread: unread, of: family.neutral, file: reader.file))
    }
}

extension ConfigurationReader {
    /// Weights quantised by another program's method are not numbers to compute with.
    func refuseQuantization() throws(ModelError) {
        guard let quantization = try child("quantization_config") else { return }
        let method = quantization.json["quant_method"]?.string ?? quantization.json["quant_type"]?.string ?? "unnamed"
        throw .unsupported(
            file: file,
            reason:
                "quantization_config: the weights are quantised by the method \"\(method.prefix(40))\", which "
                + "is not supported; take the model's unquantised folder, or a GGUF file of it")
    }
}

extension DecoderConfiguration {
    /// What Llama and the many families after it share.
    init(llama reader: ConfigurationReader) throws(ModelError) {
        let hiddenSize = try reader.integer("hidden_size")
        let layers = try reader.integer("num_hidden_layers", in: 1...10_000)
        let heads = try reader.integer("num_attention_heads", in: 1...65_536)
        let keyValueHeads = try reader.integer("num_key_value_heads", in: 1...65_536, default: heads)
        let headDimension = try reader.integer("head_dim", in: 1...8_192, default: max(hiddenSize / heads, 1))
        guard headDimension % 2 == 0, headDimension <= 512 else {
            throw .wrongValue(
                file: reader.file, key: "head_dim", found: "\(headDimension)", expected: "an even number up to 512")
        }
        let contextLength = try reader.integer("max_position_embeddings", in: 1...(1 << 30), default: 2048)
        let rotary = try RotaryEmbedding.Configuration.read(
            reader, parameters: reader.child("rope_parameters", "rope_scaling"),
            headDimension: headDimension, contextLength: contextLength)
        try Self.checkLayerTypes(reader)
        self.init(
            family: "llama",
            vocabularySize: try reader.integer("vocab_size"),
            hiddenSize: hiddenSize, layerCount: layers, contextLength: rotary.usableContext(contextLength),
            norm: Norm(epsilon: Float(try reader.number("rms_norm_eps", default: 1e-6))),
            attention: Attention(
                heads: heads, keyValueHeads: keyValueHeads, headDimension: headDimension,
                scale: 1 / Float(headDimension).squareRoot(),
                windows: Array(repeating: nil, count: layers),
                rotaryOfLayer: Array(repeating: 0, count: layers), rotary: [rotary]),
            feedForward: FeedForward(
                size: try reader.integer("intermediate_size"),
                activation: try Activation(reader, keys: "hidden_act", "hidden_activation", default: "silu")),
            tiedEmbeddings: try reader.flag("tie_word_embeddings", default: false))
    }

    /// Layers of a kind that the decoder has none of are refused; "full" and "sliding" are read by the families.
    private static func checkLayerTypes(_ reader: ConfigurationReader) throws(ModelError) {
        let known = ["full_attention", "sliding_attention"]
        guard let other = try reader.optionalStrings("layer_types")?.first(where: { !known.contains($0) }) else {
            return
        }
        throw .wrongValue(
            file: reader.file, key: "layer_types", found: "\"\(other.prefix(40))\"",
            expected: known.joined(separator: " or "))
    }

    func check(file: String) throws(ModelError) {
        let attention = self.attention
        guard attention.heads % attention.keyValueHeads == 0 else {
            throw .wrongValue(
                file: file, key: "num_key_value_heads", found: "\(attention.keyValueHeads)",
                expected: "a divisor of the \(attention.heads) query heads")
        }
        guard attention.headDimension <= 512 else {
            throw .wrongValue(
                file: file, key: "head_dim", found: "\(attention.headDimension)", expected: "at most 512")
        }
        guard norm.epsilon >= 0, norm.epsilon.isFinite else {
            throw .wrongValue(
                file: file, key: norm.kind == .layer ? "layer_norm_epsilon" : "rms_norm_eps", found: "\(norm.epsilon)",
                expected: "a number from 0")
        }
        // Each expert is looked up by name; no published model has half as many.
        if let experts = feedForward.experts, experts.count * layerCount > 65_536 {
            throw .wrongValue(
                file: file, key: "num_local_experts", found: "\(experts.count)",
                expected: "at most 65536 in all \(layerCount) layers")
        }
        if let experts = feedForward.experts, experts.active > experts.count {
            throw .wrongValue(
                file: file, key: "num_experts_per_tok", found: "\(experts.active)",
                expected: "at most the \(experts.count) experts")
        }
    }

    /// The window of sliding layers, from `layer_types` where given, else by `isSliding`.
    mutating func setWindows(_ reader: ConfigurationReader, size: Int?, isSliding: (Int) -> Bool) throws(ModelError) {
        guard let size else { return }
        let types = try reader.optionalStrings("layer_types")
        if let types, types.count < layerCount {
            throw .wrongValue(
                file: reader.file, key: "layer_types", found: "\(types.count) entries", expected: "\(layerCount)")
        }
        for layer in 0..<layerCount {
            let sliding = types.map { $0[layer] == "sliding_attention" } ?? isSliding(layer)
            if sliding { attention.windows[layer] = size }
        }
    }
}

extension Activation {
    init(_ reader: ConfigurationReader, keys: String, _ second: String? = nil, default fallback: String)
        throws(ModelError)
    {
        // Gemma's "hidden_activation" is the one that counts where both are given.
        let name = try reader.string(second ?? keys, keys, default: fallback)
        switch name {
        case "silu", "swish": self = .silu
        case "gelu", "gelu_python": self = .gelu
        case "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python_tanh", "gelu_accurate": self = .geluTanh
        case "relu": self = .relu
        default:
            throw .wrongValue(
                file: reader.file, key: keys, found: "\"\(name)\"",
                expected: "silu, gelu, gelu_new, gelu_pytorch_tanh or relu")
        }
    }
}

import MartletJSON
import MartletNN

/// What a BERT-like encoder is made of.
public struct EncoderConfiguration: Sendable, Equatable {
    public var vocabularySize: Int
    public var hiddenSize: Int
    public var layerCount: Int
    public var heads: Int
    public var feedForwardSize: Int
    public var activation: Activation
    public var contextLength: Int
    public var typeVocabularySize: Int
    public var epsilon: Float

    /// What transformers publishes for the keys that are left out.
    private static let defaults: JSONObject = [
        "vocab_size": 30_522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 3072, "max_position_embeddings": 512,
    ]

    public init(_ reader: ConfigurationReader) throws(ModelError) { self = try Self.read(reader).configuration }

    /// Keys that are not read and are not known to be without effect.
    static func unknownKeys(_ reader: ConfigurationReader) throws(ModelError) -> [(key: String, value: JSON)] {
        try read(reader).unknown
    }

    private static func read(
        _ reader: ConfigurationReader
    ) throws(ModelError) -> (configuration: Self, unknown: [(key: String, value: JSON)]) {
        let modelType = try reader.string("model_type")
        guard modelType == "bert" else {
            throw .unsupportedArchitecture(file: reader.file, name: modelType, supported: ["bert"])
        }
        let record = KeyRecord()
        let reader = (reader.says("martlet_gguf") ? reader : reader.completed(by: defaults)).recorded(in: record)
        try reader.refuseQuantization()
        let positions = try reader.string("position_embedding_type", default: "absolute")
        guard positions == "absolute" else {
            throw .wrongValue(
                file: reader.file, key: "position_embedding_type", found: "\"\(positions.prefix(40))\"",
                expected: "absolute: positions that scores are computed with are not supported")
        }
        guard try !reader.flag("is_decoder", default: false) else {
            throw .wrongValue(
                file: reader.file, key: "is_decoder", found: "true", expected: "false: an encoder sees all of a text")
        }
        let configuration = try Self(reading: reader)
        let unread = record.unread(in: reader.json).filter { !$0.key.hasPrefix("martlet_") }
        let neutral: Set<String> = [
            "directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
            "pooler_size_per_head", "pooler_type", "tie_word_embeddings",
        ]
        return (configuration, try NeutralKeys.check(unread: unread, of: neutral, file: reader.file))
    }

    private init(reading reader: ConfigurationReader) throws(ModelError) {
        hiddenSize = try reader.integer("hidden_size")
        heads = try reader.integer("num_attention_heads", in: 1...65_536)
        guard hiddenSize % heads == 0, hiddenSize / heads <= 512 else {
            throw .wrongValue(
                file: reader.file, key: "num_attention_heads", found: "\(heads)",
                expected: "a divisor of \(hiddenSize) that leaves heads of at most 512")
        }
        vocabularySize = try reader.integer("vocab_size")
        layerCount = try reader.integer("num_hidden_layers", in: 1...10_000)
        feedForwardSize = try reader.integer("intermediate_size")
        activation = try Activation(reader, keys: "hidden_act", default: "gelu")
        contextLength = try reader.integer("max_position_embeddings")
        typeVocabularySize = try reader.integer("type_vocab_size", default: 2)
        epsilon = Float(try reader.number("layer_norm_eps", default: 1e-12))
        guard epsilon >= 0, epsilon.isFinite else {
            throw .wrongValue(
                file: reader.file, key: "layer_norm_eps", found: "\(epsilon)", expected: "a number from 0")
        }
    }
}

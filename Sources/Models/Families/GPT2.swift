import MartletJSON
import MartletNN

extension Family {
    /// GPT-2: LayerNorm, learned positions, a plain GELU feed-forward and biases everywhere.
    static let gpt2 = Family(
        "gpt2", gguf: "gpt2", naming: .gpt2,
        defaults: [
            "vocab_size": 50_257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12,
        ],
        // `reorder_and_upcast_attn` is an order of float16 arithmetic; here all of it is float32.
        neutral: ["n_ctx", "n_positions", "reorder_and_upcast_attn"])
}

extension DecoderConfiguration {
    init(gpt2 config: ConfigurationReader) throws(ModelError) {
        let hiddenSize = try config.integer("n_embd", "hidden_size")
        let layers = try config.integer("n_layer", "num_hidden_layers", in: 1...10_000)
        let heads = try config.integer("n_head", "num_attention_heads", in: 1...65_536)
        guard hiddenSize % heads == 0 else {
            throw .wrongValue(
                file: config.file, key: "n_head", found: "\(heads)", expected: "a divisor of n_embd = \(hiddenSize)")
        }
        let headDimension = hiddenSize / heads
        let isScaled = try config.flag("scale_attn_weights", default: true)
        self.init(
            family: "gpt2", vocabularySize: try config.integer("vocab_size"), hiddenSize: hiddenSize,
            layerCount: layers,
            contextLength: try config.integer("n_positions", "n_ctx", "max_position_embeddings", default: 1024),
            norm: Norm(kind: .layer, epsilon: Float(try config.number("layer_norm_epsilon", default: 1e-5))),
            attention: Attention(
                heads: heads, keyValueHeads: heads, headDimension: headDimension, inputBias: true, outputBias: true,
                scale: isScaled ? 1 / Float(headDimension).squareRoot() : 1,
                dividesScaleByLayer: try config.flag("scale_attn_by_inverse_layer_idx", default: false),
                windows: Array(repeating: nil, count: layers)),
            feedForward: FeedForward(
                size: try config.integer("n_inner", "intermediate_size", default: 4 * hiddenSize),
                activation: try Activation(config, keys: "activation_function", default: "gelu_new"),
                isGated: false, bias: true),
            learnedPositions: true, tiedEmbeddings: try config.flag("tie_word_embeddings", default: true))
    }
}

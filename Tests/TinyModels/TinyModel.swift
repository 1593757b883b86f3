import MartletFormats
import MartletJSON
import MartletTensor

/// A random Llama of two layers with a tokenizer of 128 tokens, written where a test wants it, so that tests of what
/// stands above the models need no file from anywhere.
///
/// What it says is noise in ASCII, but the same noise for the same seed. It hardly ever ends a reply by itself: the rows
/// of the special tokens in the output matrix are zero.
package struct TinyModel {
    package var contextLength = 256
    package var seed: UInt64 = 1
    package var hasChatTemplate = true
    package var hasTokenizer = true
    package var layerCount = 2
    /// Experts of the feed-forward layers, of which a token has two; in a folder only.
    package var experts: Int?
    /// A sliding window in every other layer, from the first; in a folder only.
    package var window: Int?
    /// More of a GGUF file's metadata.
    package var metadata: [(key: String, value: GGUFValue)] = []

    package init() {}

    static let hidden = 32, feedForward = 48, heads = 4, keyValueHeads = 2

    /// Writes config.json, model.safetensors, tokenizer.json and tokenizer_config.json.
    package func write(folder: String) throws {
        var config: JSON = [
            "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": .integer(Int64(vocabularySize)),
            "hidden_size": .integer(Int64(Self.hidden)), "num_hidden_layers": .integer(Int64(layerCount)),
            "intermediate_size": .integer(Int64(Self.feedForward)), "num_attention_heads": .integer(Int64(Self.heads)),
            "num_key_value_heads": .integer(Int64(Self.keyValueHeads)),
            "max_position_embeddings": .integer(Int64(contextLength)), "rms_norm_eps": 0.00001, "rope_theta": 10000.0,
            "hidden_act": "silu", "tie_word_embeddings": false, "eos_token_id": .integer(Int64(TinyTokenizer.end)),
        ]
        if let window, var members = config.object {
            members["model_type"] = "ministral"
            members["architectures"] = ["MinistralForCausalLM"]
            members["head_dim"] = .integer(Int64(Self.hidden / Self.heads))
            members["sliding_window"] = .integer(Int64(window))
            members["layer_types"] = .array(
                (0..<layerCount).map { $0 % 2 == 0 ? "sliding_attention" : "full_attention" })
            config = .object(members)
        }
        if let experts, var members = config.object {
            members["model_type"] = "mixtral"
            members["architectures"] = ["MixtralForCausalLM"]
            members["num_local_experts"] = .integer(Int64(experts))
            members["num_experts_per_tok"] = 2
            config = .object(members)
        }
        try AtomicFile.write(folder + "/config.json", bytes: config.bytes(indent: 2))
        try SafetensorsWriter.write(parameters.map { ($0.name, $0.tensor) }, to: folder + "/model.safetensors")
        guard hasTokenizer else { return }
        try AtomicFile.write(folder + "/tokenizer.json", bytes: TinyTokenizer.json.bytes())
        try AtomicFile.write(
            folder + "/tokenizer_config.json",
            bytes: TinyTokenizer.configuration(hasChatTemplate: hasChatTemplate).bytes(indent: 2))
    }

    /// Writes the same model as a GGUF file.
    package func write(gguf path: String) throws {
        var writer = GGUFWriter()
        for (key, value) in metadata { writer.metadata[key] = value }
        writer.metadata["general.architecture"] = .string("llama")
        writer.metadata["general.name"] = .string("tiny")
        for (key, value) in [
            ("block_count", layerCount), ("context_length", contextLength), ("embedding_length", Self.hidden),
            ("feed_forward_length", Self.feedForward), ("attention.head_count", Self.heads),
            ("attention.head_count_kv", Self.keyValueHeads),
        ] { writer.metadata["llama." + key] = .uint32(UInt32(value)) }
        writer.metadata["llama.attention.layer_norm_rms_epsilon"] = .float32(1e-5)
        writer.metadata["llama.rope.freq_base"] = .float32(10_000)
        if hasTokenizer { TinyTokenizer.add(to: &writer.metadata, hasChatTemplate: hasChatTemplate) }
        for parameter in parameters { writer.add(parameter.gguf, parameter.tensor) }
        try writer.write(to: path)
    }

    private var vocabularySize: Int { TinyTokenizer.tokens.count }

    private var parameters: [(name: String, gguf: String, tensor: Tensor)] {
        let width = Self.hidden, keyWidth = Self.hidden / Self.heads * Self.keyValueHeads
        var all: [(name: String, gguf: String, tensor: Tensor)] = []
        func add(_ name: String, _ gguf: String, _ shape: Shape) {
            let random = RandomParameter(seed: seed, index: all.count)
            let tensor = shape.count == 1 ? random.norm(shape[0]) : random.matrix(shape)
            all.append((name + ".weight", gguf + ".weight", tensor))
        }
        add("model.embed_tokens", "token_embd", [vocabularySize, width])
        for layer in 0..<layerCount {
            let name = "model.layers.\(layer).", gguf = "blk.\(layer)."
            add(name + "input_layernorm", gguf + "attn_norm", [width])
            add(name + "self_attn.q_proj", gguf + "attn_q", [width, width])
            add(name + "self_attn.k_proj", gguf + "attn_k", [keyWidth, width])
            add(name + "self_attn.v_proj", gguf + "attn_v", [keyWidth, width])
            add(name + "self_attn.o_proj", gguf + "attn_output", [width, width])
            add(name + "post_attention_layernorm", gguf + "ffn_norm", [width])
            guard let experts else {
                add(name + "mlp.gate_proj", gguf + "ffn_gate", [Self.feedForward, width])
                add(name + "mlp.up_proj", gguf + "ffn_up", [Self.feedForward, width])
                add(name + "mlp.down_proj", gguf + "ffn_down", [width, Self.feedForward])
                continue
            }
            add(name + "block_sparse_moe.gate", gguf + "ffn_gate_inp", [experts, width])
            for expert in 0..<experts {
                let one = name + "block_sparse_moe.experts.\(expert).", part = gguf + "\(expert)."
                add(one + "w1", part + "ffn_gate", [Self.feedForward, width])
                add(one + "w3", part + "ffn_up", [Self.feedForward, width])
                add(one + "w2", part + "ffn_down", [width, Self.feedForward])
            }
        }
        add("model.norm", "output_norm", [width])
        add("lm_head", "output", [vocabularySize, width])
        if let head = all.last?.tensor {
            try? head.withMutableHostValues { values in
                for index in 0..<(TinyTokenizer.specials.count * width) { values[index] = 0 }
            }
        }
        return all
    }
}

/// The values of one parameter.
struct RandomParameter {
    var stream: RandomStream

    init(seed: UInt64, index: Int) { stream = RandomStream(seed: seed, stream: UInt64(index)) }

    /// Normal with a deviation that lets two layers say different things after different prompts.
    func matrix(_ shape: Shape) -> Tensor { filled(shape) { 0.35 * $0 } }

    /// Around one.
    func norm(_ size: Int) -> Tensor { filled([size]) { 1 + 0.1 * $0 } }

    func filled(_ shape: Shape, _ value: (Double) -> Double) -> Tensor {
        var stream = stream
        return Tensor(filling: shape, dtype: .float32) { bytes in
            let values = bytes.bindMemory(to: Float.self)
            for index in values.indices { values[index] = Float(value(stream.nextNormal())) }
        }
    }
}

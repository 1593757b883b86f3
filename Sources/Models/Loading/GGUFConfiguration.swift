import MartletFormats
import MartletJSON

/// How a family reads its GGUF files: their metadata and the names of their tensors.
struct GGUFForm: Sendable {
    /// `general.architecture`.
    let architecture: String
    let naming: Naming
    /// Reads metadata that only this family's files have; called after the common metadata.
    let read: @Sendable (inout GGUFReading) throws -> Void
    /// Tensors that its files hold joined: "attn_qkv", "ffn_up".
    let joined: Set<String>
    /// Whether rows of queries and keys lie in pairs.
    let rotatesPairs: Bool
    /// Which layers have a window.
    let windows: Windows
    /// Whether layers with a window may have a rotation of their own.
    let hasLocalRotation: Bool
    /// Whether they say what scores are scaled by where it does not follow from the head.
    let saysScale: Bool
    /// Whether layers may have a recurrent state: their number of heads of keys and values is 0.
    let hasStates: Bool
    /// Whether YaRN's ramp has no rounded ends, whatever the files say.
    let hasPlainRamp: Bool
    /// Whether its files may hold modules of multi-token prediction.
    let hasPredictions: Bool
    /// Whether some layers may be dense and others mixtures, which `write` then says.
    let mixesFeedForward: Bool
    /// Whether layers may differ in heads and feed-forward width, which `read` and `write` then say.
    let layersDiffer: Bool
    /// Writes metadata that only this family's files have; called after the common metadata.
    let write: @Sendable (inout GGUFWriting) throws -> Void

    /// Which layers have a sliding window where the files do not say it of each.
    enum Windows: Sendable {
        case none, everywhere
        /// All but the last of a period.
        case allButLast(of: Int)
    }

    /// - Parameter read: reads the rotary embedding by default, which is enough for most families.
    init(
        _ architecture: String, naming: Naming = .gguf, joined: Set<String> = [], rotatesPairs: Bool = false,
        windows: Windows = .none, hasLocalRotation: Bool = false, saysScale: Bool = false, hasPlainRamp: Bool = false,
        mixesFeedForward: Bool = false, hasPredictions: Bool = false, hasStates: Bool = false,
        layersDiffer: Bool = false,
        read: @escaping @Sendable (inout GGUFReading) throws -> Void = { try $0.takeRotation() },
        write: @escaping @Sendable (inout GGUFWriting) throws -> Void = { _ in }
    ) {
        self.hasPlainRamp = hasPlainRamp
        self.mixesFeedForward = mixesFeedForward
        self.hasPredictions = hasPredictions
        self.hasStates = hasStates
        self.layersDiffer = layersDiffer
        self.write = write
        self.architecture = architecture
        self.naming = naming
        self.joined = joined
        self.rotatesPairs = rotatesPairs
        self.windows = windows
        self.hasLocalRotation = hasLocalRotation
        self.saysScale = saysScale
        self.read = read
    }
}

/// A GGUF file whose metadata is being converted to the keys of `config.json`, so that a family reads both kinds of
/// files in the same way.
///
/// Keys that start with `martlet_` describe what the conversion to GGUF changed: Llama's queries and keys are permuted
/// for interleaved rotation, and Gemma's norm weights have one added.
struct GGUFReading {
    var config: JSONObject = ["martlet_gguf": true]
    var keys: GGUFKeys
    let file: GGUFFile

    /// Whether the file contains a tensor.
    func has(_ tensor: String) -> Bool { file.entry(tensor) != nil }

    /// Copies existing keys to their names in `config.json`.
    mutating func take(_ names: [(key: String, target: String)]) throws {
        for (key, target) in names { if let value = try keys.value(key) { config[target] = value } }
    }

    /// The sliding window, for architectures that store it.
    mutating func takeWindow() throws {
        if let window = try keys.value("attention.sliding_window"), window.integer != 0 {
            config["sliding_window"] = window
        }
    }

    /// Attention has biases if the file has tensors for them.
    mutating func takeAttentionBias() -> (input: Bool, output: Bool) {
        let input = has("blk.0.attn_q.bias")
        config["attention_bias"] = .bool(input)
        return (input, has("blk.0.attn_output.bias"))
    }

    /// The sizes of experts, of each and of the shared one.
    mutating func takeExperts() throws {
        try take([
            ("expert_feed_forward_length", "moe_intermediate_size"),
            ("expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
        ])
        for (key, tensor) in [
            ("moe_intermediate_size", "blk.0.ffn_up_exps.weight"),
            ("shared_expert_intermediate_size", "blk.0.ffn_up_shexp.weight"),
        ] where config[key] == nil {
            guard let shape = file.entry(tensor)?.shape, shape.count >= 2 else { continue }
            config[key] = .integer(Int64(shape[shape.count - 2]))
        }
    }

    /// The epsilon of LayerNorms, under the family's own key.
    mutating func takeEpsilon(as key: String) {
        config[key] = config["layer_norm_epsilon"]
        config["layer_norm_epsilon"] = nil
    }

    /// The vocabulary size is the number of rows of the embedding table.
    mutating func takeVocabulary() throws {
        guard let embedding = file.entry("token_embd.weight"), embedding.shape.count == 2 else {
            throw ModelError.missingTensors(file: file.path, names: ["token_embd.weight"])
        }
        config["vocab_size"] = .integer(Int64(embedding.shape[0]))
    }

    /// The metadata common to all decoders.
    mutating func takeDecoder(_ family: Family) throws {
        try take([
            ("block_count", "num_hidden_layers"), ("context_length", "max_position_embeddings"),
            ("embedding_length", "hidden_size"), ("attention.head_count", "num_attention_heads"),
            ("attention.key_length", "head_dim"), ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
            ("attention.layer_norm_epsilon", "layer_norm_epsilon"), ("rope.freq_base", "rope_theta"),
            ("expert_count", "num_local_experts"), ("expert_used_count", "num_experts_per_tok"),
            ("attn_logit_softcapping", "attn_logit_softcapping"),
            ("final_logit_softcapping", "final_logit_softcapping"),
        ])
        if family.gguf?.layersDiffer != true {
            try take([("feed_forward_length", "intermediate_size")])
            try takeKeyValueHeads(family)
        }
        // Zero means absent.
        for key in ["num_local_experts", "num_experts_per_tok", "attn_logit_softcapping", "final_logit_softcapping"]
        where config[key]?.double == 0 { config[key] = nil }
        config["model_type"] = .string(family.modelTypes[0])
        // Modules of multi-token prediction are counted among the layers.
        if let modules = try keys.value("nextn_predict_layers")?.integer, modules > 0,
            let layers = config["num_hidden_layers"]?.integer, layers > modules
        {
            config["num_hidden_layers"] = .integer(Int64(layers - modules))
        }
        try takeHeads()
        try family.gguf?.read(&self)
        if !keys.hasRead("attention.sliding_window"),
            let window = try keys.value("attention.sliding_window")?.integer, window > 0,
            window < config["max_position_embeddings"]?.integer ?? 0
        {
            // This architecture has no sliding window; one as long as the context has no effect.
            keys.doubt("attention.sliding_window")
        }
        try takeVocabulary()
        config["tie_word_embeddings"] = .bool(!has("output.weight"))
        config["martlet_pooling"] = try keys.value("pooling_type")
    }

    /// Heads of keys and values; layers with a recurrent state have none.
    private mutating func takeKeyValueHeads(_ family: Family) throws {
        let key = "attention.head_count_kv", listed = try keys.list(key)?.integers()
        if family.gguf?.hasStates == true, let heads = listed?.filter({ $0 > 0 }), let first = heads.first,
            heads.allSatisfy({ $0 == first })
        {
            config["num_key_value_heads"] = .integer(Int64(first))
        } else {
            try take([(key, "num_key_value_heads")])
        }
    }

    /// The number of heads and their dimension, including defaults.
    private mutating func takeHeads() throws {
        guard let heads = config["num_attention_heads"]?.integer, heads > 0,
            let hidden = config["hidden_size"]?.integer
        else { return }
        if config["num_key_value_heads"] == nil { config["num_key_value_heads"] = config["num_attention_heads"] }
        if config["head_dim"] == nil { config["head_dim"] = .integer(Int64(hidden / heads)) }
        // In latent attention, values have a dimension of their own.
        if file.metadata["\(keys.architecture).attention.kv_lora_rank"] == nil,
            let values = try keys.value("attention.value_length"), values.integer != config["head_dim"]?.integer
        {
            throw ModelError.wrongValue(
                file: file.path, key: "\(keys.architecture).attention.value_length", found: values.text(),
                expected: "the length of a key, \(config["head_dim"]?.text() ?? "")")
        }
    }
}

extension GGUFFile {
    /// What the file's metadata says about the model.
    struct ModelReading {
        /// With the keys of `config.json`.
        let configuration: ConfigurationReader
        /// Keys of the architecture that are not read and may change what the model computes.
        let unknown: [(key: String, value: String)]
    }

    func modelReading() throws -> ModelReading {
        let architecture = try metadata.string("general.architecture")
        guard let family = Family.all.first(where: { $0.gguf?.architecture == architecture }) else {
            throw ModelError.unsupportedArchitecture(
                file: path, name: architecture, supported: Family.all.compactMap(\.gguf?.architecture))
        }
        var reading = GGUFReading(keys: GGUFKeys(metadata, architecture: architecture, path: path), file: self)
        if family.isEncoder { try family.gguf?.read(&reading) } else { try reading.takeDecoder(family) }
        try reading.keys.refuseOthers()
        return ModelReading(
            configuration: ConfigurationReader(file: path, json: .object(reading.config)),
            unknown: reading.keys.unknown)
    }
}

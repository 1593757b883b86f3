import MartletFormats
import MartletJSON

/// The keys `<architecture>.*` of a GGUF file, and which of them have been read.
struct GGUFKeys {
    let architecture: String
    private let metadata: GGUFMetadata
    private let path: String
    private var read: Set<String> = []
    private var doubted: Set<String> = []

    init(_ metadata: GGUFMetadata, architecture: String, path: String) {
        self.metadata = metadata
        self.architecture = architecture
        self.path = path
    }

    /// Keys that do not change what is computed here.
    private static let neutral: Set<String> = [
        "vocab_size", "tensor_data_layout", "rope.scaling.finetuned", "rope.dimension_sections",
        "n_deepstack_layers", "expert_feed_forward_length", "rope.scaling.original_context_length",
        "rope.scaling.factor", "rope.dimension_count", "rope.freq_base", "block_count",
        "attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon",
    ]

    /// Keys that change the mathematics, with the values that have no effect; other values are refused if the key is
    /// not read.
    private static let decisive: [(key: String, neutral: [Double])] = [
        ("attention.causal", [1]), ("attention.clamp_kqv", [0]), ("attention.max_alibi_bias", [0]),
        ("attention.scale", [0]), ("attention.temperature_length", [0]), ("attention.temperature_scale", [0]),
        ("use_parallel_residual", [0]), ("logit_scale", [0, 1]), ("residual_scale", [0, 1]),
        ("embedding_scale", [0, 1]), ("expert_shared_count", [0]), ("expert_gating_func", [0, 1]),
        ("expert_weights_scale", [0, 1]), ("expert_weights_norm", [1]), ("expert_group_count", [0, 1]),
        ("expert_group_used_count", [0, 1]), ("leading_dense_block_count", [0]), ("interleave_moe_layer_step", [0, 1]),
        ("moe_every_n_layers", [0, 1]), ("nextn_predict_layers", [0]), ("rope.scaling.yarn_log_multiplier", [0]),
        ("rope.scaling.yarn_ext_factor", [1]), ("attention.sinks", [0]), ("attention.q_lora_rank", [0]),
        ("attention.kv_lora_rank", [0]), ("attention.shared_kv_layers", [0]),
    ]

    /// The number, text or flag of a key; nil if it is absent.
    /// - Throws: when it is a list with different entries, as in a model whose layers differ.
    mutating func value(_ key: String) throws(ModelError) -> JSON? {
        read.insert(key)
        let whole = "\(architecture).\(key)"
        guard let value = metadata[whole] else { return nil }
        if let json = metadata.json(whole) { return json }
        guard value.array != nil else { return nil }
        throw .wrongValue(
            file: path, key: whole, found: "a list that differs from layer to layer",
            expected: "the same in every layer")
    }

    /// The list under a key; nil if it is absent or not a list.
    mutating func list(_ key: String) throws(ModelError) -> GGUFArray? {
        read.insert(key)
        return metadata["\(architecture).\(key)"]?.array
    }

    /// Whether a key has been read.
    func hasRead(_ key: String) -> Bool { read.contains(key) }

    /// Marks a key that was read but has no effect.
    mutating func doubt(_ key: String) { doubted.insert(key) }

    /// Refuses unread keys that change the mathematics.
    func refuseOthers() throws(ModelError) {
        for (key, neutral) in Self.decisive where !read.contains(key) {
            let whole = "\(architecture).\(key)"
            guard let value = metadata[whole] else { continue }
            let number = value.bool.map { $0 ? 1 : 0 } ?? value.double ?? value.integer.map(Double.init)
            guard let number, neutral.contains(number) else {
                throw .wrongValue(
                    file: path, key: whole, found: String("\(value)".prefix(60)),
                    expected: neutral.map { "\($0)" }.joined(separator: " or ") + ": other values are not supported")
            }
        }
    }

    /// Keys that were not read and are not known to be without effect.
    var unknown: [(key: String, value: String)] {
        let prefix = architecture + "."
        return metadata.compactMap { key, value in
            guard key.hasPrefix(prefix) else { return nil }
            let short = String(key.dropFirst(prefix.count))
            let isKnown =
                read.contains(short) || Self.neutral.contains(short) || Self.decisive.contains { $0.key == short }
            guard !isKnown || doubted.contains(short) else { return nil }
            return (key, String("\(value)".prefix(60)))
        }
    }
}

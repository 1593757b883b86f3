import MartletFormats
import MartletJSON
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension GGUFReading {
    /// Which part of a head is rotated, and the rotary scaling: from metadata, and from tensors of frequency divisors.
    mutating func takeRotation() throws {
        if config["rope_theta"] == nil { config["rope_theta"] = 10_000.0 }
        guard let head = config["head_dim"]?.integer, head > 0 else { return }
        var rotated = head
        let countKey = "rope.dimension_count"
        if let count = try keys.value(countKey)?.integer, count != head {
            guard (2..<head).contains(count), count % 2 == 0 else {
                throw ModelError.wrongValue(
                    file: file.path, key: "\(keys.architecture).\(countKey)", found: "\(count)",
                    expected: "an even number up to the head dimension, \(head)")
            }
            rotated = count
            // The smallest fraction that gives exactly this number after multiplication and rounding down.
            var share = Double(count) / Double(head)
            while Int(Double(head) * share) < count { share = share.nextUp }
            config["partial_rotary_factor"] = .number(share)
        }
        if let scaling = try ropeScaling(pairs: rotated / 2, context: config["max_position_embeddings"]) {
            config["rope_scaling"] = .object(scaling)
        }
    }

    private mutating func ropeScaling(pairs: Int, context: JSON?) throws -> JSONObject? {
        let prefix = "rope.scaling."
        // The older key without a type is used if the newer one is absent.
        let old = try keys.value("rope.scale_linear")?.double
        let factor = try keys.value(prefix + "factor")?.double ?? old ?? 0
        // A file without a type means linear scaling; a factor of 0 or 1 means none.
        var type = try keys.value(prefix + "type")?.string ?? "linear"
        if type == "linear", factor == 0 || factor == 1 { type = "none" }
        let original = try keys.value(prefix + "original_context_length")
        let attentionFactor =
            try keys.value(prefix + "attn_factor")?.double ?? keys.value(prefix + "yarn_attn_factor")?.double
        var scaling = JSONObject()
        let divisors = try (short: ropeDivisors(pairs), long: ropeDivisors("rope_factors_long.weight", pairs))
        if let short = divisors.short {
            guard ["none", "longrope", "linear"].contains(type) else {
                throw ModelError.unsupported(
                    file: file.path,
                    reason:
                        "\(keys.architecture).\(prefix)type is \"\(type)\" and the file has tensors of frequency divisors"
                        + ": the file must have only one of them")
            }
            let linear = type == "linear" && factor > 0 ? factor : 1
            func list(_ divisors: [Double]) -> JSON { .array(divisors.map { .number($0 * linear) }) }
            scaling["rope_type"] = "longrope"
            scaling["short_factor"] = list(short)
            scaling["long_factor"] = list(divisors.long ?? short)
            scaling["original_max_position_embeddings"] = original ?? context
            scaling["attention_factor"] =
                attentionFactor.map { .number($0) } ?? (divisors.long == nil ? 1.0 : nil)
            return scaling
        }
        if let attentionFactor, attentionFactor != 1, type == "none" || type == "linear" {
            // It multiplies sine and cosine for every type. LongRoPE with equal divisors for all lengths computes the
            // same.
            let divisors = JSON.array([JSON](repeating: .number(type == "linear" ? factor : 1), count: pairs))
            scaling["rope_type"] = "longrope"
            scaling["short_factor"] = divisors
            scaling["long_factor"] = divisors
            scaling["original_max_position_embeddings"] = original ?? context
            scaling["attention_factor"] = .number(attentionFactor)
            return scaling
        }
        guard type != "none" else { return nil }
        scaling["rope_type"] = .string(type)
        scaling["factor"] = .number(factor)
        scaling["original_max_position_embeddings"] = original
        guard type == "yarn" else { return scaling }
        scaling["beta_fast"] = try keys.value(prefix + "yarn_beta_fast")
        scaling["beta_slow"] = try keys.value(prefix + "yarn_beta_slow")
        // In GGUF this key is a factor on top of YaRN's own attention factor.
        if let attentionFactor, factor >= 1 {
            scaling["attention_factor"] = .number(attentionFactor * (0.1 * log(factor) + 1))
        }
        return scaling
    }

    /// The divisors of Llama 3.1, or those that Phi-3 uses up to its original context.
    private func ropeDivisors(_ pairs: Int) throws -> [Double]? {
        try ropeDivisors("rope_freqs.weight", pairs) ?? ropeDivisors("rope_factors_short.weight", pairs)
    }

    private func ropeDivisors(_ name: String, _ pairs: Int) throws -> [Double]? {
        guard let entry = file.entry(name) else { return nil }
        guard entry.shape.elementCount == pairs else {
            throw ModelError.wrongShapes(
                file: file.path, [.init(name: name, found: Array(entry.shape), expected: [pairs])])
        }
        return try file.tensor(name).toArray(as: Double.self)
    }
}

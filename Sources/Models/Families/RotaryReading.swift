import MartletNN

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension ConfigurationReader {
    /// The object with the rotary scaling: `rope_scaling`, which has priority if both exist, or `rope_parameters`.
    func rotation() throws(ModelError) -> ConfigurationReader? {
        let isEmpty = json["rope_scaling"]?.object?.isEmpty ?? false
        return isEmpty ? try child("rope_parameters", "rope_scaling") : try child("rope_scaling", "rope_parameters")
    }
}

extension DecoderConfiguration {
    /// `rope_parameters` with an object for each kind of layer, as transformers 5 writes them where kinds differ.
    mutating func setRotationByType(_ config: ConfigurationReader) throws(ModelError) {
        guard let byType = try config.child("rope_parameters") else { return }
        for (key, slides) in [("full_attention", false), ("sliding_attention", true)] {
            guard let parameters = try byType.child(key) else { continue }
            let rotary = try RotaryEmbedding.Configuration.read(
                config, parameters: parameters, headDimension: attention.headDimension, contextLength: contextLength)
            try eachLayer {
                if $0.attention.rotary != nil, ($0.attention.window != nil) == slides { $0.attention.rotary = rotary }
            }
        }
    }
}

extension RotaryEmbedding.Configuration {
    /// Reads `rope_parameters` (transformers 5) or `rope_theta` with `rope_scaling` (before).
    static func read(
        _ reader: ConfigurationReader, parameters: ConfigurationReader?, headDimension: Int, contextLength: Int,
        defaultTheta: Double = 10_000
    ) throws(ModelError) -> Self {
        // A value inside the parameters has priority over one outside.
        let outerTheta = try reader.number("rope_theta", "rotary_emb_base", default: defaultTheta)
        let theta = try parameters?.optionalNumber("rope_theta") ?? outerTheta
        let outerShare = try reader.number("partial_rotary_factor", "rotary_pct", "rope_pct", default: 1)
        let share = try parameters?.optionalNumber("partial_rotary_factor") ?? outerShare
        guard theta > 0, theta.isFinite else {
            throw .wrongValue(file: reader.file, key: "rope_theta", found: "\(theta)", expected: "a positive number")
        }
        // Proportional: whole heads are pairs, of which the last do not turn.
        if try parameters?.string("rope_type", "type", default: "default") == "proportional" {
            let factor = try parameters?.optionalNumber("factor") ?? 1
            let turning = (0...1).contains(share) ? Int(share * Double(headDimension)) / 2 : 0
            guard turning > 0, factor > 0, headDimension % 2 == 0 else {
                throw .wrongValue(
                    file: reader.file, key: "partial_rotary_factor", found: "\(share)",
                    expected: "a share above 0 of an even head size, which is \(headDimension)")
            }
            let divisors = (0..<headDimension / 2).map { $0 < turning ? factor : .infinity }
            return Self(theta: theta, dimension: headDimension, scaling: .divided(by: divisors))
        }
        let dimension = (0...1).contains(share) ? Int(Double(headDimension) * share) : 0
        guard (2...headDimension).contains(dimension), dimension % 2 == 0 else {
            throw .wrongValue(
                file: reader.file, key: "partial_rotary_factor", found: "\(share)",
                expected: "an even part of \(headDimension)")
        }
        var result = Self(theta: theta, dimension: dimension)
        if try reader.string("martlet_rope_layout", default: "half") == "interleaved" { result.layout = .interleaved }
        guard let parameters else { return result }
        result.scaling = try .read(parameters, outer: reader, dimension: dimension, contextLength: contextLength)
        return result
    }
}

extension RotaryEmbedding.Scaling {
    static func read(
        _ reader: ConfigurationReader, outer: ConfigurationReader, dimension: Int, contextLength: Int
    ) throws(ModelError) -> Self {
        func original() throws(ModelError) -> Int {
            let key = "original_max_position_embeddings", range = 1...(1 << 30)
            if !outer.says(key), let length = try reader.optionalInteger(key, in: range) { return length }
            return try outer.integer(key, in: range, default: contextLength)
        }
        func factor() throws(ModelError) -> Double {
            let factor = try reader.number("factor")
            guard factor >= 1 else {
                throw .wrongValue(file: reader.file, key: "factor", found: "\(factor)", expected: "a number from 1")
            }
            return factor
        }
        let type = try reader.string("rope_type", "type", default: "default")
        switch type {
        // mrope: positions on three axes, which are equal for text.
        case "default", "mrope": return .none
        case "linear": return .linear(factor: try factor())
        case "dynamic", "ntk": return .dynamic(factor: try factor(), contextLength: contextLength)
        case "yarn":
            let factor = try factor()
            func scale(_ multiplier: Double) -> Double { factor <= 1 ? 1 : 0.1 * multiplier * log(factor) + 1 }
            let mscale = try reader.optionalNumber("mscale") ?? 0
            let mscaleAll = try reader.optionalNumber("mscale_all_dim") ?? 0
            let inferred = mscale != 0 && mscaleAll != 0 ? scale(mscale) / scale(mscaleAll) : scale(1)
            return .yarn(
                factor: factor, originalContext: try original(), betaFast: try reader.number("beta_fast", default: 32),
                betaSlow: try reader.number("beta_slow", default: 1),
                attentionFactor: try reader.optionalNumber("attention_factor") ?? inferred,
                truncates: try reader.flag("truncate", default: true))
        case "llama3":
            return .llama3(
                factor: try factor(), lowFrequencyFactor: try reader.number("low_freq_factor"),
                highFrequencyFactor: try reader.number("high_freq_factor"), originalContext: try original())
        case "longrope", "su":
            let short = try reader.numbers("short_factor", count: dimension / 2)
            let long = try reader.numbers("long_factor", count: dimension / 2)
            guard (short + long).allSatisfy({ $0.isFinite && $0 > 0 }) else {
                throw .wrongValue(
                    file: reader.file, key: "short_factor", found: "a number that cannot be a divisor",
                    expected: "positive numbers, in long_factor too")
            }
            let original = try original()
            // As transformers 5: Phi-3's files have the two lengths in its place.
            let stretch = try reader.optionalNumber("factor") ?? Double(contextLength) / Double(original)
            let inferred = stretch <= 1 ? 1 : (1 + log(stretch) / log(Double(original))).squareRoot()
            let attentionFactor = try reader.optionalNumber("attention_factor") ?? inferred
            if short == long, attentionFactor == 1 { return .divided(by: short) }
            return .longRoPE(short: short, long: long, originalContext: original, attentionFactor: attentionFactor)
        default:
            throw .wrongValue(
                file: reader.file, key: "rope_type", found: "\"\(type)\"",
                expected: "default, linear, dynamic, yarn, llama3, longrope or proportional")
        }
    }
}

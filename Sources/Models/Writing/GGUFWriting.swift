import MartletFormats
import MartletNN
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A configuration while it becomes the metadata of a GGUF file: `GGUFReading` the other way round.
struct GGUFWriting {
    let form: GGUFForm
    let spec: DecoderConfiguration
    let file: String
    var metadata = GGUFMetadata()
    /// Divisors of frequencies, which these files hold as tensors.
    var divisors: [WrittenTensor] = []

    init(_ form: GGUFForm, _ spec: DecoderConfiguration, file: String) {
        self.form = form
        self.spec = spec
        self.file = file
        metadata["general.architecture"] = .string(form.architecture)
        metadata["general.type"] = .string("model")
    }

    mutating func put(_ key: String, _ value: GGUFValue) { metadata["\(form.architecture).\(key)"] = value }

    mutating func put(_ key: String, _ number: Int) throws(ModelError) {
        guard let exact = UInt32(exactly: number) else { throw refusal("\(key) is \(number)") }
        put(key, .uint32(exact))
    }

    /// What no file of this architecture can say.
    func refusal(_ what: String) -> ModelError {
        .unsupported(file: file, reason: "\(what), which GGUF files of \"\(form.architecture)\" cannot say")
    }

    /// What all decoders' files say, as far as the architecture has words for it.
    mutating func putDecoder() throws {
        let attention = spec.attention
        let dense = spec.layers.first { $0.feedForward.experts == nil }?.feedForward
        let sparse = spec.layers.first { $0.feedForward.experts != nil }?.feedForward
        let feedForward = sparse ?? spec.feedForward
        let isAlike = spec.layers.allSatisfy {
            $0.feedForward == ($0.feedForward.experts == nil ? dense : sparse)
        }
        guard form.layersDiffer || isAlike && (form.mixesFeedForward || dense == nil || sparse == nil) else {
            throw refusal("layers differ in their feed-forward parts")
        }
        try put("vocab_size", spec.vocabularySize)
        try put("context_length", spec.contextLength)
        try put("embedding_length", spec.hiddenSize)
        let attends = spec.layers.contains { $0.recurrent == nil }
        if let clip = attention.clip { throw refusal("queries, keys and values are limited to ±\(clip)") }
        try put("block_count", spec.layerCount + spec.predictionModules)
        if spec.predictionModules > 0 { try put("nextn_predict_layers", spec.predictionModules) }
        try put("feed_forward_length", spec.layers[0].hasFeedForward ? (dense ?? feedForward).size : 0)
        try put("attention.head_count", attends ? attention.heads : 0)
        try put("attention.head_count_kv", attends ? attention.keyValueHeads : 0)
        if attention.rotary != nil {
            try put("attention.key_length", attention.headDimension)
            try put("attention.value_length", attention.valueDimension)
        }
        let epsilon = spec.norm.kind == .layer ? "layer_norm_epsilon" : "layer_norm_rms_epsilon"
        put("attention.\(epsilon)", .float32(spec.norm.epsilon))
        if let experts = feedForward.experts {
            try put("expert_count", experts.count)
            try put("expert_used_count", experts.active)
            try put("expert_feed_forward_length", feedForward.size)
            if let shared = experts.shared { try put("expert_shared_feed_forward_length", shared.size) }
        }
        if let cap = attention.softCap { put("attn_logit_softcapping", .float32(cap)) }
        if let cap = spec.logitSoftCap { put("final_logit_softcapping", .float32(cap)) }
        try putWindows()
        try putRotation()
        let isUsual = attention.scale == 1 / Float(attention.headDimension).squareRoot()
        if !isUsual {
            guard form.saysScale else { throw refusal("scores are scaled by \(attention.scale)") }
            put("attention.scale", .float32(attention.scale))
        }
        try form.write(&self)
    }

    /// The window, which every layer has that the architecture gives one.
    private mutating func putWindows() throws {
        guard let window = spec.windows.compactMap({ $0 }).first else { return }
        guard spec.windows.allSatisfy({ $0 == nil || $0 == window }) else { throw refusal("windows differ in length") }
        let isSliding = spec.windows.map { $0 != nil }
        switch form.windows {
        case .none: throw refusal("there are sliding windows of \(window) tokens")
        case .everywhere:
            guard isSliding.allSatisfy({ $0 }) else { throw refusal("only some layers have a sliding window") }
        case .allButLast(let period):
            let expected = isSliding.indices.map { ($0 + 1) % period != 0 }
            if isSliding != expected { put("attention.sliding_window_pattern", .array(GGUFArray(isSliding))) }
        }
        try put("attention.sliding_window", window)
    }

    private mutating func putRotation() throws {
        // Layers with a window may rotate otherwise.
        let whole = spec.layers.first { $0.attention.window == nil } ?? spec.layers[0]
        guard let rotary = whole.attention.rotary else { return }
        try put("rope.dimension_count", rotary.dimension)
        put("rope.freq_base", .float32(Float(rotary.theta)))
        let others = spec.layers.compactMap(\.attention.rotary).filter { $0 != rotary }
        if let local = others.first {
            guard others.allSatisfy({ $0 == local }), local.scaling == .none, form.hasLocalRotation else {
                throw refusal("layers rotate by different frequencies")
            }
            put("rope.freq_base_swa", .float32(Float(local.theta)))
        }
        try putScaling(rotary)
    }

    private mutating func putScaling(_ rotary: RotaryEmbedding.Configuration) throws {
        func type(_ name: String) -> GGUFValue { .string(name) }
        switch rotary.scaling {
        case .none: break
        case .linear(let factor):
            put("rope.scaling.type", type("linear"))
            put("rope.scaling.factor", .float32(Float(factor)))
        case .dynamic: throw refusal("the rotation is stretched dynamically")
        case .yarn(let factor, let original, let fast, let slow, let attention, let truncates):
            guard truncates || form.hasPlainRamp else { throw refusal("YaRN does not round the ends of its ramp") }
            put("rope.scaling.type", type("yarn"))
            put("rope.scaling.factor", .float32(Float(factor)))
            try put("rope.scaling.original_context_length", original)
            put("rope.scaling.yarn_beta_fast", .float32(Float(fast)))
            put("rope.scaling.yarn_beta_slow", .float32(Float(slow)))
            let usual = factor <= 1 ? 1 : 0.1 * log(factor) + 1
            if abs(attention - usual) > 1e-9 {
                put("rope.scaling.attn_factor", .float32(Float(attention / usual)))
            }
        case .llama3:
            var plain = rotary
            plain.scaling = .none
            let (stretched, _) = rotary.frequencies(length: 1), (straight, _) = plain.frequencies(length: 1)
            addDivisors("rope_freqs.weight", zip(straight, stretched).map { $0 / $1 })
        case .divided(let divisors): addDivisors("rope_freqs.weight", divisors)
        case .longRoPE(let short, let long, let original, let attention):
            addDivisors("rope_factors_long.weight", long)
            addDivisors("rope_factors_short.weight", short)
            try put("rope.scaling.original_context_length", original)
            put("rope.scaling.attn_factor", .float32(Float(attention)))
        }
    }

    private mutating func addDivisors(_ name: String, _ divisors: [Double]) {
        // Pairs that do not turn are divided by what converters have for infinity.
        let values = divisors.map { $0.isInfinite ? 1e30 : Float($0) }
        self.divisors.append(
            WrittenTensor(name: name, shape: [values.count], modules: [], stored: .float32) {
                try Tensor(values, shape: [values.count])
            })
    }
}

import MartletJSON
import MartletTensor

/// A method whose result is a folder with `quantization_config`, as transformers and other servers read it.
public enum QuantizationMethod: String, Sendable, CaseIterable {
    /// Round to nearest with a search of the grid, in GPTQ's layout.
    case rtn
    case gptq
    /// Codes of QLoRA's normal float in bitsandbytes' layout, scales quantised themselves.
    case nf4
    /// bitsandbytes' LLM.int8: one scale for each output.
    case int8
    /// Eight-bit floats (E4M3), one scale for each output, as compressed-tensors has them.
    case fp8

    /// Whether it looks at what layers are given on a text.
    public var needsCalibration: Bool { self == .gptq }
    /// Whether bits and groups can be chosen.
    public var hasGroups: Bool { self == .rtn || self == .gptq }
}

/// What a method is told.
public struct QuantizationMethodOptions: Sendable {
    public var method: QuantizationMethod
    public var bits = 4
    public var groupSize = 128
    public var symmetric = true
    /// A share of the mean of the Hessian's diagonal that is added to it.
    public var damping = 0.01

    public init(_ method: QuantizationMethod) { self.method = method }

    /// What config.json says of it. - Parameter kept: modules that are not quantised.
    func configuration(kept: [String]) -> JSON {
        let kept = JSON.array(kept.map { .string($0) })
        switch method {
        case .rtn, .gptq:
            return [
                "quant_method": "gptq", "bits": .integer(Int64(bits)), "group_size": .integer(Int64(groupSize)),
                "desc_act": false, "sym": .bool(symmetric), "damp_percent": .number(damping), "true_sequential": false,
                "checkpoint_format": .string(symmetric ? "gptq" : "gptq_v2"), "modules_to_not_convert": kept,
            ]
        case .nf4:
            return [
                "quant_method": "bitsandbytes", "load_in_4bit": true, "load_in_8bit": false,
                "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": true, "bnb_4bit_compute_dtype": "bfloat16",
                "bnb_4bit_quant_storage": "uint8", "llm_int8_skip_modules": kept,
            ]
        case .int8:
            return [
                "quant_method": "bitsandbytes", "load_in_8bit": true, "load_in_4bit": false,
                "llm_int8_threshold": 6.0, "llm_int8_skip_modules": kept,
            ]
        case .fp8:
            let weights: JSON = [
                "num_bits": 8, "type": "float", "symmetric": true, "strategy": "channel", "dynamic": false,
            ]
            return [
                "quant_method": "compressed-tensors", "format": "float-quantized", "quantization_status": "compressed",
                "config_groups": ["group_0": ["targets": ["Linear"], "weights": weights]], "ignore": kept,
            ]
        }
    }
}

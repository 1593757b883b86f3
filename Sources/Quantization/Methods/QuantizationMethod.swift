import MartletJSON
import MartletTensor

/// A method whose result is a folder with `quantization_config`, as transformers and other servers read it.
public enum QuantizationMethod: String, Sendable, CaseIterable {
    /// Round to nearest, in GPTQ's layout.
    case rtn
    /// Errors made up for by the columns to come (Frantar et al. 2022), in GPTQ's layout.
    case gptq
    /// Columns that inputs make much of are scaled up before rounding (Lin et al. 2023), in AutoAWQ's layout.
    case awq
    /// Codes of QLoRA's normal float in bitsandbytes' layout, scales quantised themselves.
    case nf4
    /// The same with codes of four-bit floats.
    case fp4
    /// bitsandbytes' LLM.int8: one scale for each output.
    case int8
    /// Outliers of the inputs moved into the weights, then one scale for each output (Xiao et al. 2022), in
    /// compressed-tensors' layout.
    case smoothquant
    /// Eight-bit floats (E4M3), one scale for each output, as compressed-tensors has them.
    case fp8
    /// The same with five bits of exponent (E5M2), in the layout of fbgemm's fp8.
    case fp8e5m2 = "fp8-e5m2"
    /// mlx-lm's affine codes, of the embeddings too.
    case mlx

    /// Whether it looks at what layers are given on a text.
    public var needsCalibration: Bool { [.gptq, .awq, .smoothquant].contains(self) }
    /// Whether bits and groups can be chosen.
    public var hasGroups: Bool { [.rtn, .gptq, .awq, .mlx].contains(self) }
    /// Whether the zero of a grid can stand in the middle of the codes, or elsewhere.
    public var hasSymmetry: Bool { self == .rtn || self == .gptq }
    public var allowedBits: [Int] {
        switch self {
        case .rtn, .gptq, .mlx: [2, 4, 8]
        case .awq: [4]
        default: []
        }
    }
    var usualGroup: Int { self == .mlx ? 64 : 128 }
}

/// What a method is told.
public struct QuantizationMethodOptions: Sendable {
    public var method: QuantizationMethod
    public var bits = 4
    public var groupSize: Int
    public var symmetric = true
    /// Of `rtn`: whether the grid of each group is searched for the least square error, or reaches to its extremes.
    public var searchesGrid = true
    /// Of `gptq`: columns in the order of how much they count (act-order), the largest first.
    public var actOrder = false
    /// A share of the mean of the Hessian's diagonal that is added to it.
    public var damping = 0.01
    /// Of `smoothquant`: how far outliers move into the weights, 0 … 1.
    public var migration = 0.5

    public init(_ method: QuantizationMethod) {
        self.method = method
        groupSize = method.usualGroup
    }

    /// What config.json says of it, and under which key. - Parameter kept: modules that are not quantised.
    func configuration(kept: [String]) -> (key: String, value: JSON) {
        let names = kept, kept = JSON.array(kept.map { .string($0) })
        let value: JSON
        switch method {
        case .rtn, .gptq:
            value = [
                "quant_method": "gptq", "bits": .integer(Int64(bits)), "group_size": .integer(Int64(groupSize)),
                "desc_act": .bool(actOrder), "sym": .bool(symmetric), "damp_percent": .number(damping),
                "true_sequential": false, "checkpoint_format": .string(symmetric ? "gptq" : "gptq_v2"),
                "modules_to_not_convert": kept,
            ]
        case .awq:
            value = [
                "quant_method": "awq", "bits": .integer(Int64(bits)), "group_size": .integer(Int64(groupSize)),
                "zero_point": true, "version": "gemm", "modules_to_not_convert": names.isEmpty ? .null : kept,
            ]
        case .nf4, .fp4:
            value = [
                "quant_method": "bitsandbytes", "load_in_4bit": true, "load_in_8bit": false,
                "bnb_4bit_quant_type": .string(method.rawValue), "bnb_4bit_use_double_quant": true,
                "bnb_4bit_compute_dtype": "bfloat16", "bnb_4bit_quant_storage": "uint8", "llm_int8_skip_modules": kept,
            ]
        case .int8:
            value = [
                "quant_method": "bitsandbytes", "load_in_8bit": true, "load_in_4bit": false,
                "llm_int8_threshold": .number(LLMInt8.threshold), "llm_int8_skip_modules": kept,
            ]
        case .fp8: value = compressed("float-quantized", type: "float", inputs: nil, kept)
        case .smoothquant:
            let inputs: JSON = [
                "num_bits": 8, "type": "int", "symmetric": true, "strategy": "token", "dynamic": true,
            ]
            value = compressed("int-quantized", type: "int", inputs: inputs, kept)
        case .fp8e5m2: value = ["quant_method": "fbgemm_fp8", "modules_to_not_convert": kept]
        case .mlx:
            value = [
                "group_size": .integer(Int64(groupSize)), "bits": .integer(Int64(bits)), "mode": "affine",
            ]
        }
        return (method == .mlx ? "quantization" : "quantization_config", value)
    }

    private func compressed(_ format: String, type: String, inputs: JSON?, _ kept: JSON) -> JSON {
        let weights: JSON = [
            "num_bits": 8, "type": .string(type), "symmetric": true, "strategy": "channel", "dynamic": false,
        ]
        return [
            "quant_method": "compressed-tensors", "format": .string(format), "quantization_status": "compressed",
            "config_groups": [
                "group_0": ["targets": ["Linear"], "weights": weights, "input_activations": inputs ?? .null]
            ],
            "ignore": kept,
        ]
    }
}

import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

/// Half-quadratic quantisation (Badri and Shaji 2023) as transformers saves it: `W_q` with `scale` and `zero`, a weight
/// being (code − zero) · scale, of 8, 4, 2 or 1 bits in uint8, or of 3 in int32. Groups are runs of a row of the flattened matrix (axis 1), or the columns
/// of that matrix cut into `group_size` rows (axis 0).
package struct HQQReader: PackedReader {
    /// What a module's state has. All but the first three and the shape repeat `quantization_config` and are not read.
    package let suffixes = [
        "W_q", "scale", "zero", "nbits", "group_size", "axis", "shape", "packing", "channel_wise", "compute_dtype",
        "view_as_float", "unpack_view_dtype", "optimize", "round_zero", "quant_scale", "quant_zero", "offload_meta",
        "encoded_state_dict", "stores_quant_config",
    ]
    private let bits: Int
    private let groupSize: Int?
    private let axis: Int

    init(_ config: ConfigurationReader) throws(ModelError) {
        let weights = config.json["quant_config"]?["weight_quant_params"] ?? config.json["weight_quant_params"]
        guard let weights else {
            throw .wrongValue(
                file: config.file, key: "quantization_config.quant_config", found: "no weight_quant_params",
                expected: "one nbits and one group_size for all modules")
        }
        let reader = ConfigurationReader(file: config.file, json: weights)
        bits = try reader.integer("nbits", in: 1...8, default: 4)
        groupSize = weights["group_size"]?.isNull ?? true ? nil : try reader.integer("group_size", in: 1...65_536)
        axis = try reader.integer("axis", in: 0...1, default: 1)
        let isFloat = try reader.flag("view_as_float", default: false)
        guard [1, 2, 3, 4, 8].contains(bits), !isFloat else {
            throw .wrongValue(
                file: config.file, key: "quantization_config.quant_config",
                found: "\(bits) bits" + (isFloat ? ", viewed as floats" : ""),
                expected: "8, 4, 3, 2 or 1 bits as integers")
        }
    }

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? {
        guard module.has("W_q") else { return nil }
        let count = module.outputs * module.inputs, size = groupSize ?? (axis == 1 ? module.inputs : module.outputs)
        guard size > 0, axis == 1 ? module.inputs % size == 0 : count % size == 0 else {
            let what = axis == 1 ? "\(module.inputs) inputs" : "\(module.outputs) × \(module.inputs) weights"
            throw module.refuse("W_q", "\(what) are no whole number of groups of \(size)")
        }
        if let stored = try module.optional("shape")?.toArray(as: Int64.self),
            stored != [Int64(module.outputs), Int64(module.inputs)]
        {
            throw module.refuse("shape", "is \(stored), expected \(module.shape)")
        }
        let width = axis == 1 ? size : count / size
        let codes = try PackedCodes(
            module.tensor("W_q"), layout: bits == 3 ? .rowsInWords(width: width) : .rowsInBytes(width: width),
            bits: bits, outputs: module.outputs, inputs: module.inputs)
        let scale = try module.numbers("scale"), zero = try module.numbers("zero")
        let scales = try scale.to(.float32).toArray(as: Float.self),
            zeros = try zero.to(.float32).toArray(as: Float.self)
        // [groups, 1] along axis 1, [1, groups] along axis 0.
        guard scale.rank != 2 || scales.count == 1 || scale.shape[axis] == 1 else {
            throw module.refuse("scale", "\(scale.shape) is not of groups along axis \(axis)")
        }
        guard scales.count == zeros.count, scales.count == count / size else {
            throw module.refuse(
                "scale", "\(scales.count) scales and \(zeros.count) zeros for \(count / size) groups of \(size)")
        }
        let offsets = zip(scales, zeros).map { -$0 * $1 }
        guard axis == 1 else {
            return try OutputGroupMatrix(
                codes, storedType: "HQQ-\(bits)", scales: scales, offsets: offsets, parameters: [scale, zero])
        }
        return try GroupOffsetMatrix(
            codes, storedType: "HQQ-\(bits)", scales: scales, offsets: offsets, groupSize: size,
            parameters: [scale, zero])
    }
}

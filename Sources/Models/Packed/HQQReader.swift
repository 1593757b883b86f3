import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

/// Half-quadratic quantisation (Badri and Shaji 2023) as transformers saves it: `W_q` uint8 with `scale` and `zero`, a weight
/// being (code − zero) · scale, grouped along the inputs (axis 1), of 8, 4, 2 or 1 bits.
package struct HQQReader: PackedReader {
    /// What a module's state has. All but the first three repeat `quantization_config` and are not read.
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
        guard [1, 2, 4, 8].contains(bits), axis == 1, !isFloat else {
            throw .wrongValue(
                file: config.file, key: "quantization_config.quant_config",
                found: "\(bits) bits along axis \(axis)" + (isFloat ? ", viewed as floats" : ""),
                expected: "8, 4, 2 or 1 bits along axis 1")
        }
    }

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? {
        guard module.has("W_q") else { return nil }
        let size = groupSize ?? module.inputs
        guard module.inputs % size == 0 else {
            throw module.refuse("W_q", "\(module.inputs) inputs are no whole number of groups of \(size)")
        }
        let codes = try PackedCodes(
            module.tensor("W_q"), layout: .rowsOfGroups(group: size), bits: bits, outputs: module.outputs,
            inputs: module.inputs)
        let scale = try module.tensor("scale"), zero = try module.tensor("zero")
        let scales = try scale.to(.float32).toArray(as: Float.self),
            zeros = try zero.to(.float32).toArray(as: Float.self)
        guard scales.count == zeros.count else {
            throw module.refuse("zero", "\(zeros.count) zeros for \(scales.count) scales")
        }
        return try GroupOffsetMatrix(
            codes, storedType: "HQQ-\(bits)", scales: scales, offsets: zip(scales, zeros).map { -$0 * $1 },
            groupSize: size, parameters: [scale, zero])
    }
}

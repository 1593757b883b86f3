import MartletFormats
import MartletNN
import MartletTensor

/// torchao's plain tensors as its safetensors support flattens them: `_weight_qdata` int8 [out, in] with `_weight_scale` and
/// perhaps `_weight_zero_point` (Int8Tensor, and IntxUnpackedToInt8Tensor for 2 to 8 bits), a weight being
/// scale · (code − zero); or eight-bit floats (Float8Tensor). Layouts packed for one device's kernels are refused.
package struct TorchAOReader: PackedReader {
    package let suffixes = [
        "_weight_qdata", "_weight_scale", "_weight_zero_point", "_weight_act_quant_scale", "_weight_act_pre_scale",
    ]

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? {
        guard let type = module.type("_weight_qdata") else { return nil }
        let stored = try module.tensor("_weight_qdata"), scale = try module.numbers("_weight_scale")
        guard !module.has("_weight_act_pre_scale") else {
            throw module.refuse("_weight_act_pre_scale", "scales the layer's inputs, which is not supported")
        }
        guard stored.shape == module.shape else {
            throw module.refuse(
                "_weight_qdata",
                "\(type) \(stored.shape) is not \(module.shape): codes that are packed for one device are not read; "
                    + "quantise with int8 or the plain layout of int4")
        }
        if let format = Float8Matrix.Format(rawValue: type) { return try Float8Matrix(stored, format, scales: scale) }
        let codes = try PackedCodes(stored, layout: .bytes, bits: 8, outputs: module.outputs, inputs: module.inputs)
        var scales = try scale.to(.float32).toArray(as: Float.self)
        if scales.count == 1 { scales = [Float](repeating: scales[0], count: module.outputs) }
        let groups = scales.count / max(module.outputs, 1)
        guard groups > 0, scales.count == groups * module.outputs, module.inputs % groups == 0 else {
            throw module.refuse("_weight_scale", "shape \(scale.shape) does not fit \(module.shape)")
        }
        let points = try module.optional("_weight_zero_point")
        let zeros =
            try points.map { try $0.to(.float32).toArray(as: Float.self) } ?? [Float](repeating: 0, count: scales.count)
        guard zeros.count == scales.count || zeros.count == 1 else {
            throw module.refuse("_weight_zero_point", "\(zeros.count) zeros for \(scales.count) scales")
        }
        let wide = zeros.count == scales.count ? zeros : [Float](repeating: zeros[0], count: scales.count)
        let size = module.inputs / groups, parameters = [scale] + (points.map { [$0] } ?? [])
        if wide.allSatisfy({ $0.rounded() == $0 && abs($0) <= 256 }) {
            return try GroupAffineMatrix(
                codes, storedType: "INT8", scales: scales, zeros: wide.map { Int16($0) + 128 },
                groupOfInput: InputGroups.neighbours(module.inputs, size: groups == 1 ? -1 : size),
                parameters: parameters)
        }
        return try GroupOffsetMatrix(
            codes, storedType: "INT8", scales: scales, offsets: zip(scales, wide).map { -$0 * ($1 + 128) },
            groupSize: size, parameters: parameters)
    }
}

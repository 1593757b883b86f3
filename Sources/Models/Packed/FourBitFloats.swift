import MartletNN
import MartletTensor

/// Floats of four bits (E2M1), two to a byte, the first in the lower half: NVFP4, whose runs of 16 inputs share a float of
/// eight bits (E4M3) and all weights one of 32, and MXFP4, whose runs of 32 share a power of two (Open Compute Project 2023,
/// "Microscaling formats").
enum FourBitFloats {
    private static let levels: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]

    /// - Parameters:
    ///   - codes: the suffix of the codes `[out, in / 2]`.
    ///   - scales: that of the scales `[out, in / run]`.
    ///   - factor: what all scales are multiplied with.
    ///   - parameters: the tensors it was read from.
    /// - Throws: `ModelError.unsupported` that names the tensor.
    static func matrix(
        _ module: PackedModule, codes: String, scales: String, factor: Float, parameters: [Tensor]
    ) throws -> any WeightMatrix {
        let stored = try module.tensor(codes)
        guard stored.dtype == .uint8, stored.shape == [module.outputs, module.inputs / 2], module.inputs % 2 == 0 else {
            throw module.refuse(
                codes,
                "\(module.type(codes) ?? "") \(stored.shape) is not U8 [\(module.outputs), \(module.inputs / 2)], two codes of "
                    + "four bits a byte")
        }
        let list = try module.eightBitScales(scales), shape = try module.tensor(scales).shape
        guard shape.rank == 2, shape[0] == module.outputs, shape[1] > 0, module.inputs % shape[1] == 0 else {
            throw module.refuse(scales, "shape \(shape) does not fit \(module.shape)")
        }
        guard factor.isFinite, factor != 0 else {
            throw module.refuse(scales, "are multiplied with \(factor), which is zero or no finite number")
        }
        let isPower = module.type(scales) == "U8"
        let matrix = try CodebookMatrix(
            stored, shape: module.shape, storedType: isPower ? "MXFP4" : "NVFP4", levels: levels,
            scales: list.map { $0 * factor }, runLength: module.inputs / shape[1], firstHalf: .lower,
            parameters: try [module.tensor(scales)] + parameters)
        guard !matrix.losesNumbers else { throw module.refuse(scales, "a scale is zero where weights are not") }
        return matrix
    }
}

extension PackedModule {
    /// Scales that are floats of eight bits (E4M3), powers of two (E8M0), or plain numbers.
    func eightBitScales(_ suffix: String) throws -> [Float] {
        let tensor = try tensor(suffix)
        switch type(suffix) {
        case "F8_E4M3":
            let values = Float8Matrix.Format.e4m3.values
            return try tensor.toArray(as: Int64.self).map { values[Int($0) & 255] }
        case "U8", "F8_E8M0":
            // 255 is no number.
            return try tensor.toArray(as: Int64.self).map {
                $0 == 255 ? .nan : Float(sign: .plus, exponent: Int($0) - 127, significand: 1)
            }
        default: return try numbers(suffix).to(.float32).toArray(as: Float.self)
        }
    }

    /// The one number of a tensor.
    func scalar(_ suffix: String) throws -> Float {
        let list = try numbers(suffix).to(.float32).toArray(as: Float.self)
        guard list.count == 1 else { throw refuse(suffix, "has \(list.count) numbers, expected one") }
        return list[0]
    }
}

import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

/// What nvidia-modelopt exports for transformers' folders: floats of eight bits with one scale, one for each output or one
/// for each block ("FP8", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PB_WO", "MXFP8"), and of four ("NVFP4", "W4A16_NVFP4",
/// "W4A8_MXFP4_FP8"). Which it is, a module's tensors say. Inputs are not rounded.
package struct ModelOptReader: PackedReader {
    package let suffixes = [
        "weight", "weight_scale", "weight_scale_2", "input_scale", "input_scale_2", "k_scale", "v_scale", "q_scale",
    ]
    /// Blocks of "FP8_PB_WO".
    private static let block = 128

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? {
        guard module.has("weight"), module.has("weight_scale"), let type = module.type("weight") else { return nil }
        for other in ["pre_quant_scale", "svdquant_lora_a"] where module.has(other) {
            throw module.refuse(
                other,
                "is a part of the layer that modelopt's AWQ and SVDQuant compute beside its weights, which is not read; take "
                    + "the model's unquantised folder, or one of FP8 or NVFP4")
        }
        if let format = Float8Matrix.Format(rawValue: type) { return try eightBits(module, format) }
        guard type == "U8", module.type("weight_scale") == "F8_E4M3" || module.type("weight_scale") == "U8" else {
            throw module.refuse(
                type == "U8" ? "weight_scale" : "weight",
                "\(type) with scales of \(module.type("weight_scale") ?? "none") is no layout of modelopt that is "
                    + "read; those of FP8, MXFP8, NVFP4 and MXFP4 are. Take the model's unquantised folder")
        }
        let isNV = module.type("weight_scale") == "F8_E4M3"
        guard !isNV || module.has("weight_scale_2") else {
            throw module.refuse("weight_scale_2", "is missing beside NVFP4's scales")
        }
        return try FourBitFloats.matrix(
            module, codes: "weight", scales: "weight_scale", factor: isNV ? module.scalar("weight_scale_2") : 1,
            parameters: isNV ? [module.tensor("weight_scale_2")] : [])
    }

    private func eightBits(_ module: PackedModule, _ format: Float8Matrix.Format) throws -> any WeightMatrix {
        let weight = try module.tensor("weight"), stored = try module.tensor("weight_scale")
        guard weight.shape == module.shape else {
            throw module.refuse("weight", "shape \(weight.shape), expected \(module.shape)")
        }
        let list = try module.eightBitScales("weight_scale")
        // Blocks are kept as [blocks of outputs, 1, blocks of inputs, 1], or without the ones.
        let extents = stored.shape.filter { $0 != 1 }
        if list.count == 1 || extents == [module.outputs] {
            return try Float8Matrix(weight, format, scales: Tensor(list, shape: [list.count]))
        }
        guard stored.rank == 2 || stored.rank == 4 else {
            throw module.refuse("weight_scale", "shape \(stored.shape) does not fit \(module.shape)")
        }
        let (rows, columns) = stored.rank == 2 ? (stored.shape[0], stored.shape[1]) : (stored.shape[0], stored.shape[2])
        func length(_ whole: Int, _ parts: Int) -> Int {
            parts == (whole + Self.block - 1) / Self.block ? Self.block : (whole + parts - 1) / max(parts, 1)
        }
        return try Float8Matrix(
            weight, format, scales: Tensor(list, shape: [list.count]),
            block: (rows == module.outputs ? 1 : length(module.outputs, rows), length(module.inputs, columns)))
    }
}

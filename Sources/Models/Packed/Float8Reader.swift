import MartletFormats
import MartletNN
import MartletTensor

/// fp8 as DeepSeek and Qwen publish it: `weight` of eight-bit floats and `weight_scale_inv`, a factor for each block of
/// 128 × 128, or `weight_scale`, one factor or one for each output.
package struct Float8Reader: PackedReader {
    package let suffixes = ["weight", "weight_scale_inv", "weight_scale", "input_scale"]
    private let block: (outputs: Int, inputs: Int)?

    init(_ config: ConfigurationReader) throws(ModelError) {
        guard let sizes = config.json["weight_block_size"]?.array?.compactMap(\.integer) else {
            block = nil
            return
        }
        guard sizes.count == 2, sizes.allSatisfy({ (1...65_536).contains($0) }) else {
            throw .wrongValue(
                file: config.file, key: "quantization_config.weight_block_size", found: "\(sizes)",
                expected: "two lengths, as [128, 128]")
        }
        block = (sizes[0], sizes[1])
    }

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? {
        guard let type = module.type("weight"), let format = Float8Matrix.Format(rawValue: type) else { return nil }
        let weight = try module.tensor("weight")
        guard weight.shape == module.shape else {
            throw module.refuse("weight", "shape \(weight.shape), expected \(module.shape)")
        }
        if module.has("weight_scale_inv") {
            return try Float8Matrix(weight, format, scales: module.numbers("weight_scale_inv"), block: block)
        }
        guard module.has("weight_scale") else { throw module.refuse("weight_scale", "is missing beside the weights") }
        return try Float8Matrix(weight, format, scales: module.numbers("weight_scale"))
    }
}

import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

/// mlx-lm's affine quantisation: `weight` uint32 [out, in · bits / 32], `scales` and `biases` [out, in / group_size], a weight
/// being scale · code + bias. Embeddings are packed too. config.json may give single modules other numbers, or false.
package struct MLXReader: PackedReader {
    package let suffixes = ["weight", "scales", "biases"]
    private let bits: Int
    private let groupSize: Int
    private let own: JSON
    private let file: String

    init(_ config: ConfigurationReader) throws(ModelError) {
        let mode = try config.string("mode", default: "affine")
        guard mode == "affine" else {
            throw .wrongValue(
                file: config.file, key: "quantization.mode", found: "\"\(mode.prefix(40))\"", expected: "\"affine\"")
        }
        bits = try config.integer("bits", in: 2...8)
        groupSize = try config.integer("group_size", in: 1...65_536)
        own = config.json
        file = config.file
    }

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? { try affine(module) }

    /// The table in blocks where they hold it exactly, else in half precision, which is what mlx looks up.
    package func table(_ module: PackedModule) throws -> Tensor? {
        guard let matrix = try affine(module) else { return nil }
        if let blocks = try matrix.exactBlocks() { return blocks }
        return try matrix.float32Matrix().to(.float16)
    }

    /// What the configuration says of a module alone.
    private func number(_ key: String, of module: PackedModule) throws -> Int? {
        guard let value = own[module.name]?[key], !value.isNull else { return nil }
        guard let number = value.integer else {
            throw ModelError.wrongValue(
                file: file, key: "\(module.name).\(key)", found: String(value.text().prefix(60)),
                expected: "a whole number, as mlx-lm writes it")
        }
        return number
    }

    private func affine(_ module: PackedModule) throws -> GroupOffsetMatrix? {
        guard module.has("scales") else { return nil }
        let bits = try number("bits", of: module) ?? bits, size = try number("group_size", of: module) ?? groupSize
        guard (2...8).contains(bits), size > 0, module.inputs % size == 0 else {
            throw module.refuse("weight", "groups of \(size) codes of \(bits) bits do not fit \(module.shape)")
        }
        let words = try module.tensor("weight")
        let scales = try module.numbers("scales"), biases = try module.numbers("biases")
        let expected: Shape = [module.outputs, module.inputs / size]
        guard scales.shape == expected, biases.shape == expected else {
            throw module.refuse("scales", "shape \(scales.shape), and \(biases.shape) of biases, expected \(expected)")
        }
        let codes = try PackedCodes(
            words, layout: .rowsOfWords, bits: bits, outputs: module.outputs, inputs: module.inputs)
        return try GroupOffsetMatrix(
            codes, storedType: "MLX-\(bits)", scales: scales.to(.float32).toArray(as: Float.self),
            offsets: biases.to(.float32).toArray(as: Float.self), groupSize: size, parameters: [scales, biases])
    }
}

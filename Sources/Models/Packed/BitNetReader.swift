import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

/// BitNet b1.58 (Ma et al. 2024): weights −1, 0 and 1 times one factor for each matrix, and inputs of eight bits, which
/// `AttentionSpec.roundsInputs` says. Packed, a byte holds four rows a quarter of the rows apart, code − 1 being the weight;
/// unpacked ("online"), the weights are those that were trained, and become round(w / s) s within ±s, s = mean |w|.
package struct BitNetReader: PackedReader {
    package let suffixes = ["weight", "weight_scale"]
    /// Whether a packed weight is divided by its factor ("bitlinear") instead of multiplied.
    private let divides: Bool
    /// Whether the stored weights are those that were trained.
    private let isOnline: Bool
    package var roundsTrainedWeights: Bool { isOnline }

    /// Whether a folder's weights are of this method.
    static func isMeant(by config: ConfigurationReader) -> Bool {
        config.json["quantization_config"]?["quant_method"]?.string == method
    }

    init(_ config: ConfigurationReader) throws(ModelError) {
        func one(of names: [String], _ key: String, default first: String) throws(ModelError) -> String {
            let name = try config.string(key, default: first)
            guard names.contains(name) else {
                throw .wrongValue(
                    file: config.file, key: "quantization_config.\(key)", found: "\"\(name.prefix(40))\"",
                    expected: names.joined(separator: " or "))
            }
            return name
        }
        divides = try one(of: ["bitlinear", "autobitlinear"], "linear_class", default: "bitlinear") == "bitlinear"
        isOnline = try one(of: ["offline", "online"], "quantization_mode", default: "offline") == "online" && !divides
        guard try !config.flag("use_rms_norm", default: false) else {
            throw .wrongValue(
                file: config.file, key: "quantization_config.use_rms_norm", found: "true",
                expected: "false: norms inside of BitNet's matrices are not computed")
        }
        let plain = try config.optionalStrings("modules_to_not_convert") ?? []
        if let other = plain.first(where: { $0 != "lm_head" }) {
            throw .wrongValue(
                file: config.file, key: "quantization_config.modules_to_not_convert", found: "\"\(other.prefix(40))\"",
                expected: "lm_head alone: the inputs of all other matrices are rounded")
        }
    }

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? {
        guard module.name != "lm_head", module.has("weight") else { return nil }
        guard module.type("weight") == "U8" else {
            guard isOnline else {
                throw module.refuse("weight", "is no packed codes, which \"offline\" weights are")
            }
            let weight = try module.numbers("weight")
            guard weight.shape == module.shape else {
                throw module.refuse("weight", "shape \(weight.shape), expected \(module.shape)")
            }
            return try rounded(weight)
        }
        guard !isOnline else { throw module.refuse("weight", "is packed, where \"online\" weights are floats") }
        guard module.outputs % 4 == 0 else {
            throw module.refuse("weight", "\(module.outputs) rows are no whole number of bytes")
        }
        let codes = try PackedCodes(
            module.tensor("weight"), layout: .rowsInBytes(width: module.inputs, lowestFirst: true), bits: 2,
            outputs: module.outputs, inputs: module.inputs)
        let stored = module.has("weight_scale") ? try module.numbers("weight_scale") : try Tensor([Float(1)])
        let factors = try stored.to(.float32).toArray(as: Float.self)
        guard factors.count == 1, factors[0].isFinite, factors[0] > 0 else {
            throw module.refuse("weight_scale", "is \(factors.prefix(4)), expected one positive number")
        }
        return try matrix(codes, factor: divides ? 1 / factors[0] : factors[0], parameters: [stored])
    }

    private func matrix(_ codes: PackedCodes, factor: Float, parameters: [Tensor]) throws -> any WeightMatrix {
        let shape = codes.shape
        return try GroupAffineMatrix(
            codes, storedType: "BitNet", scales: Array(repeating: factor, count: shape[0]),
            zeros: Array(repeating: 1, count: shape[0]), groupOfInput: Array(repeating: 0, count: shape[1]),
            parameters: parameters)
    }

    /// The ternary weights of trained ones.
    private func rounded(_ weight: Tensor) throws -> any WeightMatrix {
        let whole = try weight.to(.float32)
        let factor = max(try whole.abs().mean().item(as: Float.self), 1e-5)
        // Codes 0, 1 and 2, a byte each.
        let list = try (whole * (1 / factor)).round().clamp(min: -1, max: 1).toArray(as: Float.self)
        let codes = try Tensor(list.map { UInt8($0 + 1) }, shape: weight.shape)
        return try matrix(
            PackedCodes(
                codes, layout: .unsignedBytes, bits: 2, outputs: weight.shape[0], inputs: weight.shape[1]),
            factor: factor, parameters: [])
    }
}

import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

/// compressed-tensors, what llm-compressor writes: "pack-quantized" (codes in words), "int-quantized" (bytes),
/// "float-quantized" (eight-bit floats), "naive-quantized" (either of the last two), "nvfp4-pack-quantized" and
/// "mxfp4-pack-quantized" (four-bit floats), and "mixed-precision" (each module in one of them). Where groups of the configuration have several widths or sizes, a module's tensors say which are its own.
package struct CompressedTensorsReader: PackedReader {
    package let suffixes = [
        "weight", "weight_packed", "weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx",
        "weight_global_scale", "input_scale", "input_zero_point", "input_global_scale",
    ]
    /// Of integers, ascending.
    private let widths: [Int]
    /// Ascending; -1 for one group of all inputs.
    private let groupSizes: [Int]
    /// What shares a scale of eight-bit floats, where the configuration has blocks.
    private let block: (outputs: Int, inputs: Int)?
    /// Of int8 activations with a scale for each token, found when they come. Others are computed in 16 bits.
    private let inputRounding: InputRounding?

    private static let formats = [
        "pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "nvfp4-pack-quantized",
        "mxfp4-pack-quantized", "mixed-precision",
    ]

    init(_ config: ConfigurationReader) throws(ModelError) {
        let format = try config.string("format", default: "pack-quantized")
        guard Self.formats.contains(format) else {
            throw .wrongValue(
                file: config.file, key: "quantization_config.format", found: "\"\(format.prefix(40))\"",
                expected: Self.formats.joined(separator: ", "))
        }
        guard config.json["transform_config"]?["config_groups"]?.object?.isEmpty ?? true else {
            throw .wrongValue(
                file: config.file, key: "quantization_config.transform_config", found: "transforms",
                expected: "none: what they turn inputs by is not read; take the model's unquantised folder")
        }
        let groups = config.json["config_groups"]?.object ?? [:]
        let weights = groups.compactMap { $0.value["weights"] }
        let numbers = Set(weights.compactMap { $0["num_bits"]?.integer })
        let sizes = Set(weights.map { $0["group_size"]?.integer ?? -1 })
        guard !numbers.isEmpty, numbers.allSatisfy((2...8).contains),
            sizes.allSatisfy({ $0 == -1 || (1...65_536).contains($0) })
        else {
            throw .wrongValue(
                file: config.file, key: "quantization_config.config_groups",
                found: "weights of \(numbers.sorted()) bits in groups of \(sizes.sorted())",
                expected: "widths of 2 … 8 bits and sizes of groups")
        }
        widths = numbers.sorted()
        groupSizes = sizes.sorted()
        let blocks = Set(
            weights.filter { $0["strategy"]?.string == "block" }
                .map { $0["block_structure"]?.array?.compactMap(\.integer) ?? [] })
        guard blocks.count <= 1, blocks.allSatisfy({ $0.count == 2 && $0.allSatisfy((1...65_536).contains) }) else {
            throw .wrongValue(
                file: config.file, key: "quantization_config.config_groups",
                found: "block_structure \(blocks.sorted { $0.count < $1.count })",
                expected: "two lengths, as [128, 128], the same in all groups")
        }
        block = blocks.first.map { ($0[0], $0[1]) }
        let inputs = groups.map { $0.value["input_activations"] ?? .null }
        let areTokens = inputs.allSatisfy { input in
            input["num_bits"]?.integer == 8 && input["type"]?.string == "int" && input["strategy"]?.string == "token"
                && input["symmetric"]?.bool == true && input["dynamic"]?.bool == true
        }
        inputRounding = areTokens ? InputRounding() : nil
    }

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? {
        if module.type("weight_packed") == "U8" {
            // The scales are those of the weights times the global scale.
            guard !module.has("weight_zero_point") else {
                throw module.refuse("weight_zero_point", "is not read beside floats of four bits")
            }
            let isGlobal = module.has("weight_global_scale")
            let scales = module.type("weight_scale") ?? "missing"
            guard isGlobal || scales == "U8" else {
                throw scales == "F8_E4M3"
                    ? module.refuse("weight_global_scale", "is missing beside NVFP4's scales")
                    : module.refuse("weight_scale", "is \(scales); MXFP4 has U8, and NVFP4 F8_E4M3 with a global scale")
            }
            return try FourBitFloats.matrix(
                module, codes: "weight_packed", scales: "weight_scale",
                factor: isGlobal ? 1 / module.scalar("weight_global_scale") : 1,
                parameters: isGlobal ? [module.tensor("weight_global_scale")] : [])
        }
        if module.has("weight_packed") {
            let words = try module.tensor("weight_packed")
            // Of widths that pack as densely, as 7 and 8 bits do, a configuration that has both cannot be told apart.
            let fitting = widths.filter { words.shape == [module.outputs, PackedCodes.words(module.inputs, bits: $0)] }
            guard fitting.count <= 1 else {
                throw module.refuse("weight_packed", "may hold codes of any of \(fitting) bits")
            }
            return try affine(module, words, .wholeInputsInWords, fitting.first ?? widths[0])
        }
        guard let type = module.type("weight"), module.has("weight_scale") else { return nil }
        let weight = try module.tensor("weight")
        if type == "I8" { return try affine(module, weight, .bytes, 8) }
        guard let format = Float8Matrix.Format(rawValue: type) else { return nil }
        guard weight.shape == module.shape else {
            throw module.refuse("weight", "shape \(weight.shape), expected \(module.shape)")
        }
        let scales = try module.numbers("weight_scale")
        // A block that reaches over all inputs has a column of scales, which one scale for each output has too.
        let isBlocks = block.map { block in
            scales.shape == [
                (module.outputs + block.outputs - 1) / block.outputs, (module.inputs + block.inputs - 1) / block.inputs,
            ]
        }
        return try Float8Matrix(weight, format, scales: scales, block: isBlocks == true ? block : nil)
    }

    private func affine(
        _ module: PackedModule, _ tensor: Tensor, _ layout: PackedCodes.Layout, _ bits: Int
    ) throws -> any WeightMatrix {
        let codes = try PackedCodes(
            tensor, layout: layout, bits: bits, outputs: module.outputs, inputs: module.inputs)
        let stored = try module.numbers("weight_scale"), middle = 1 << (bits - 1)
        var scales = try stored.to(.float32).toArray(as: Float.self)
        if scales.count == 1 { scales = [Float](repeating: scales[0], count: module.outputs) }
        guard scales.count % module.outputs == 0 else {
            throw module.refuse("weight_scale", "shape \(stored.shape) does not fit \(module.outputs) outputs")
        }
        let groups = scales.count / module.outputs
        var zeros = [Int16](repeating: Int16(middle), count: scales.count), parameters = [stored]
        if let points = try module.integers("weight_zero_point") {
            parameters.append(points)
            if points.dtype == .int32, layout == .wholeInputsInWords {
                // Packed along the outputs: [out · bits / 32, groups].
                let packed = try PackedCodes(
                    points, layout: .wholeInputsInColumns, bits: bits, outputs: groups, inputs: module.outputs)
                zeros = packed.values(transposed: true).map { Int16($0) }
            } else {
                let list = try points.toArray(as: Int64.self)
                guard list.count == scales.count, list.allSatisfy({ abs($0) <= 256 }) else {
                    throw module.refuse("weight_zero_point", "\(list.count) zeros for \(scales.count) scales")
                }
                zeros = list.map { Int16($0) + Int16(middle) }
            }
        }
        let indices = try module.integers("weight_g_idx")
        let size = groupSizes.first { $0 > 0 && (module.inputs + $0 - 1) / $0 == groups } ?? groupSizes[0]
        let list = try indices.map { try $0.toArray(as: Int32.self) }
        let groupOf =
            try list.flatMap { $0.contains { $0 < 0 } ? nil : $0 }
            ?? InputGroups.neighbours(module, size: groups == 1 ? -1 : size, groups: groups, of: "weight_scale")
        return try GroupAffineMatrix(
            codes, storedType: "INT\(bits)", scales: scales, zeros: zeros, groupOfInput: groupOf,
            parameters: parameters + (indices.map { [$0] } ?? []), inputRounding: layout == .bytes ? inputRounding : nil
        )
    }
}

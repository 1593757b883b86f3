import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

/// bitsandbytes: NF4 and FP4 with their scales plain or quantised themselves (Dettmers et al. 2023), and the int8 of
/// LLM.int8 (Dettmers et al. 2022), whose outlier columns are found in the activations and are not stored.
package struct BitsAndBytesReader: PackedReader {
    /// What bitsandbytes takes as an outlier where a configuration does not say.
    private static let usualThreshold = 6.0
    private let inputRounding: InputRounding
    private static let states = ["quant_state.bitsandbytes__nf4", "quant_state.bitsandbytes__fp4"]
    package let suffixes =
        ["weight", "SCB", "weight_format"]
        + (["absmax", "quant_map", "nested_absmax", "nested_quant_map"] + states).map { "weight." + $0 }

    init(_ config: ConfigurationReader) throws(ModelError) {
        let threshold = try config.number("llm_int8_threshold", default: Self.usualThreshold)
        guard (0...1e6).contains(threshold) else {
            throw .wrongValue(
                file: config.file, key: "quantization_config.llm_int8_threshold", found: "\(threshold)",
                expected: "a magnitude, or 0 for no outliers")
        }
        inputRounding = InputRounding(threshold: Float(threshold))
    }

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? {
        if let state = Self.states.first(where: { module.has("weight." + $0) }) {
            return try fourBits(module, state)
        }
        guard module.has("SCB"), module.type("weight") == "I8" else { return nil }
        let stored = try module.tensor("weight"), scales = try module.numbers("SCB")
        if let format = try module.optional("weight_format"), try format.toArray(as: Int64.self) != [0] {
            throw module.refuse(
                "weight_format", "is \(try format.toArray(as: Int64.self)), expected 0: rows as they are")
        }
        let codes = try PackedCodes(stored, layout: .bytes, bits: 8, outputs: module.outputs, inputs: module.inputs)
        let list = try scales.to(.float32).toArray(as: Float.self).map { $0 / 127 }
        guard list.count == module.outputs else {
            throw module.refuse("SCB", "\(list.count) scales for \(module.outputs) outputs")
        }
        return try GroupAffineMatrix(
            codes, storedType: "INT8", scales: list, zeros: [Int16](repeating: 128, count: list.count),
            groupOfInput: InputGroups.neighbours(module.inputs, size: -1), parameters: [scales],
            inputRounding: inputRounding)
    }

    /// Two codes a byte, also where the bytes are kept as numbers of a wider type (`bnb_4bit_quant_storage`, as FSDP needs
    /// it).
    private func packedBytes(_ stored: Tensor) throws -> Tensor {
        guard stored.dtype.isFloatingPoint, stored.isContiguous else { return stored }
        let count = stored.elementCount * stored.dtype.blockByteCount
        return Tensor(filling: [count, 1], dtype: .uint8) { bytes in
            var place = 0
            stored.forEachHostRun { run in
                for byte in run {
                    bytes[place] = byte
                    place += 1
                }
            }
        }
    }

    private func fourBits(_ module: PackedModule, _ state: String) throws -> any WeightMatrix {
        let suffix = "weight." + state
        let bytes = try module.tensor(suffix).toArray(as: Int64.self).map { UInt8(truncatingIfNeeded: $0) }
        let json: JSON
        do { json = try JSON(parsing: bytes) } catch { throw module.refuse(suffix, "is no JSON: \(error)") }
        let shape = json["shape"]?.array?.compactMap(\.integer) ?? []
        guard shape.count == 2, shape[0] == module.outputs, shape[1] == module.inputs,
            let length = json["blocksize"]?.integer, (1...65_536).contains(length)
        else {
            throw module.refuse(suffix, "shape \(shape) or block size does not fit \(module.shape)")
        }
        let codes = try packedBytes(module.tensor("weight")), levels = try module.numbers("weight.quant_map")
        let absmax = try module.tensor("weight.absmax")
        var parameters = [absmax, levels], scales: [Float]
        if module.has("weight.nested_absmax") {
            let nested = try module.numbers("weight.nested_absmax")
            let map = try module.numbers("weight.nested_quant_map")
            let table = try map.to(.float32).toArray(as: Float.self)
            let outer = try nested.to(.float32).toArray(as: Float.self)
            let indices = try module.integers("weight.absmax")?.toArray(as: Int64.self) ?? []
            let nestedLength = json["nested_blocksize"]?.integer ?? 256
            guard (1...65_536).contains(nestedLength) else {
                throw module.refuse(suffix, "nested_blocksize is \(nestedLength), expected 1 to 65536")
            }
            guard let offset = (json["nested_offset"] ?? 0).double.map({ Float($0) }) else {
                throw module.refuse(suffix, "nested_offset is no number")
            }
            guard table.count == 256, indices.allSatisfy({ (0..<256).contains($0) }),
                outer.count * nestedLength >= indices.count
            else {
                throw module.refuse(
                    "weight.nested_absmax",
                    "\(outer.count) scales in blocks of \(nestedLength) do not reach \(indices.count) of them")
            }
            scales = indices.enumerated().map { table[Int($0.element)] * outer[$0.offset / nestedLength] + offset }
            parameters += [nested, map]
        } else {
            guard absmax.dtype.isFloatingPoint else {
                throw module.refuse(
                    "weight.nested_absmax", "is missing: weight.absmax has numbers of its levels, not scales")
            }
            scales = try absmax.to(.float32).toArray(as: Float.self)
        }
        let matrix = try CodebookMatrix(
            codes, shape: module.shape, storedType: state.hasSuffix("nf4") ? "NF4" : "FP4",
            levels: levels.to(.float32).toArray(as: Float.self), scales: scales, runLength: length,
            parameters: parameters)
        // A scale that is itself quantised may come to 0.
        guard module.has("weight.nested_absmax") || !matrix.losesNumbers else {
            throw module.refuse("weight.absmax", "a scale is zero where weights are not")
        }
        return matrix
    }
}

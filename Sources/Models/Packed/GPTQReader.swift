import MartletFormats
import MartletNN
import MartletTensor

/// GPTQ (Frantar et al. 2022) as AutoGPTQ and GPTQModel write it: `qweight` [in · bits / 32, out], `qzeros`
/// [groups, out · bits / 32], `scales` [groups, out], `g_idx` [in]. In version 1 stored zeros are one too small.
package struct GPTQReader: PackedReader {
    package let suffixes = ["qweight", "qzeros", "scales", "g_idx"]
    private let bits: Int
    private let groupSize: Int
    private let addedToZeros: Int

    init(_ config: ConfigurationReader) throws(ModelError) {
        bits = try config.integer("bits", in: 2...8)
        guard [2, 3, 4, 8].contains(bits) else {
            throw .wrongValue(
                file: config.file, key: "quantization_config.bits", found: "\(bits)", expected: "2, 3, 4 or 8")
        }
        groupSize = try config.integer("group_size", in: -1...65_536, default: 128)
        addedToZeros = try config.string("checkpoint_format", default: "gptq") == "gptq_v2" ? 0 : 1
    }

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? {
        guard module.has("qweight") else { return nil }
        let words = try module.tensor("qweight"), zeroWords = try module.tensor("qzeros")
        let stored = try module.tensor("scales")
        guard stored.rank == 2, stored.shape[1] == module.outputs else {
            throw module.refuse("scales", "shape \(stored.shape) is not [groups, \(module.outputs)]")
        }
        let groups = stored.shape[0], outputs = module.outputs
        let codes = try PackedCodes(
            words, layout: .inputsInWords, bits: bits, outputs: outputs, inputs: module.inputs)
        // Zeros lie as the codes of `groups` outputs with `out` inputs would in rows of words.
        let zeros = try PackedCodes(zeroWords, layout: .rowsOfWords, bits: bits, outputs: groups, inputs: outputs)
        let list = zeros.values(transposed: true).map { Int16($0 + addedToZeros) }
        let indices = try module.optional("g_idx")
        let groupOf =
            try indices.map { try $0.toArray(as: Int32.self) }
            ?? InputGroups.neighbours(module.inputs, size: groupSize)
        return try GroupAffineMatrix(
            codes, storedType: "GPTQ-\(bits)", scales: stored.transposedList(), zeros: list, groupOfInput: groupOf,
            parameters: [zeroWords, stored] + (indices.map { [$0] } ?? []))
    }
}

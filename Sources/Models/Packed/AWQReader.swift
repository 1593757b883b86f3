import MartletFormats
import MartletNN
import MartletTensor

/// AWQ (Lin et al. 2023), the "gemm" layout of AutoAWQ: `qweight` [in, out / 8], `qzeros` [groups, out / 8], `scales`
/// [groups, out], four bits, the outputs of a word interleaved.
package struct AWQReader: PackedReader {
    package let suffixes = ["qweight", "qzeros", "scales"]
    private let groupSize: Int
    /// Output i of eight lies at this place of its word.
    private static let order = [0, 4, 1, 5, 2, 6, 3, 7]

    init(_ config: ConfigurationReader) throws(ModelError) {
        let bits = try config.integer("bits", "w_bit", in: 1...16, default: 4)
        let version = try config.string("version", default: "gemm").lowercased()
        guard bits == 4, version == "gemm" else {
            throw .wrongValue(
                file: config.file, key: "quantization_config", found: "version \"\(version)\" of \(bits) bits",
                expected: "version \"gemm\" of 4 bits")
        }
        groupSize = try config.integer("group_size", "q_group_size", in: -1...65_536, default: 128)
    }

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? {
        guard module.has("qweight") else { return nil }
        let words = try module.tensor("qweight"), zeroWords = try module.tensor("qzeros")
        let stored = try module.numbers("scales")
        guard stored.rank == 2, stored.shape[1] == module.outputs else {
            throw module.refuse("scales", "shape \(stored.shape) is not [groups, \(module.outputs)]")
        }
        let codes = try PackedCodes(
            words, layout: .outputsInWords(order: Self.order), bits: 4, outputs: module.outputs, inputs: module.inputs)
        let zeros = try PackedCodes(
            zeroWords, layout: .outputsInWords(order: Self.order), bits: 4, outputs: module.outputs,
            inputs: stored.shape[0])
        return try GroupAffineMatrix(
            codes, storedType: "AWQ-4", scales: stored.transposedList(),
            zeros: zeros.values(transposed: false).map { Int16($0) },
            groupOfInput: InputGroups.neighbours(module, size: groupSize, groups: stored.shape[0], of: "scales"),
            parameters: [zeroWords, stored])
    }
}

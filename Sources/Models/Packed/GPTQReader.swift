import MartletFormats
import MartletNN
import MartletTensor

/// GPTQ (Frantar et al. 2022) as AutoGPTQ and GPTQModel write it: `qweight` [in · bits / 32, out], `qzeros`
/// [groups, out · bits / 32], `scales` [groups, out], `g_idx` [in]. In version 1 stored zeros are one too small. Modules may
/// have widths of their own (GPTQModel's `dynamic`, auto-round's `extra_config`); the height of `qweight` tells which.
package struct GPTQReader: PackedReader {
    package let suffixes = ["qweight", "qzeros", "scales", "g_idx"]
    private static let widths = [2, 3, 4, 8]
    private let bits: Int
    /// Whether the configuration gives some modules another width or size of groups.
    private let isMixed: Bool
    private let groupSize: Int
    private let addedToZeros: Int

    /// - Parameter version: of the zeros, where something else than the configuration's `checkpoint_format` tells.
    init(_ config: ConfigurationReader, version: Int? = nil) throws(ModelError) {
        bits = try config.integer("bits", in: 2...8)
        guard Self.widths.contains(bits) else {
            throw .wrongValue(
                file: config.file, key: "quantization_config.bits", found: "\(bits)", expected: "2, 3, 4 or 8")
        }
        isMixed = ["dynamic", "extra_config"].contains { key in
            config.json[key]?.object?.contains { $0.value["bits"] != nil || $0.value["group_size"] != nil } ?? false
        }
        groupSize = try config.integer("group_size", in: -1...65_536, default: 128)
        let stored = try config.string("checkpoint_format", default: "gptq") == "gptq_v2" ? 2 : 1
        addedToZeros = (version ?? stored) == 2 ? 0 : 1
    }

    package func matrix(_ module: PackedModule) throws -> (any WeightMatrix)? {
        guard module.has("qweight") else { return nil }
        let words = try module.tensor("qweight"), zeroWords = try module.tensor("qzeros")
        let stored = try module.numbers("scales")
        guard stored.rank == 2, stored.shape[1] == module.outputs else {
            throw module.refuse("scales", "shape \(stored.shape) is not [groups, \(module.outputs)]")
        }
        let groups = stored.shape[0], outputs = module.outputs
        var bits = bits
        if isMixed, let own = Self.widths.first(where: { words.shape == [(module.inputs * $0 + 31) / 32, outputs] }) {
            bits = own
        }
        let codes = try PackedCodes(
            words, layout: .inputsInWords, bits: bits, outputs: outputs, inputs: module.inputs)
        // Zeros lie as the codes of `groups` outputs with `out` inputs would in rows of words.
        let zeros = try PackedCodes(zeroWords, layout: .rowsOfWords, bits: bits, outputs: groups, inputs: outputs)
        let list = zeros.values(transposed: true).map { Int16($0 + addedToZeros) }
        let indices = try module.integers("g_idx")
        let groupOf =
            try indices.map { try $0.toArray(as: Int32.self) }
            ?? InputGroups.neighbours(
                module, size: isMixed ? (module.inputs + groups - 1) / max(groups, 1) : groupSize, groups: groups,
                of: "scales")
        return try GroupAffineMatrix(
            codes, storedType: "GPTQ-\(bits)", scales: stored.transposedList(), zeros: list, groupOfInput: groupOf,
            parameters: [zeroWords, stored] + (indices.map { [$0] } ?? []))
    }
}

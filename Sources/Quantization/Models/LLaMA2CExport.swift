import MartletFormats
import MartletInference
import MartletModels
import MartletNN
import MartletTensor

/// Writes a Llama as a `.bin` file of llama2.c, and its tokenizer.bin beside it.
///
/// Version 0 is what run.c reads, version 2 what runq.c reads: int8 in groups with one float32 scale, the largest
/// magnitude of a group being 127.
public struct LLaMA2CExport: Sendable {
    public let version: Int
    /// Of version 2: halved until it divides the width, as export.py does, and the width of the feed-forward layers too,
    /// whose rows runq.c takes group by group.
    public let groupSize: Int?
    private let contents: LLaMA2CContents
    private let tokenizer: [UInt8]?
    private let source: String
    /// What is not as it was, one line each.
    public let notes: [String]

    /// - Throws: `ModelError.unsupported` for a model that run.c does not compute; `QuantizationError` for a version that
    ///   there is not.
    public init(_ files: ModelFiles, version: Int = 0, groupSize: Int = 64) throws {
        guard (0...2).contains(version) else { throw QuantizationError.unknownVersion("llama2.c", version, [0, 1, 2]) }
        self.version = version
        source = files.path
        contents = try files.checkpoint.llama2cContents()
        let rows = [contents.sizes.width, contents.sizes.feedForward]
        var group = max(groupSize, 1), reason: String?
        while let undivided = rows.first(where: { $0 % group != 0 }) {
            group /= 2
            reason = reason ?? "\(groupSize) does not divide rows of \(undivided)"
        }
        self.groupSize = version == 2 ? group : nil
        var notes = try files.checkpoint.warnings()
        if version == 2, let reason { notes.append("groups of \(group) weights share a scale: \(reason)") }
        let metadata = try? files.ggufTokenizer(vocabularySize: contents.sizes.vocabulary)
        if let found = metadata?.llama2cTokens(), found.tokens.count == contents.sizes.vocabulary {
            tokenizer = FlatVocabulary(tokens: found.tokens, scores: found.scores).llama2cBytes
            if !found.isExact {
                notes.append(
                    "the tokenizer is no sentencepiece model with bytes: run.c may cut prompts otherwise, what it "
                        + "generates reads the same")
            }
        } else {
            tokenizer = nil
            notes.append("no tokenizer.bin is written: llama2.c has no form for this model's tokenizer")
        }
        if version != 2, files.checkpoint.tensors.entries.contains(where: { $0.dtype?.isQuantized == true }) {
            notes.append("quantised tensors are written with the numbers that their blocks stand for")
        }
        self.notes = notes
    }

    /// - Parameter progress: tensors that are done, and how many there are.
    public func write(to path: String, progress: (Int, Int) throws -> Void = { _, _ in }) throws {
        let sizes = contents.sizes
        let layout = LLaMA2CFile.Layout(
            version: version, sizes: sizes, sharesOutput: contents.sharesOutput, groupSize: groupSize)
        let parts = layout.parts
        let file = try PendingFile(path)
        try file.writer.write(header)
        for (number, part) in parts.enumerated() {
            switch part {
            case .rotation: try writeRotation(to: file.writer)
            case .tensor(let name, let shape):
                guard let tensor = contents.tensors[name] else {
                    throw ModelError.missingTensors(file: path, names: [name])
                }
                let made = try tensor.make().quantized(to: .float32)
                if let groupSize, shape.count == 2 {
                    try write(made, name, groups: groupSize, to: file.writer)
                } else {
                    try file.writer.write(contiguous: made)
                }
            }
            try progress(number + 1, parts.count)
        }
        try file.commit()
        if let tokenizer {
            try AtomicFile.write(AtomicFile.split(path).folder + "/tokenizer.bin", bytes: tokenizer)
        }
    }

    private var header: [UInt8] {
        let s = contents.sizes
        var numbers = [s.width, s.feedForward, s.layers, s.heads, s.keyValueHeads, s.vocabulary, s.context]
        func bytes(_ list: [Int]) -> [UInt8] {
            list.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        }
        guard version > 0 else {
            if !contents.sharesOutput { numbers[5] = -numbers[5] }
            return bytes(numbers)
        }
        var head = bytes([0x616b_3432, version] + numbers) + [contents.sharesOutput ? 1 : 0]
        if let groupSize { head += bytes([groupSize]) }
        return head + [UInt8](repeating: 0, count: 256 - head.count)
    }

    /// cos and sin for every position and pair, which run.c passes over and computes itself.
    private func writeRotation(to writer: FileWriter) throws {
        let rotary = RotaryEmbedding(.init(theta: 10_000, dimension: contents.sizes.head))
        let tables = try rotary.tables(length: contents.sizes.context)
        try writer.write(contiguous: tables.cosine.leadingRows(0, count: contents.sizes.context))
        try writer.write(contiguous: tables.sine.leadingRows(0, count: contents.sizes.context))
    }

    /// `quantize_q80`: codes, then scales.
    private func write(_ tensor: Tensor, _ name: String, groups size: Int, to writer: FileWriter) throws {
        let columns = tensor.shape[1]
        try tensor.withHostValues { values in
            var codes = [UInt8](), scales = [UInt8]()
            codes.reserveCapacity(values.count)
            for first in stride(from: 0, to: values.count, by: size) {
                var most: Float = 0
                for index in first..<first + size {
                    guard values[index].isFinite else {
                        throw QuantizationError.inTensor(
                            name, file: source,
                            reason: "the weight at [\(index / columns), \(index % columns)] is no finite number")
                    }
                    most = max(most, abs(values[index]))
                }
                let scale = most / 127
                for index in first..<first + size {
                    let code = scale > 0 ? (values[index] / scale).rounded(.toNearestOrEven) : 0
                    codes.append(UInt8(bitPattern: Int8(max(-127, min(127, code)))))
                }
                for shift in 0..<4 { scales.append(UInt8(truncatingIfNeeded: scale.bitPattern >> (8 * UInt32(shift)))) }
            }
            try writer.write(codes)
            try writer.write(scales)
        }
    }
}

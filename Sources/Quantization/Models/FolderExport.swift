import MartletAdapters
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletSystem
import MartletTensor
import MartletTokenizers

/// Writes a model as a folder that transformers reads: config.json, safetensors, and the tokenizer's files.
///
/// From a GGUF file everything that the conversion changed is changed back. Types that lose nothing stay bit for bit: a
/// folder of bfloat16 that became a GGUF file of bfloat16 is the same folder again.
public struct FolderExport: Sendable {
    /// What matrices become; nil where each stays as it is stored, and blocks become bfloat16.
    public let dtype: DType?
    private let tensors: [SafetensorsWriter.Planned]
    private let smallFiles: [(name: String, bytes: [UInt8])]
    /// What is not as it was, one line each.
    public let notes: [String]

    /// All small files but config.json.
    var tokenizerFiles: [(name: String, bytes: [UInt8])] { smallFiles.filter { $0.name != "config.json" } }
    public var tensorCount: Int { tensors.count }
    public var byteCount: Int { tensors.reduce(0) { $0 + ($1.dtype.byteCount(of: $1.shape.elementCount) ?? 0) } }

    /// After training in a loop of one's own, with the weights as they have become:
    /// ```swift
    /// try FolderExport(files, weights: decoder).write(toFolder: "mine")
    /// ```
    /// - Parameters:
    ///   - dtype: of matrices.
    ///   - weights: a decoder of these files (`Checkpoint.trainableDecoder`) whose weights are written instead of theirs,
    ///     as they are where `dtype` is nil: float32.
    /// - Throws: `QuantizationError.notPlain` for a type that is none of float32, float16 and bfloat16.
    public init(_ files: ModelFiles, dtype: DType? = nil, weights: Decoder? = nil) throws {
        if let dtype, !dtype.isFloatingPoint || dtype == .float64 { throw QuantizationError.notPlain(dtype) }
        self.dtype = dtype
        let checkpoint = files.checkpoint
        var notes = try checkpoint.warnings(), blocks = 0
        let common = dtype ?? (weights == nil ? Self.commonType(checkpoint) : .float32)
        let trained = try weights.map { try Self.planned($0, dtype, file: files.path) }
        tensors =
            try trained
            ?? checkpoint.folderTensors().map { tensor in
                let stored = tensor.stored ?? common
                if stored.isQuantized { blocks += 1 }
                // Vectors of a GGUF file are float32 whatever they were.
                let isWidened = checkpoint.gguf != nil && tensor.shape.rank == 1
                let target = dtype ?? (stored.isQuantized || isWidened ? common : stored)
                return SafetensorsWriter.Planned(name: tensor.name, shape: tensor.shape, dtype: target) {
                    let made = try tensor.make()
                    return try QuantizationError.naming(tensor.name, in: files.path) { try made.quantized(to: target) }
                }
            }
        if blocks > 0 {
            notes.append(
                "\(blocks) tensors were quantised: they are written with the numbers that their blocks stand for, and take "
                    + "no less for it")
        }
        self.notes = notes
        var configuration = try checkpoint.publishedConfiguration().object ?? JSONObject()
        let name = ["F32": "float32", "F16": "float16", "BF16": "bfloat16"][common.name] ?? "float32"
        configuration["torch_dtype"] = .string(name)
        configuration["dtype"] = nil
        if checkpoint.gguf != nil {
            let tokenizer = try files.tokenizer()
            configuration["bos_token_id"] = tokenizer.bosToken.map { .integer(Int64($0)) } ?? .null
            let ends = tokenizer.eosTokens.sorted().map { JSON.integer(Int64($0)) }
            configuration["eos_token_id"] = ends.count == 1 ? ends[0] : .array(ends)
        }
        smallFiles =
            [("config.json", JSON.object(configuration).bytes(indent: 2) + [0x0A])]
            + (try files.tokenizerFiles() ?? Self.copied(files.path))
    }

    /// A decoder's weights by the names of its family's folders.
    private static func planned(
        _ decoder: Decoder, _ dtype: DType?, file: String
    ) throws -> [SafetensorsWriter.Planned] {
        try PublishedModel.tensors(decoder).map { name, tensor in
            let target = tensor.rank > 1 ? dtype ?? tensor.dtype : tensor.dtype
            return SafetensorsWriter.Planned(name: name, shape: tensor.shape, dtype: target) {
                try QuantizationError.naming(name, in: file) { try tensor.quantized(to: target) }
            }
        }
    }

    /// The type most numbers of the model are stored as, among those a folder has.
    private static func commonType(_ checkpoint: Checkpoint) -> DType {
        var counts: [DType: Int] = [:]
        for entry in checkpoint.tensors.entries where entry.shape.rank > 1 {
            let type = entry.dtype.map { $0.isQuantized ? .bfloat16 : $0 } ?? .bfloat16
            counts[type, default: 0] += entry.shape.elementCount
        }
        return counts.max { $0.value < $1.value }?.key ?? .float32
    }

    /// Everything in the folder that is small and no weights.
    private static func copied(_ folder: String) throws -> [(name: String, bytes: [UInt8])] {
        try Folder.files(folder).filter { name in
            let isText = [".json", ".model", ".txt", ".jinja", ".tiktoken"].contains { name.hasSuffix($0) }
            // What other programs say of how the weights were packed is no longer so.
            let isOfWeights = [
                "quantize_config.json", "quant_config.json", "quantization_config.json", "hf_quant_config.json",
            ].contains(name)
            return isText && name != "config.json" && !isOfWeights && !name.hasSuffix(".safetensors.index.json")
        }.map { ($0, try Folder.read("\(folder)/\($0)")) }
    }

    /// - Parameter progress: tensors that are done, and how many there are.
    /// - Throws: `QuantizationError.folderInUse` where there is a model already. Where anything else is thrown, nothing is
    ///   left of what was written.
    public func write(toFolder folder: String, progress: (Int, Int) throws -> Void = { _, _ in }) throws {
        guard !Folder.exists(folder + "/config.json") else { throw QuantizationError.folderInUse(folder) }
        try Folder.fill(folder) {
            try SafetensorsWriter.write(tensors, toFolder: folder) { try progress($0, tensors.count) }
            // config.json comes last: without it the folder is no model yet.
            for file in smallFiles.reversed() {
                do throws(FileError) {
                    try AtomicFile.write("\(folder)/\(file.name)", bytes: file.bytes)
                } catch { throw FormatError(error) }
            }
        }
        try progress(tensors.count, tensors.count)
    }
}

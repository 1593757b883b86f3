import MartletJSON
import MartletSystem
import MartletTensor

/// A model in one file of numbers without names: a header with the sizes, then all tensors in a fixed order. These are the
/// `.bin` files of llama2.c and llm.c.
///
/// Its tensors have the names, shapes and row order of a folder of the same model, and `configuration` is that folder's
/// `config.json`, so that whatever reads folders reads these files.
public protocol FlatModelFile: TensorSource {
    var path: String { get }
    /// "llama2.c version 1", "llm.c version 5 (bf16)"
    var form: String { get }
    /// What `config.json` would say.
    var configuration: JSON { get }
    var vocabularySize: Int { get }
    /// The names that its tokenizer's file may have beside it, the usual one first.
    var tokenizerNames: [String] { get }
}

public enum FlatModel {
    /// Opens a file if it is such a model.
    /// - Parameter copying: whether to read the file into memory instead of mapping it.
    /// - Returns: nil for a file of another format.
    /// - Throws: `FormatError` for one that begins as such a model does and then breaks its rules.
    public static func open(_ path: String, copying: Bool = false) throws(FormatError) -> (any FlatModelFile)? {
        try open(MappedFile.open(path, copying: copying))
    }

    package static func open(_ file: MappedFile) throws(FormatError) -> (any FlatModelFile)? {
        guard file.bytes.count >= 28 else { return nil }
        switch file.number(0) {
        case LLMCFile.magic: return try LLMCFile(file)
        case LLMCState.magic:
            throw FormatError(
                .unsupported, path: file.path,
                "is a debug state of llm.c (inputs, logits and gradients), and no model; its model stands beside it")
        case 20_240_520, 20_240_801:
            throw FormatError(
                .unsupported, path: file.path,
                "holds tokens of llm.c, which a model is trained on (martlet train --data), and no model")
        case 20_240_328:
            throw FormatError(
                .unsupported, path: file.path, "is a tokenizer of llm.c, and no model; name the model's file beside it")
        case LLaMA2CFile.magic: return try LLaMA2CFile(file)
        default:
            if let model = try LLaMA2CFile.withoutMagic(file) { return model }
            guard FlatVocabulary.llama2cAlone(file) == nil else {
                throw FormatError(
                    .unsupported, path: file.path,
                    "is a tokenizer of llama2.c, and no model; name the model's file beside it")
            }
            return nil
        }
    }
}

/// Tensors one after the other from the end of a header on.
struct FlatTensors {
    private(set) var index = TensorIndex()
    private let path: String
    private(set) var offset: Int

    init(path: String, offset: Int) {
        self.path = path
        self.offset = offset
    }

    /// - Parameter count: the bytes it takes in the file, where that is not what its type takes.
    mutating func add(
        _ name: String, _ shape: [Int], _ dtype: DType, byteCount count: Int? = nil
    ) throws(FormatError) {
        guard let shape = Shape(checking: shape), let bytes = count ?? dtype.byteCount(of: shape.elementCount),
            let end = Int.sum(offset, bytes)
        else { throw FormatError(.malformed, path: path, field: "tensor \(name)", "is too large to be in a file") }
        let entry = TensorEntry(
            name: name, dtype: dtype, typeName: dtype.name, shape: shape, byteCount: bytes, fileOffset: offset,
            path: path)
        guard index.append(entry) else {
            throw FormatError(.malformed, path: path, field: "tensor \(name)", "appears twice")
        }
        offset = end
    }

    /// Passes over bytes that are no parameters.
    mutating func skip(_ elements: Int, _ dtype: DType) throws(FormatError) {
        guard let bytes = dtype.byteCount(of: elements), let end = Int.sum(offset, bytes) else {
            throw FormatError(.malformed, path: path, "is said to be larger than a file can be")
        }
        offset = end
    }
}

extension MappedFile {
    /// The 32-bit number `index` of the file.
    func number(_ index: Int) -> Int {
        Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self)))
    }
}

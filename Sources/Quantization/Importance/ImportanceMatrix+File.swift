import MartletFormats
import MartletModels
import MartletTensor

/// llama.cpp's importance matrices as GGUF files: for a tensor NAME its `NAME.in_sum2`, sums of squares
/// `[matrices, columns]`, and `NAME.counts`, how many inputs there were, `[matrices, 1]`.
extension ImportanceMatrix {
    private static let sumSuffix = ".in_sum2", countSuffix = ".counts"

    /// Reads a GGUF file, or an older .dat file.
    /// - Throws: `FormatError` for a file that is none, and for lists that do not fit each other.
    public init(file path: String) throws {
        self.init()
        if let old = try LegacyImportances(path: path) {
            self = old.matrix
            return
        }
        let file = try GGUFFile(path: path)
        origin = path
        guard try file.metadata.stringIfPresent("general.type") == "imatrix" else {
            throw FormatError(
                .malformed, path: path, field: "key \"general.type\"",
                "is not \"imatrix\": this is no importance matrix")
        }
        chunks = try file.metadata.integerIfPresent("imatrix.chunk_count") ?? 0
        for name in file.names where name.hasSuffix(Self.sumSuffix) {
            let tensor = String(name.dropLast(Self.sumSuffix.count)), counts = tensor + Self.countSuffix
            guard file.entry(counts) != nil else {
                throw FormatError(.missing, path: path, field: "tensor \(counts)", "is missing beside \(name)")
            }
            let sums = try file.tensor(name).to(.float32), count = try file.tensor(counts).to(.float32)
            let columns = sums.shape.last ?? 0, matrices = columns == 0 ? 0 : sums.elementCount / columns
            guard columns > 0, count.elementCount == matrices else {
                throw FormatError(
                    .malformed, path: path, field: "tensor \(counts)",
                    "has \(count.elementCount) numbers for \(matrices) matrices")
            }
            let values = try sums.toArray(as: Float.self), numbers = try count.toArray(as: Float.self)
            guard values.allSatisfy({ $0.isFinite && $0 >= 0 }), numbers.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
                throw FormatError(.malformed, path: path, field: "tensor \(name)", "holds what is no sum of squares")
            }
            tensors[tensor] = Statistics(
                sums: (0..<matrices).map { Array(values[$0 * columns..<($0 + 1) * columns]) }, counts: numbers)
        }
        guard !tensors.isEmpty else {
            throw FormatError(.missing, path: path, "holds no importances (tensors named …\(Self.sumSuffix))")
        }
    }

    /// Writes it under the names a GGUF file of the model has.
    /// - Parameter tensors: the model's, as `Checkpoint.ggufContents` lists them.
    public func write(to path: String, tensors: [WrittenTensor], chunkLength: Int) throws {
        var writer = GGUFWriter()
        writer.metadata["general.type"] = .string("imatrix")
        writer.metadata["imatrix.datasets"] = .array(GGUFArray([origin]))
        writer.metadata["imatrix.chunk_count"] = .uint32(UInt32(clamping: chunks))
        writer.metadata["imatrix.chunk_size"] = .uint32(UInt32(clamping: chunkLength))
        for tensor in tensors where tensor.shape.rank >= 2 {
            guard let found = self.tensors[tensor.name] ?? statistics(of: tensor) else { continue }
            let columns = found.sums.first?.count ?? 0
            writer.add(
                tensor.name + Self.sumSuffix, try Tensor(found.sums.flatMap { $0 }, shape: [found.sums.count, columns]))
            writer.add(tensor.name + Self.countSuffix, try Tensor(found.counts, shape: [found.counts.count, 1]))
        }
        try writer.write(to: path)
    }
}

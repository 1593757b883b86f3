import MartletFormats
import MartletModels
import MartletTensor

/// For each matrix how much its columns count: the mean square of what they are multiplied with on a text (the diagonal
/// of XᵀX / n). The expected error of y = x Wᵀ is then Σ v (w − ŵ)².
public struct ImportanceMatrix: Sendable {
    /// By the module's path in the model: "model.layers.0.mlp.up_proj".
    public internal(set) var modules: [String: Statistics] = [:]
    /// By the tensor's name in a GGUF file: "blk.0.ffn_up.weight"; of a file of llama.cpp's.
    public internal(set) var tensors: [String: Statistics] = [:]
    /// Where it was read from, or the text it was made of.
    public var origin = ""
    /// Texts, or tokens, that it was made of, as its file says.
    public internal(set) var chunks = 0

    public init() {}

    /// Σ x² of each column over all inputs, and how many there were; for a stack of experts one list each.
    public struct Statistics: Sendable, Equatable {
        /// `[experts, columns]`, or one row.
        public var sums: [[Float]]
        public var counts: [Float]

        public init(sums: [[Float]], counts: [Float]) {
            self.sums = sums
            self.counts = counts
        }

        /// Mean squares; of an expert that has seen nothing, ones.
        var means: [[Float]] {
            zip(sums, counts).map { sums, count in
                count > 0 ? sums.map { $0 / count } : [Float](repeating: 1, count: sums.count)
            }
        }
    }

    /// The importances of a tensor's columns, one list for each matrix in it; nil where nothing is known.
    func values(for tensor: WrittenTensor, columns: Int) -> [[Float]]? {
        if let found = tensors[tensor.name] {
            // Older files have the experts of a stack in one list.
            let matrices = tensor.shape.rank == 3 ? tensor.shape[0] : 1
            guard found.sums.count == 1, matrices > 1, found.sums[0].count == matrices * columns else {
                return Self.usable(found.means)
            }
            let means = found.means[0]
            return Self.usable((0..<matrices).map { Array(means[$0 * columns..<($0 + 1) * columns]) })
        }
        return statistics(of: tensor).flatMap { Self.usable($0.means) }
    }

    /// What the modules that a tensor is made of have seen, one list for each matrix in it.
    func statistics(of tensor: WrittenTensor) -> Statistics? {
        let parts = tensor.modules.compactMap { modules[$0] }
        guard tensor.shape.rank >= 2, let first = parts.first, parts.count == tensor.modules.count else { return nil }
        // Matrices that are joined by rows have the same inputs: of one tensor all, in a stack gate and up of an expert.
        guard tensor.shape.rank == 3 else { return first }
        let sums = parts.flatMap(\.sums), counts = parts.flatMap(\.counts)
        let own = stride(from: 0, to: sums.count, by: max(sums.count / max(tensor.shape[0], 1), 1))
        return Statistics(sums: own.map { sums[$0] }, counts: own.map { counts[$0] })
    }

    /// All zeros say nothing, and a column that has never been met counts a little.
    private static func usable(_ means: [[Float]]) -> [[Float]]? {
        let lists = means.map { list -> [Float] in
            let mean = list.reduce(0, +) / Float(max(list.count, 1))
            guard mean > 0, mean.isFinite else { return [Float](repeating: 1, count: list.count) }
            return list.map { $0 / mean + 1e-6 }
        }
        return lists.isEmpty ? nil : lists
    }

    /// - Throws: `QuantizationError.importanceOfAnotherModel` where a list is not as long as its tensor's rows.
    func check(_ tensors: [WrittenTensor]) throws(QuantizationError) {
        var isKnown = false
        for tensor in tensors {
            guard let columns = tensor.shape.last, let lists = values(for: tensor, columns: columns) else { continue }
            isKnown = true
            let matrices = tensor.shape.rank == 3 ? tensor.shape[0] : 1
            guard lists.count == matrices, lists.allSatisfy({ $0.count == columns }) else {
                throw .importanceOfAnotherModel(
                    origin: origin, tensor: tensor.name, found: "\(lists.count) × \(lists.first?.count ?? 0)",
                    expected: "\(matrices) × \(columns)")
            }
        }
        guard isKnown else {
            throw .importanceOfAnotherModel(
                origin: origin, tensor: tensors.first { $0.shape.rank == 2 }?.name ?? "any tensor", found: "nothing",
                expected: "importances of this model's tensors")
        }
    }

    /// What llama.cpp notes of it in the files it writes.
    func describe(in metadata: inout GGUFMetadata, tensors: [WrittenTensor]) {
        metadata["quantize.imatrix.file"] = .string(origin)
        metadata["quantize.imatrix.entries_count"] = .uint32(UInt32(clamping: self.tensors.count + modules.count))
        metadata["quantize.imatrix.chunks_count"] = .uint32(UInt32(clamping: chunks))
    }
}

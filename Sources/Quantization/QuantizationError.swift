import MartletTensor

/// Why weights could not be quantised, or a quantised model not be read.
public enum QuantizationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A row is no whole number of blocks.
    case wrongLength(type: DType, columns: Int)
    /// The type is read, and not written.
    case readOnly(DType)
    case notWeights(type: DType, shape: Shape)
    case notFinite(row: Int, column: Int)
    case wrongImportance(found: Int, columns: Int)
    case badImportance

    public var description: String {
        switch self {
        case .wrongLength(let type, let columns):
            "rows of \(columns) weights are no whole number of \(type.name) blocks of \(type.blockLength): "
                + "\(columns % type.blockLength) remain"
        case .readOnly(let type):
            "weights cannot be written as \(type.name), which is read only; written are "
                + DType.encodable.map(\.name).joined(separator: ", ")
        case .notWeights(let type, let shape): "\(type.name) \(shape) are no weights to be quantised"
        case .notFinite(let row, let column): "the weight at [\(row), \(column)] is no finite number"
        case .wrongImportance(let found, let columns):
            "\(found) importances for \(columns) columns: there is one for each"
        case .badImportance: "importances are finite numbers of at least zero"
        }
    }
}

/// The closed list of primitives, from which all other operations are composed. Every backend needs storage, `copy` and
/// `cast`; it may lack others, and calling a missing one throws an error that names it (`TensorError.Kind.missing`).
///
/// Operands are checked by the caller: same computed type, shapes that broadcast to the destination's, same device.
package protocol PrimitiveOperations {
    /// The backend's name in messages, such as "CPU".
    static var name: String { get }

    /// Copies the elements of `x`, broadcast, to `destination`, which has the same type.
    static func copy(_ x: Tensor, to destination: Tensor)
    /// Copies the elements of `x`, broadcast and converted.
    static func cast(_ x: Tensor, to destination: Tensor)
    static func unary(_ operation: UnaryOperation, _ x: Tensor, into destination: Tensor) throws(TensorError)
    static func binary(
        _ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, into destination: Tensor) throws(TensorError)
    /// `destination` has type bool.
    static func compare(
        _ operation: ComparisonOperation, _ a: Tensor, _ b: Tensor, into destination: Tensor) throws(TensorError)
    /// `condition ? a : b`, element by element.
    static func select(
        _ condition: Tensor, _ a: Tensor, _ b: Tensor, into destination: Tensor) throws(TensorError)
    /// Reduces over the axes marked in `axes`, which have extent 1 in `destination`.
    static func reduce(
        _ operation: ReductionOperation, _ x: Tensor, over axes: [Bool], into destination: Tensor) throws(TensorError)
    /// `destination[.., i, ..] = x[.., index[.., i, ..], ..]` along `axis`.
    static func gather(_ x: Tensor, _ axis: Int, _ index: Tensor, into destination: Tensor) throws(TensorError)
    /// `destination[.., i, ..] = x[.., places[i], ..]`: whole slices of contiguous operands.
    static func gatherSlices(_ x: Tensor, _ axis: Int, _ places: Tensor, into destination: Tensor) throws(TensorError)
    /// `destination[.., index[.., i, ..], ..] = x[.., i, ..]`, or `+=`, in row-major order of `index`.
    static func scatter(
        _ operation: ScatterOperation, _ x: Tensor, _ axis: Int, _ index: Tensor, into destination: Tensor
    ) throws(TensorError)
    /// `destination[b] = x[b] y[b]` for a batch of matrices.
    static func matmul(_ x: Tensor, _ y: Tensor, into destination: Tensor) throws(TensorError)
    /// Running sums or products of rows.
    static func scanRows(_ operation: ScanOperation, _ x: Tensor, into destination: Tensor) throws(TensorError)
    /// The index of each row's largest or smallest element.
    static func extremeOfRows(_ x: Tensor, largest: Bool, into destination: Tensor) throws(TensorError)
    /// The first `count` indices of each row in sorted order (stable).
    static func orderRows(
        _ x: Tensor, descending: Bool, count: Int, into destination: Tensor) throws(TensorError)
    /// The softmax of each row, or its logarithm.
    static func softmaxRows(_ x: Tensor, logarithm: Bool, into destination: Tensor) throws(TensorError)
}

extension PrimitiveOperations {
    private static func missing(_ primitive: String) -> TensorError {
        TensorError(
            .missing, primitive,
            "the \(name) backend has no such primitive; copy the operands to a backend that has it")
    }

    package static func unary(_ operation: UnaryOperation, _ x: Tensor, into destination: Tensor) throws(TensorError) {
        throw missing(operation.rawValue)
    }
    package static func binary(
        _ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, into destination: Tensor
    ) throws(TensorError) { throw missing(operation.rawValue) }
    package static func compare(
        _ operation: ComparisonOperation, _ a: Tensor, _ b: Tensor, into destination: Tensor
    ) throws(TensorError) { throw missing(operation.rawValue) }
    package static func select(
        _ condition: Tensor, _ a: Tensor, _ b: Tensor, into destination: Tensor
    ) throws(TensorError) { throw missing("select") }
    package static func reduce(
        _ operation: ReductionOperation, _ x: Tensor, over axes: [Bool], into destination: Tensor
    ) throws(TensorError) { throw missing(operation.rawValue) }
    package static func gather(_ x: Tensor, _ axis: Int, _ index: Tensor, into destination: Tensor) throws(TensorError)
    {
        throw missing("gather")
    }
    package static func gatherSlices(
        _ x: Tensor, _ axis: Int, _ places: Tensor, into destination: Tensor
    ) throws(TensorError) { throw missing("gatherSlices") }
    package static func scatter(
        _ operation: ScatterOperation, _ x: Tensor, _ axis: Int, _ index: Tensor, into destination: Tensor
    ) throws(TensorError) { throw missing(operation.rawValue) }
    package static func matmul(_ x: Tensor, _ y: Tensor, into destination: Tensor) throws(TensorError) {
        throw missing("matmul")
    }
    package static func scanRows(_ operation: ScanOperation, _ x: Tensor, into destination: Tensor) throws(TensorError)
    {
        throw missing("scanRows")
    }
    package static func extremeOfRows(_ x: Tensor, largest: Bool, into destination: Tensor) throws(TensorError) {
        throw missing("extremeOfRows")
    }
    package static func orderRows(
        _ x: Tensor, descending: Bool, count: Int, into destination: Tensor
    ) throws(TensorError) { throw missing("orderRows") }
    package static func softmaxRows(_ x: Tensor, logarithm: Bool, into destination: Tensor) throws(TensorError) {
        throw missing("softmaxRows")
    }
}

/// Where the bytes of a tensor are stored, and therefore which backend computes with it.
public enum Device: String, Sendable, CaseIterable {
    case cpu

    var primitives: any PrimitiveOperations.Type { CPU.self }
    var fused: any FusedOperations.Type { CPU.self }
}

extension Tensor {
    /// Where the elements are stored.
    public var device: Device { storage.device }

    @inline(__always)
    var primitives: any PrimitiveOperations.Type { storage.device.primitives }
}

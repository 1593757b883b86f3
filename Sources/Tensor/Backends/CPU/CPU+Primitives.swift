import CKernels

/// The primitives, each in its own file in `Primitives`: vector kernels for float32, plain loops for all other types.
/// So the float64 formulas of `Reference` are computed without any kernel.
extension CPU: PrimitiveOperations {
    static var name: String { "CPU" }

    static func copy(_ x: Tensor, to destination: Tensor) { x.copyOnCPU(to: destination) }
    static func cast(_ x: Tensor, to destination: Tensor) { x.castOnCPU(to: destination) }
    static func unary(_ operation: UnaryOperation, _ x: Tensor, into destination: Tensor) throws(TensorError) {
        x.applyOnCPU(operation, into: destination)
    }
    static func binary(
        _ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, into destination: Tensor
    ) throws(TensorError) { Tensor.applyOnCPU(operation, a, b, into: destination) }
    static func compare(
        _ operation: ComparisonOperation, _ a: Tensor, _ b: Tensor, into destination: Tensor
    ) throws(TensorError) { Tensor.applyOnCPU(operation, a, b, into: destination) }
    static func select(
        _ condition: Tensor, _ a: Tensor, _ b: Tensor, into destination: Tensor
    ) throws(TensorError) { Tensor.chooseOnCPU(condition, a, b, into: destination) }
    static func reduce(
        _ operation: ReductionOperation, _ x: Tensor, over axes: [Bool], into destination: Tensor
    ) throws(TensorError) { x.reduceOnCPU(operation, over: axes, into: destination) }
    static func gather(_ x: Tensor, _ axis: Int, _ index: Tensor, into destination: Tensor) throws(TensorError) {
        x.gatherOnCPU(axis, index, into: destination)
    }
    static func gatherSlices(
        _ x: Tensor, _ axis: Int, _ places: Tensor, into destination: Tensor
    ) throws(TensorError) { x.gatherSlicesOnCPU(axis, places, into: destination) }
    static func scatter(
        _ operation: ScatterOperation, _ x: Tensor, _ axis: Int, _ index: Tensor, into destination: Tensor
    ) throws(TensorError) { destination.scatterOnCPU(operation, axis, index, x) }
    static func matmul(_ x: Tensor, _ y: Tensor, into destination: Tensor) throws(TensorError) {
        Tensor.multiplyOnCPU(x, y, into: destination)
    }
    static func scanRows(_ operation: ScanOperation, _ x: Tensor, into destination: Tensor) throws(TensorError) {
        x.scanRowsOnCPU(operation, into: destination)
    }
    static func extremeOfRows(_ x: Tensor, largest: Bool, into destination: Tensor) throws(TensorError) {
        x.extremeOfRowsOnCPU(largest: largest, into: destination)
    }
    static func orderRows(
        _ x: Tensor, descending: Bool, count: Int, into destination: Tensor
    ) throws(TensorError) { x.orderRowsOnCPU(descending: descending, count: count, into: destination) }

    /// For contiguous float32 rows.
    static func softmaxRows(_ x: Tensor, logarithm: Bool, into destination: Tensor) throws(TensorError) {
        guard let width = x.shape.last, width > 0 else { return }
        let vector = martlet_kernels_active().pointee.vector
        let kernel = logarithm ? vector.log_softmax : vector.softmax, from = x.floats, to = destination.floats
        parallelRanges(x.elementCount / width, grain: Swift.max(1, elementGrain / 4 / width)) { rows in
            let start = rows.lowerBound * width
            kernel(from + start, width, 1, to + start, width, rows.count, width)
        }
    }
}

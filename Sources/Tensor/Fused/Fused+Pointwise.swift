/// Where nothing is noted for gradients, these write over their first operand, which is used up; otherwise they leave
/// it alone, because its gradient needs it. What is used up counts as changed, so a gradient that saved it says so, and
/// must not lie in a mapped file.
extension Fused {
    /// The non-linearities that have a kernel.
    public enum PointwiseFunction: Sendable { case silu, gelu, geluTanh, relu }

    /// f(x); x is used up.
    public static func activate(_ x: Tensor, _ function: PointwiseFunction) throws(TensorError) -> Tensor {
        let span = OperationSpan("activate")
        defer { span.end() }
        return try backend(of: x).activate(x, function)
    }

    /// f(gate) · up (Shazeer 2020); gate is used up.
    public static func gate(
        _ gate: Tensor, _ up: Tensor, _ function: PointwiseFunction
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("gate")
        defer { span.end() }
        return try backend(of: gate).gate(gate, up, function)
    }

    /// x + y for equal shapes; x is used up.
    public static func add(_ x: Tensor, _ y: Tensor) throws(TensorError) -> Tensor {
        let span = OperationSpan("add")
        defer { span.end() }
        return try backend(of: x).add(x, y)
    }

    /// Adds a vector to every row of x, in place.
    package static func addRow(_ row: Tensor, to x: Tensor) throws(TensorError) {
        let span = OperationSpan("addRow")
        defer { span.end() }
        try backend(of: x).addRow(row, to: x)
    }

    /// cap · tanh(x / cap); x is used up.
    public static func softCap(_ x: Tensor, _ cap: Float) throws(TensorError) -> Tensor {
        let span = OperationSpan("softCap")
        defer { span.end() }
        return try backend(of: x).softCap(x, cap)
    }

    /// Each row becomes its softmax; x is used up.
    public static func softmax(_ x: Tensor) throws(TensorError) -> Tensor {
        let span = OperationSpan("softmax")
        defer { span.end() }
        return try backend(of: x).softmax(x)
    }
}

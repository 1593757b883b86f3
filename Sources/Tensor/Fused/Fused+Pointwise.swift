/// Elementwise operations. When gradients are not recorded, they overwrite their first operand, which is thereby
/// consumed; otherwise they leave it unchanged, because the gradient needs it. A consumed operand counts as changed in
/// place: a backward pass that saved it throws an error. It must not lie in a mapped file.
extension Fused {
    /// The activation functions that have a kernel.
    public enum PointwiseFunction: Sendable { case silu, gelu, geluTanh, relu }

    /// f(x); consumes x.
    public static func activate(_ x: Tensor, _ function: PointwiseFunction) throws(TensorError) -> Tensor {
        let span = OperationSpan("activate")
        defer { span.end() }
        return try backend(of: x).activate(x, function)
    }

    /// f(gate) · up, a gated linear unit (Shazeer 2020); consumes gate.
    public static func gate(
        _ gate: Tensor, _ up: Tensor, _ function: PointwiseFunction
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("gate")
        defer { span.end() }
        return try backend(of: gate).gate(gate, up, function)
    }

    /// x + y for equal shapes; consumes x.
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

    /// cap · tanh(x / cap); consumes x.
    public static func softCap(_ x: Tensor, _ cap: Float) throws(TensorError) -> Tensor {
        let span = OperationSpan("softCap")
        defer { span.end() }
        return try backend(of: x).softCap(x, cap)
    }

    /// The softmax of each row; consumes x.
    public static func softmax(_ x: Tensor) throws(TensorError) -> Tensor {
        let span = OperationSpan("softmax")
        defer { span.end() }
        return try backend(of: x).softmax(x)
    }
}

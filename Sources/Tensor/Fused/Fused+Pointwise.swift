import CKernels

extension Fused {
    /// The non-linearities that have a kernel.
    public enum PointwiseFunction: Sendable { case silu, gelu, geluTanh, relu }

    private static var vector: martlet_vector_kernels { martlet_kernels_active().pointee.vector }

    /// x ← f(x).
    public static func activate(_ x: Tensor, _ function: PointwiseFunction) throws(TensorError) {
        try check("activate", x)
        let values = x.floats
        let kernel =
            switch function {
            case .silu: vector.silu
            case .gelu: vector.gelu
            case .geluTanh: vector.gelu_tanh
            case .relu: vector.relu
            }
        forRows(x.elementCount, width: 1) { range in
            kernel(values + range.lowerBound, values + range.lowerBound, range.count)
        }
    }

    /// gate ← f(gate) · up.
    public static func gate(_ gate: Tensor, _ up: Tensor, _ function: PointwiseFunction) throws(TensorError) {
        try check("gate", gate, up)
        guard gate.shape == up.shape else { throw TensorError(.shape, "gate", "\(up.shape) does not fit \(gate.shape)") }
        let kernel: martlet_gated
        switch function {
        case .silu: kernel = vector.swiglu
        case .gelu: kernel = vector.geglu
        case .geluTanh: kernel = vector.geglu_tanh
        case .relu:
            try activate(gate, .relu)
            return try multiply(up, into: gate)
        }
        let target = gate.floats, factor = up.floats
        forRows(gate.elementCount, width: 1) { range in
            let start = range.lowerBound, count = range.count
            kernel(target + start, count, factor + start, count, target + start, count, 1, count)
        }
    }

    /// x ← x + y.
    public static func add(_ y: Tensor, to x: Tensor) throws(TensorError) {
        try combine("add", y, into: x, vector.add)
    }

    /// x ← x · y.
    public static func multiply(_ y: Tensor, into x: Tensor) throws(TensorError) {
        try combine("multiply", y, into: x, vector.multiply)
    }

    private static func combine(
        _ operation: String, _ y: Tensor, into x: Tensor, _ kernel: martlet_binary
    ) throws(TensorError) {
        try check(operation, x, y)
        guard x.shape == y.shape else { throw TensorError(.shape, operation, "\(y.shape) does not fit \(x.shape)") }
        let target = x.floats, source = y.floats
        forRows(x.elementCount, width: 1) { range in
            let start = range.lowerBound
            kernel(target + start, source + start, target + start, range.count)
        }
    }

    /// Adds a vector to every row of x.
    public static func addRow(_ row: Tensor, to x: Tensor) throws(TensorError) {
        try check("addRow", x, row)
        let width = row.elementCount
        guard x.shape.last == width else { throw TensorError(.shape, "addRow", "\(row.shape) does not fit \(x.shape)") }
        let target = x.floats, source = row.floats, kernel = vector.add_bias
        forRows(x.elementCount / max(width, 1), width: width) { range in
            let start = range.lowerBound * width
            kernel(target + start, width, source, target + start, width, range.count, width)
        }
    }

    /// x ← cap · tanh(x / cap).
    public static func softCap(_ x: Tensor, _ cap: Float) throws(TensorError) {
        try check("softCap", x)
        let values = x.floats, kernel = vector.soft_cap
        forRows(x.elementCount, width: 1) { range in
            kernel(values + range.lowerBound, cap, values + range.lowerBound, range.count)
        }
    }

    /// Each row becomes its softmax.
    public static func softmax(_ x: Tensor) throws(TensorError) {
        try check("softmax", x)
        guard let width = x.shape.last, width > 0 else { return }
        let values = x.floats, kernel = vector.softmax
        forRows(x.elementCount / width, width: width) { range in
            let start = range.lowerBound * width
            kernel(values + start, width, 1, values + start, width, range.count, width)
        }
    }
}

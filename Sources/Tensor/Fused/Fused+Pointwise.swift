#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension Fused {
    /// The non-linearities that have a kernel.
    public enum PointwiseFunction: Sendable { case silu, gelu, geluTanh, relu }

    private static func apply(_ function: PointwiseFunction, _ x: Float) -> Float {
        switch function {
        case .silu: x / (1 + expf(-x))
        case .gelu: 0.5 * x * (1 + erff(x * 0.70710678))
        case .geluTanh: 0.5 * x * (1 + tanhf(0.79788456 * (x + 0.044715 * x * x * x)))
        case .relu: max(x, 0)
        }
    }

    /// x ← f(x).
    public static func activate(_ x: Tensor, _ function: PointwiseFunction) throws(TensorError) {
        try check("activate", x)
        let values = x.floats
        forRows(x.elementCount, width: 1) { for i in $0 { values[i] = apply(function, values[i]) } }
    }

    /// gate ← f(gate) · up.
    public static func gate(_ gate: Tensor, _ up: Tensor, _ function: PointwiseFunction) throws(TensorError) {
        try check("gate", gate, up)
        let target = gate.floats, factor = up.floats
        forRows(gate.elementCount, width: 1) { for i in $0 { target[i] = apply(function, target[i]) * factor[i] } }
    }

    /// x ← x + y.
    public static func add(_ y: Tensor, to x: Tensor) throws(TensorError) {
        try check("add", x, y)
        guard x.shape == y.shape else { throw TensorError(.shape, "add", "\(y.shape) does not fit \(x.shape)") }
        let target = x.floats, source = y.floats
        forRows(x.elementCount, width: 1) { for i in $0 { target[i] += source[i] } }
    }

    /// Adds a vector to every row of x.
    public static func addRow(_ row: Tensor, to x: Tensor) throws(TensorError) {
        try check("addRow", x, row)
        let width = row.elementCount
        guard x.shape.last == width else { throw TensorError(.shape, "addRow", "\(row.shape) does not fit \(x.shape)") }
        let target = x.floats, source = row.floats
        forRows(x.elementCount / max(width, 1), width: width) { range in
            for r in range { for i in 0..<width { target[r * width + i] += source[i] } }
        }
    }

    /// x ← cap · tanh(x / cap).
    public static func softCap(_ x: Tensor, _ cap: Float) throws(TensorError) {
        try check("softCap", x)
        let values = x.floats
        forRows(x.elementCount, width: 1) { for i in $0 { values[i] = cap * tanhf(values[i] / cap) } }
    }

    /// Each row becomes its softmax.
    public static func softmax(_ x: Tensor) throws(TensorError) {
        try check("softmax", x)
        guard let width = x.shape.last, width > 0 else { return }
        let values = x.floats
        forRows(x.elementCount / width, width: width) { range in
            for r in range {
                let row = values + r * width
                var top = row[0]
                for i in 1..<width { top = max(top, row[i]) }
                var sum: Float = 0
                for i in 0..<width {
                    row[i] = expf(row[i] - top)
                    sum += row[i]
                }
                for i in 0..<width { row[i] /= sum }
            }
        }
    }
}

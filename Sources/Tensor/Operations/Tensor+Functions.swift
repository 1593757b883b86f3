/// Elementwise functions of one operand. Integers give float32, except where noted.
extension Tensor {
    @inline(never)
    func mapped(_ operation: UnaryOperation) throws(TensorError) -> Tensor {
        try requirePlain(operation.rawValue)
        let target = operation.keepsIntegers ? dtype : dtype.asFloatingPoint
        let operand = try to(target.computed)
        let result = Tensor(uninitialized: shape, dtype: target.computed)
        try primitives.unary(operation, operand, into: result)
        return try Tensor.recordMapped(operation, operand, result).to(target)
    }

    /// -x. Bools throw.
    public func negative() throws(TensorError) -> Tensor {
        if dtype == .bool { throw TensorError(.dtype, "negative", "a bool tensor of shape \(shape) has no sign") }
        return try mapped(.negative)
    }
    public func abs() throws(TensorError) -> Tensor { try mapped(.absolute) }
    /// -1, 0 or 1; 0 for NaN, as in PyTorch.
    public func sign() throws(TensorError) -> Tensor { try mapped(.sign) }
    public func square() throws(TensorError) -> Tensor { try mapped(.square) }
    public func exp() throws(TensorError) -> Tensor { try mapped(.exp) }
    /// exp(x) - 1, accurate near 0.
    public func expm1() throws(TensorError) -> Tensor { try mapped(.expm1) }
    public func log() throws(TensorError) -> Tensor { try mapped(.log) }
    /// log(1 + x), accurate near 0.
    public func log1p() throws(TensorError) -> Tensor { try mapped(.log1p) }
    public func log2() throws(TensorError) -> Tensor { try mapped(.log2) }
    public func sqrt() throws(TensorError) -> Tensor { try mapped(.sqrt) }
    /// 1 / sqrt(x).
    public func rsqrt() throws(TensorError) -> Tensor { try mapped(.rsqrt) }
    /// 1 / x.
    public func reciprocal() throws(TensorError) -> Tensor { try mapped(.reciprocal) }
    public func sin() throws(TensorError) -> Tensor { try mapped(.sin) }
    public func cos() throws(TensorError) -> Tensor { try mapped(.cos) }
    public func tan() throws(TensorError) -> Tensor { try mapped(.tan) }
    public func tanh() throws(TensorError) -> Tensor { try mapped(.tanh) }
    /// 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.
    public func erf() throws(TensorError) -> Tensor { try mapped(.erf) }
    /// 1 / (1 + exp(-x)).
    public func sigmoid() throws(TensorError) -> Tensor { try mapped(.sigmoid) }
    /// x sigmoid(x) (swish).
    public func silu() throws(TensorError) -> Tensor { try mapped(.silu) }
    public func floor() throws(TensorError) -> Tensor { try mapped(.floor) }
    public func ceil() throws(TensorError) -> Tensor { try mapped(.ceil) }
    /// Rounds to the nearest integer, ties to even.
    public func round() throws(TensorError) -> Tensor { try mapped(.round) }
    /// Rounds towards zero.
    public func truncate() throws(TensorError) -> Tensor { try mapped(.truncate) }

    /// Gaussian error linear unit: x Phi(x), or GPT-2's tanh approximation of it (Hendrycks and Gimpel 2016).
    public func gelu(approximate: Bool = false) throws(TensorError) -> Tensor {
        try mapped(approximate ? .geluTanh : .gelu)
    }

    /// max(x, 0).
    public func relu() throws(TensorError) -> Tensor { try maximum(0) }

    /// log(1 + exp(x)), without overflow: max(x, 0) + log1p(exp(-|x|)).
    public func softplus() throws(TensorError) -> Tensor {
        let tail = try abs().negative().exp().log1p()
        return try maximum(0) + tail
    }

    /// exp(x - max) divided by its sum along `axis`.
    public func softmax(axis: Int) throws(TensorError) -> Tensor {
        try requireFloatingPoint("softmax")
        if elementCount == 0 { return self }
        if let result = try lastAxis(axis, logarithm: false) {
            return result.recordedFunction("softmax", of: self) { y, gradient throws(TensorError) in
                let weighted = try gradient * y
                return try weighted - y * weighted.sum(-1, keepDimensions: true)
            }
        }
        let shifted = try (self - max(axis, keepDimensions: true)).exp()
        return try shifted / shifted.sum(axis, keepDimensions: true)
    }

    /// log(softmax(x)), computed without the division.
    public func logSoftmax(axis: Int) throws(TensorError) -> Tensor {
        try requireFloatingPoint("logSoftmax")
        if elementCount == 0 { return self }
        if let result = try lastAxis(axis, logarithm: true) {
            return result.recordedFunction("logSoftmax", of: self) { y, gradient throws(TensorError) in
                try gradient - y.exp() * gradient.sum(-1, keepDimensions: true)
            }
        }
        return try self - logSumExp(axis, keepDimensions: true)
    }

    /// The result along the last axis, computed in float32; nil for other axes and for float64.
    private func lastAxis(_ axis: Int, logarithm: Bool) throws(TensorError) -> Tensor? {
        guard dtype != .float64, rank > 0, try checkedAxis(axis, "softmax") == rank - 1 else { return nil }
        let source = try withoutOrigin.to(.float32).contiguous()
        let result = Tensor(uninitialized: shape, dtype: .float32)
        try primitives.softmaxRows(source, logarithm: logarithm, into: result)
        return try withExtendedLifetime(source) { () throws(TensorError) in try result.to(dtype) }
    }

    public func isNaN() throws(TensorError) -> Tensor { try self .!= self }
    public func isInfinite() throws(TensorError) -> Tensor {
        if !dtype.isFloatingPoint { return try .zeros(shape, dtype: .bool) }
        return try abs() .== Double.infinity
    }
    public func isFinite() throws(TensorError) -> Tensor {
        try isNaN().logicalOr(isInfinite()).logicalNot()
    }
}

/// Elementwise functions of two operands, with broadcasting and type promotion.
extension Tensor {
    /// The shape both operands broadcast to; throws an error with both shapes.
    static func broadcastShape(_ a: Tensor, _ b: Tensor, _ operation: String) throws(TensorError) -> Shape {
        guard let shape = Shape.broadcast(a.shape, b.shape) else {
            throw TensorError(.shape, operation, "shapes \(a.shape) and \(b.shape) do not broadcast")
        }
        return shape
    }

    static func promoted(_ a: Tensor, _ b: Tensor, _ operation: String) throws(TensorError) -> DType {
        try a.requirePlain(operation)
        try b.requirePlain(operation)
        var promotion = Promotion()
        promotion.add(a)
        promotion.add(b)
        return promotion.result
    }

    /// A scalar as a zero-dimensional tensor of the type that promotion with this tensor gives.
    @inline(never)
    func companion(_ scalar: Scalar, _ operation: String) throws(TensorError) -> Tensor {
        try requirePlain(operation)
        var promotion = Promotion()
        promotion.add(self)
        promotion.add(scalar)
        return Tensor(scalar, dtype: promotion.result)
    }

    @inline(never)
    static func arithmetic(_ operation: BinaryOperation, _ a: Tensor, _ b: Tensor) throws(TensorError) -> Tensor {
        let shape = try broadcastShape(a, b, operation.rawValue)
        var dtype = try promoted(a, b, operation.rawValue)
        if operation == .divide { dtype = dtype.asFloatingPoint }
        if operation == .subtract && dtype == .bool {
            throw TensorError(.dtype, "subtract", "bools of shapes \(a.shape) and \(b.shape) have no difference")
        }
        let computed = dtype.computed
        let left = try a.to(computed), right = try b.to(computed)
        if operation == .floorDivide || operation == .remainder, !computed.isFloatingPoint, shape.elementCount > 0,
            try !right.all().item(as: Bool.self)
        {
            throw TensorError(.argument, operation.rawValue, "an integer divisor of shape \(b.shape) is zero")
        }
        let result = try allocated(shape, computed, operation.rawValue)
        try result.primitives.binary(operation, left, right, into: result)
        return try recordArithmetic(operation, left, right, result).to(dtype)
    }

    @inline(never)
    static func comparison(_ operation: ComparisonOperation, _ a: Tensor, _ b: Tensor) throws(TensorError) -> Tensor {
        let shape = try broadcastShape(a, b, operation.rawValue)
        let computed = try promoted(a, b, operation.rawValue).computed
        let result = try allocated(shape, .bool, operation.rawValue)
        try result.primitives.compare(operation, a.to(computed), b.to(computed), into: result)
        return result
    }

    public func floorDivide(_ other: Tensor) throws(TensorError) -> Tensor {
        try .arithmetic(.floorDivide, self, other)
    }
    public func floorDivide(_ other: some TensorScalar) throws(TensorError) -> Tensor {
        try floorDivide(companion(other.scalar, "floorDivide"))
    }
    /// `self - floor(self / other) other`, with the sign of `other`.
    public func remainder(_ other: Tensor) throws(TensorError) -> Tensor { try .arithmetic(.remainder, self, other) }
    public func remainder(_ other: some TensorScalar) throws(TensorError) -> Tensor {
        try remainder(companion(other.scalar, "remainder"))
    }
    public func pow(_ exponent: Tensor) throws(TensorError) -> Tensor { try .arithmetic(.power, self, exponent) }
    public func pow(_ exponent: some TensorScalar) throws(TensorError) -> Tensor {
        try pow(companion(exponent.scalar, "power"))
    }
    /// The smaller of both; NaN if either is NaN.
    public func minimum(_ other: Tensor) throws(TensorError) -> Tensor { try .arithmetic(.minimum, self, other) }
    public func minimum(_ other: some TensorScalar) throws(TensorError) -> Tensor {
        try minimum(companion(other.scalar, "minimum"))
    }
    /// The larger of both; NaN if either is NaN.
    public func maximum(_ other: Tensor) throws(TensorError) -> Tensor { try .arithmetic(.maximum, self, other) }
    public func maximum(_ other: some TensorScalar) throws(TensorError) -> Tensor {
        try maximum(companion(other.scalar, "maximum"))
    }

    /// Each element limited to `min ... max`; either bound may be omitted. NaN stays NaN.
    public func clamp<S: TensorScalar>(min low: S? = nil, max high: S? = nil) throws(TensorError) -> Tensor {
        var result = self
        if let low { result = try result.maximum(low) }
        if let high { result = try result.minimum(high) }
        return result
    }

    /// `a` where `condition` is true, else `b`; all three broadcast.
    public static func `where`(
        _ condition: Tensor, _ a: Tensor, _ b: Tensor
    ) throws(TensorError) -> Tensor {
        guard condition.dtype == .bool else {
            throw TensorError(.dtype, "where", "the condition of shape \(condition.shape) is \(condition.dtype.name)")
        }
        let dtype = try promoted(a, b, "where")
        guard let pair = Shape.broadcast(a.shape, b.shape), let shape = Shape.broadcast(condition.shape, pair) else {
            throw TensorError(
                .shape, "where", "shapes \(condition.shape), \(a.shape) and \(b.shape) do not broadcast")
        }
        let result = try allocated(shape, dtype, "where")
        let left = try a.to(dtype), right = try b.to(dtype)
        try result.primitives.select(condition, left, right, into: result)
        guard isRecording(left, right) else { return result }
        let (leftShape, rightShape) = (left.shape, right.shape)
        return result.recorded("where", [left, right], saved: [condition]) { flow in
            let gradient = try flow.gradient
            try flow.give(0, Tensor.where(condition, gradient, 0.0).summed(to: leftShape))
            try flow.give(1, Tensor.where(condition, 0.0, gradient).summed(to: rightShape))
        }
    }

    public static func `where`(
        _ condition: Tensor, _ a: Tensor, _ b: some TensorScalar
    ) throws(TensorError) -> Tensor { try `where`(condition, a, a.companion(b.scalar, "where")) }
    public static func `where`(
        _ condition: Tensor, _ a: some TensorScalar, _ b: Tensor
    ) throws(TensorError) -> Tensor { try `where`(condition, b.companion(a.scalar, "where"), b) }

    public func logicalAnd(_ other: Tensor) throws(TensorError) -> Tensor {
        try .arithmetic(.minimum, to(.bool), other.to(.bool))
    }
    public func logicalOr(_ other: Tensor) throws(TensorError) -> Tensor {
        try .arithmetic(.maximum, to(.bool), other.to(.bool))
    }
    public func logicalXor(_ other: Tensor) throws(TensorError) -> Tensor {
        try .comparison(.notEqual, to(.bool), other.to(.bool))
    }
    public func logicalNot() throws(TensorError) -> Tensor {
        try .comparison(.equal, to(.bool), Tensor(.boolean(false), dtype: .bool))
    }

    /// Whether all elements satisfy |self − other| ≤ `absolute + relative |other|`.
    public func isClose(
        to other: Tensor, relative: Double = 1e-5, absolute: Double = 1e-8
    ) throws(TensorError) -> Bool {
        let a = try to(.float64), b = try other.to(.float64)
        let near = try (a - b).abs() .<= (b.abs() * relative + absolute)
        let same = try a .== b
        return try near.logicalOr(same).all().item(as: Bool.self)
    }
}

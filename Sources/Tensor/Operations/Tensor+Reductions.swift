#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Reductions over any axes; over all axes if none is given. Negative axes count from the end.
extension Tensor {
    /// Which axes are reduced. Throws if an axis is given twice.
    func reducedAxes(_ axes: [Int], _ operation: String) throws(TensorError) -> [Bool] {
        if axes.isEmpty { return Array(repeating: true, count: rank) }
        var reduced = Array(repeating: false, count: rank)
        for axis in axes {
            // A scalar may be reduced over its axis 0 or -1, as in PyTorch.
            if rank == 0 && (axis == 0 || axis == -1) { continue }
            let axis = try checkedAxis(axis, operation)
            guard !reduced[axis] else {
                throw TensorError(.argument, operation, "axis \(axis) of shape \(shape) is named twice")
            }
            reduced[axis] = true
        }
        return reduced
    }

    /// The number of elements reduced into each result.
    private func reducedCount(_ reduced: [Bool]) -> Int {
        var count = 1
        for axis in 0..<rank where reduced[axis] { count *= shape[axis] }
        return count
    }

    private func dropping(_ reduced: [Bool], unless keep: Bool) -> Tensor {
        if keep { return self }
        let kept = (0..<rank).filter { !reduced[$0] }
        return view(Shape(kept.map { shape[$0] }), Shape(kept.map { strides[$0] })).recordedReshape(of: self)
    }

    @inline(never)
    func reduced(
        _ operation: ReductionOperation, _ axes: [Int], _ keepDimensions: Bool, as result: DType, computed: DType
    ) throws(TensorError) -> Tensor {
        let name = operation.rawValue
        try requirePlain(name)
        let reduced = try reducedAxes(axes, name)
        var extents = shape
        for axis in 0..<rank where reduced[axis] { extents[axis] = 1 }
        if operation == .maximum || operation == .minimum, reducedCount(reduced) == 0, extents.elementCount > 0 {
            throw TensorError(.shape, name, "shape \(shape) has no elements to choose from along the reduced axes")
        }
        let out = Tensor(uninitialized: extents, dtype: computed)
        let operand = try to(computed)
        try primitives.reduce(operation, operand, over: reduced, into: out)
        return try Tensor.recordReduced(operation, operand, reduced, out).to(result)
            .dropping(reduced, unless: keepDimensions)
    }

    /// The sum; integers and bools are summed as int64.
    public func sum(axes: [Int], keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        let result = dtype.isFloatingPoint ? dtype : .int64
        return try reduced(.sum, axes, keepDimensions, as: result, computed: result.computed)
    }

    public func prod(axes: [Int], keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        let result = dtype.isFloatingPoint ? dtype : .int64
        return try reduced(.product, axes, keepDimensions, as: result, computed: result.computed)
    }

    /// The largest element; NaN if there is one.
    public func max(axes: [Int], keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try reduced(.maximum, axes, keepDimensions, as: dtype, computed: dtype.computed)
    }

    public func min(axes: [Int], keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try reduced(.minimum, axes, keepDimensions, as: dtype, computed: dtype.computed)
    }

    /// Whether any element is not zero.
    public func any(axes: [Int], keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try requirePlain("any")
        let count = try to(.bool).reduced(.sum, axes, keepDimensions, as: .int64, computed: .int64)
        return try count .!= 0
    }

    /// Whether no element is zero.
    public func all(axes: [Int], keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try requirePlain("all")
        let zeros = try to(.bool).logicalNot()
            .reduced(.sum, axes, keepDimensions, as: .int64, computed: .int64)
        return try zeros .== 0
    }

    public func mean(axes: [Int], keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try requireFloatingPoint("mean")
        let count = reducedCount(try reducedAxes(axes, "mean"))
        let total = try to(dtype.computed).sum(axes: axes, keepDimensions: keepDimensions)
        return try (total / Double(count)).to(dtype)
    }

    /// The mean squared distance from the mean; the divisor is the count minus `correction` (1 gives the unbiased
    /// estimate).
    public func variance(
        axes: [Int], correction: Int = 1, keepDimensions: Bool = false
    ) throws(TensorError) -> Tensor {
        try requireFloatingPoint("variance")
        let count = reducedCount(try reducedAxes(axes, "variance"))
        let wide = try to(dtype.computed)
        let centred = try wide - wide.mean(axes: axes, keepDimensions: true)
        let total = try centred.square().sum(axes: axes, keepDimensions: keepDimensions)
        return try (total / Double(Swift.max(0, count - correction))).to(dtype)
    }

    /// The square root of `variance`.
    public func std(axes: [Int], correction: Int = 1, keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try requireFloatingPoint("std")
        return try to(dtype.computed)
            .variance(axes: axes, correction: correction, keepDimensions: keepDimensions).sqrt().to(dtype)
    }

    /// log(sum(exp(x))), shifted by the largest element to avoid overflow.
    public func logSumExp(axes: [Int], keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try requireFloatingPoint("logSumExp")
        let reduced = try reducedAxes(axes, "logSumExp")
        let wide = try to(dtype.computed)
        if reducedCount(reduced) == 0 {
            return try wide.sum(axes: axes, keepDimensions: keepDimensions).log().to(dtype)
        }
        let top = try wide.max(axes: axes, keepDimensions: true)
        // Subtracting an infinite maximum would give infinity minus infinity.
        let shift = try Tensor.where(top.isFinite(), top, 0.0)
        let total = try (wide - shift).exp().sum(axes: axes, keepDimensions: true).log() + shift
        return try total.to(dtype).dropping(reduced, unless: keepDimensions)
    }

    /// (sum |x|^p)^(1/p); the largest |x| for p = infinity, the number of non-zeros for p = 0.
    public func norm(_ p: Double = 2, axes: [Int] = [], keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try requireFloatingPoint("norm")
        let wide = try to(dtype.computed)
        let result: Tensor
        if p == 2 {
            result = try wide.square().sum(axes: axes, keepDimensions: keepDimensions).sqrt()
        } else if p == 1 {
            result = try wide.abs().sum(axes: axes, keepDimensions: keepDimensions)
        } else if p == .infinity {
            result = try wide.abs().max(axes: axes, keepDimensions: keepDimensions)
        } else if p == -.infinity {
            result = try wide.abs().min(axes: axes, keepDimensions: keepDimensions)
        } else if p == 0 {
            result = try (wide .!= 0).to(wide.dtype).sum(axes: axes, keepDimensions: keepDimensions)
        } else {
            result = try wide.abs().pow(p).sum(axes: axes, keepDimensions: keepDimensions).pow(1 / p)
        }
        return try result.to(dtype)
    }
}

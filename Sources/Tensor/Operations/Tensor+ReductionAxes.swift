/// Reductions with the axes as variadic arguments: `x.sum()`, `x.mean(-1, keepDimensions: true)`, `x.max(0, 2)`.
extension Tensor {
    public func sum(_ axes: Int..., keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try sum(axes: axes, keepDimensions: keepDimensions)
    }
    public func prod(_ axes: Int..., keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try prod(axes: axes, keepDimensions: keepDimensions)
    }
    public func max(_ axes: Int..., keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try max(axes: axes, keepDimensions: keepDimensions)
    }
    public func min(_ axes: Int..., keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try min(axes: axes, keepDimensions: keepDimensions)
    }
    public func any(_ axes: Int..., keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try any(axes: axes, keepDimensions: keepDimensions)
    }
    public func all(_ axes: Int..., keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try all(axes: axes, keepDimensions: keepDimensions)
    }
    public func mean(_ axes: Int..., keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try mean(axes: axes, keepDimensions: keepDimensions)
    }
    public func logSumExp(_ axes: Int..., keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try logSumExp(axes: axes, keepDimensions: keepDimensions)
    }
    public func variance(
        _ axes: Int..., correction: Int = 1, keepDimensions: Bool = false
    ) throws(TensorError) -> Tensor {
        try variance(axes: axes, correction: correction, keepDimensions: keepDimensions)
    }
    public func std(
        _ axes: Int..., correction: Int = 1, keepDimensions: Bool = false
    ) throws(TensorError) -> Tensor {
        try std(axes: axes, correction: correction, keepDimensions: keepDimensions)
    }
}

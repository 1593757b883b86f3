import MartletTensor

/// Sliding windows over the last one or two dimensions of `[batch, channels, …]`, for convolution and pooling.
public struct Windows: Sendable, Equatable {
    /// One number per dimension.
    public let size, stride, padding, dilation: [Int]

    /// - Parameters:
    ///   - size: one number per dimension.
    ///   - stride: equal to `size` by default.
    public init(_ size: [Int], stride: [Int]? = nil, padding: [Int]? = nil, dilation: [Int]? = nil) {
        self.size = size
        self.stride = stride ?? size
        self.padding = padding ?? size.map { _ in 0 }
        self.dilation = dilation ?? size.map { _ in 1 }
    }

    public var rank: Int { size.count }

    /// `[batch, channels, out…, size…]`; elements outside x are `filler`.
    /// - Throws: `TensorError` where the windows do not fit.
    func over(_ x: Tensor, filler: Double, _ operation: String) throws(TensorError) -> Tensor {
        guard (1...2).contains(rank), stride.count == rank, padding.count == rank, dilation.count == rank,
            x.rank == rank + 2, (size + stride + dilation).allSatisfy({ $0 > 0 }), padding.allSatisfy({ $0 >= 0 })
        else {
            throw TensorError(
                .argument, operation,
                "windows \(size) every \(stride), dilation \(dilation), padding \(padding) do "
                    + "not go over \(x.shape)")
        }
        var windows = x
        for axis in 0..<rank { windows = try Self.padded(windows, axis + 2, padding[axis], filler) }
        for axis in 0..<rank {
            windows = try windows.unfold(axis + 2, size: (size[axis] - 1) * dilation[axis] + 1, step: stride[axis])
            if dilation[axis] > 1 { windows = try windows.slice(windows.rank - 1, step: dilation[axis]) }
        }
        return windows  // [batch, channels, out…, size…]
    }

    private static func padded(
        _ x: Tensor, _ axis: Int, _ count: Int, _ filler: Double
    ) throws(TensorError) -> Tensor {
        if count == 0 { return x }
        var extents = x.shape
        extents[axis] = count
        let edge = try Tensor.full(extents, filler, dtype: x.dtype)
        return try Tensor.concatenate([edge, x, edge], axis: axis)
    }
}

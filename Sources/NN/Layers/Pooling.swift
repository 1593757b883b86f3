import MartletTensor

/// Reduces each window of each channel to one number, over one or two dimensions: `[batch, channels, …]` -> the same
/// rank.
///
/// ```swift
/// let pool = Pooling(.maximum, Windows([2, 2], stride: [2, 2]))
/// let y = try pool(x)      // [batch, channels, height / 2, width / 2]
/// ```
public struct Pooling: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// The maximum; the gradient goes to the first of equal elements.
        case maximum
        /// The mean; elements in the padding count as 0, or are left out.
        case average(countsPadding: Bool)
    }

    public let kind: Kind
    public let windows: Windows

    public init(_ kind: Kind, _ windows: Windows) {
        self.kind = kind
        self.windows = windows
    }

    /// - Throws: `TensorError` where the windows do not fit.
    public func callAsFunction(_ x: Tensor) throws(TensorError) -> Tensor {
        switch kind {
        case .maximum:
            let seen = try rows(x, filler: -.infinity)
            return try seen.gather(-1, seen.detach().argmax(-1, keepDimensions: true)).squeeze(-1)
        case .average(let countsPadding):
            let seen = try rows(x, filler: 0), size = windows.size.reduce(1, *)
            let total = try seen.sum(axes: [-1])  // [batch, channels, out…]
            guard !countsPadding, windows.padding.contains(where: { $0 > 0 }) else { return try total / Double(size) }
            let inside = try rows(Tensor.ones(Shape([1, 1] + Array(x.shape.dropFirst(2))), dtype: x.dtype), filler: 0)
            return try total / inside.sum(axes: [-1])
        }
    }

    /// `[batch, channels, out…, elements per window]`
    private func rows(_ x: Tensor, filler: Double) throws(TensorError) -> Tensor {
        let seen = try windows.over(x, filler: filler, "pooling")
        return windows.rank == 1 ? seen : try seen.flatten(from: seen.rank - 2)
    }
}

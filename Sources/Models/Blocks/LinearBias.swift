import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Attention with linear biases instead of an encoding of positions (ALiBi, Press et al. 2022): the score of head h for
/// query i and key j has −slope_h · (i − j) added, with slope_h = 2^(−8h/heads) for a power of two of heads.
///
/// −slope · i is the same for all keys of a query, and softmax does not change with it. What is left, slope · j, is a
/// product: two more dimensions of the key carry its position j = 64 · a + b as (a, b), exact in float16 too, and two of
/// the query carry (64 · slope, slope). So attention itself, its cache and its gradients need nothing new.
public struct LinearBias: Sendable, Equatable {
    /// The number of dimensions that are added to each head's queries and keys.
    static let dimensions = 2

    /// The largest exponent of the slopes: 8 in the paper.
    public var largestExponent: Float
    /// Whether the factor on q · k multiplies the bias too, as in Falcon.
    public var isScaled: Bool

    public init(largestExponent: Float = 8, isScaled: Bool = false) {
        self.largestExponent = largestExponent
        self.isScaled = isScaled
    }

    /// The slope of every head. Where the number of heads is no power of two, the slopes of the next smaller power come
    /// first, then every other slope of the next larger one.
    public func slopes(heads: Int) -> [Float] {
        var power = 1
        while power * 2 <= heads { power *= 2 }
        func slope(_ index: Int, of count: Int) -> Float {
            powf(2, -largestExponent * Float(index) / Float(count))
        }
        return (0..<heads).map { head in
            head < power ? slope(head + 1, of: power) : slope(2 * (head - power) + 1, of: 2 * power)
        }
    }

    /// Queries and keys with the dimensions that carry the bias: `[tokens, heads * headDimension]` ->
    /// `[tokens, heads * (headDimension + 2)]`.
    func carried(
        by q: Tensor, _ k: Tensor, _ spec: AttentionSpec, positions: [Int32]
    ) throws -> (queries: Tensor, keys: Tensor) {
        let factor = isScaled ? 1 : 1 / spec.scale
        let ofHeads = slopes(heads: spec.heads).flatMap { [64 * $0 * factor, $0 * factor] }
        let ofQueries = positions.flatMap { _ in ofHeads }
        let ofKeys = positions.flatMap { position -> [Float] in
            let halves = [Float(position / 64), Float(position % 64)]
            return (0..<spec.keyValueHeads).flatMap { _ in halves }
        }
        return (
            try extended(q, ofQueries, heads: spec.heads, spec),
            try extended(k, ofKeys, heads: spec.keyValueHeads, spec)
        )
    }

    /// −slope · distance on both sides of a query, as a table by distance (JinaBERT, Günther et al. 2023, section 3.1).
    func distances(heads: Int, farthest: Int) throws -> RelativeBias {
        let table = slopes(heads: heads).flatMap { slope in (-farthest...farthest).map { -slope * Float(abs($0)) } }
        return try RelativeBias(Tensor(table, shape: [heads, 2 * farthest + 1]))
    }

    private func extended(_ x: Tensor, _ more: [Float], heads: Int, _ spec: AttentionSpec) throws -> Tensor {
        let tokens = x.shape[0], rows = tokens * heads
        let added = try Tensor(more, shape: [rows, Self.dimensions]).to(x.dtype)  // [tokens * heads, 2]
        let own = try x.reshape(rows, spec.headDimension)  // [tokens * heads, headDimension]
        return try Tensor.concatenate([own, added], axis: 1)
            .reshape(tokens, heads * spec.scoreDimension)  // [tokens, heads * (headDimension + 2)]
    }
}

/// Vectors of the distance of a key from its query, with which scores are computed beside the vectors of the tokens
/// (disentangled attention, He et al. 2021, "DeBERTa", section 3.1):
///
///     score(i, j) = scale · (q_i · k_j + q_i · K[b(i − j)] + k_j · Q[b(i − j)])
///
/// The second term is content to position, the third position to content; b is the bucket of a distance, query position −
/// key position. Only whole sequences are attended to like this, and each head has keys of its own.
///
/// ```swift
/// var shape = AttentionShape(heads: 2, keyValueHeads: 2, headDimension: 8, scale: 0.2)
/// // Texts of up to three tokens: distances −2 … 2, each a bucket of its own.
/// shape.positions = try DisentangledPositions(keys: k, queries: q, buckets: [0, 1, 2, 3, 4])
/// ```
public struct DisentangledPositions: Sendable, Equatable {
    /// K and Q, `[buckets, heads · headDimension]`, of the type of the tokens' vectors; they may be on the tape. Nil without
    /// the term.
    public let keys, queries: Tensor?
    /// The bucket of each distance from −reach to reach, ascending.
    public let buckets: [Int32]
    /// The largest distance.
    public var reach: Int { buckets.count / 2 }

    /// - Throws: `TensorError` when buckets do not ascend, are no odd number, or are not rows of the vectors.
    public init(keys: Tensor?, queries: Tensor?, buckets: [Int32]) throws(TensorError) {
        func fail(_ reason: String) -> TensorError { TensorError(.shape, "attention", reason) }
        guard let first = buckets.first, let last = buckets.last, buckets.count % 2 == 1, first >= 0,
            zip(buckets, buckets.dropFirst()).allSatisfy({ $0 <= $1 })
        else {
            throw fail("\(buckets.count) buckets are not one for each distance from −n to n, in ascending order")
        }
        for vectors in [keys, queries].compactMap({ $0 }) {
            guard vectors.rank == 2, vectors.isContiguous, Int(last) < vectors.shape[0] else {
                throw fail("vectors of distances of \(vectors.shape) do not fit buckets up to \(last)")
            }
        }
        (self.keys, self.queries, self.buckets) = (keys, queries, buckets)
    }

    /// The same vectors off the tape.
    var withoutOrigin: Self { Self(keys?.withoutOrigin, queries?.withoutOrigin, buckets) }

    private init(_ keys: Tensor?, _ queries: Tensor?, _ buckets: [Int32]) {
        (self.keys, self.queries, self.buckets) = (keys, queries, buckets)
    }

    public static func == (a: Self, b: Self) -> Bool {
        a.keys?.storage === b.keys?.storage && a.queries?.storage === b.queries?.storage && a.buckets == b.buckets
    }

    /// The bucket of query position − key position.
    func bucket(of distance: Int) -> Int { Int(buckets[reach + distance]) }

    /// The buckets that a sequence of `length` tokens reaches.
    func reached(by length: Int) -> Range<Int> {
        bucket(of: 1 - length)..<bucket(of: length - 1) + 1
    }

    /// - Throws: `TensorError` when the vectors do not fit the heads, a sequence is longer than the distances, or the mask is
    ///   one of cross-attention.
    func check(_ shape: AttentionShape, _ mask: AttentionMask) throws(TensorError) {
        func fail(_ reason: String) -> TensorError { TensorError(.shape, "attention", reason) }
        for vectors in [keys, queries].compactMap({ $0 }) where vectors.shape[1] != shape.heads * shape.headDimension {
            throw fail(
                "vectors of distances of \(vectors.shape) do not fit \(shape.heads) heads of \(shape.headDimension)")
        }
        guard shape.heads == shape.keyValueHeads else {
            throw fail("vectors of distances need keys of their own for each of \(shape.heads) heads")
        }
        for (own, seen) in zip(mask.queries, mask.keys) {
            guard own.count == seen.count, own.count <= reach + 1 else {
                throw fail(
                    "distances up to \(reach) do not reach all of \(own.count) queries and \(seen.count) keys")
            }
        }
    }
}

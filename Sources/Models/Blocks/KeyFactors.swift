import MartletNN
import MartletTensor

/// What queries are multiplied by, and keys divided by, before a quantised cache takes them:
///
///     q · k = (f q) · (k / f),   f_i = √(|k_i| / |q_i|)
///
/// The cache turns a head, so that all its numbers lose alike: the square of what a score loses is as Σ (k_i / f_i)² ·
/// Σ (f_i q_i)², which these factors make least, (Σ |k_i| |q_i|)² (Cauchy-Schwarz). Norms of queries and keys have weights
/// of which some are tens of times the others, and often the query's is small where the key's is large: of Gemma 3 270M the
/// product falls to a tenth in two of the three layers that see everything, and to a half on average.
///
/// |k_i| and |q_i| are expected of the weights alone, so that a token's codes depend on no text: the length of the
/// projection's row among those of its head, times the norm's weight; for the two numbers that a rotation mixes, the mean of
/// both squares. Without weights of norms this finds nothing (SmolLM2: the same sum), and there are no factors. Source: the
/// balance of SmoothQuant (Xiao et al. 2023) with keys for inputs and queries for weights.
struct KeyFactors {
    /// f, `[heads * headDimension]`, and 1 / f, `[keyValueHeads * headDimension]`.
    let ofQueries, ofKeys: Tensor

    /// Nil where there is nothing to balance, or no number to do it by.
    init?(
        _ spec: AttentionSpec, queries: Linear, keys: Linear, _ queryNorm: any QueryKeyNormalizing,
        _ keyNorm: any QueryKeyNormalizing
    ) throws {
        guard spec.linearBias == nil, let queryWeights = try queryNorm.weights(width: spec.queryWidth),
            let keyWeights = try keyNorm.weights(width: spec.keyWidth), queries.outputSize == spec.queryWidth,
            keys.outputSize == spec.keyWidth
        else { return nil }
        let size = spec.headDimension, group = spec.heads / spec.keyValueHeads
        let known = try Self.squares(keys, queryKeyWeights: keyWeights, spec)
        let asked = try Self.squares(queries, queryKeyWeights: queryWeights, spec)
        var factors: [Float] = []
        for head in 0..<spec.keyValueHeads {
            let key = Array(known[head * size..<(head + 1) * size])
            var query = [Float](repeating: 0, count: size)
            for other in head * group..<(head + 1) * group {
                for i in 0..<size { query[i] += asked[other * size + i] }
            }
            // A hundredth of what they have on average: numbers that are nothing get no factor without bounds.
            let (leastKey, leastQuery) = (1e-4 * Self.mean(key), 1e-4 * Self.mean(query))
            factors += (0..<size).map {
                ((key[$0] + leastKey) / (query[$0] + leastQuery)).squareRoot().squareRoot()
            }
        }
        guard factors.allSatisfy({ $0.isNormal }), factors.allSatisfy({ (1 / $0).isNormal }) else { return nil }
        ofKeys = try Tensor(factors.map { 1 / $0 })
        ofQueries = try Tensor(
            (0..<spec.heads).flatMap { factors[$0 / group * size..<($0 / group + 1) * size] })
    }

    /// As a layer keeps them: f and 1 / f, or none.
    init?(_ kept: [Tensor]) {
        guard kept.count == 2 else { return nil }
        (ofQueries, ofKeys) = (kept[0], kept[1])
    }

    /// The squares that are expected of each number `[heads * headDimension]`, once it is normalised and rotated.
    private static func squares(
        _ layer: Linear, queryKeyWeights weights: [Float], _ spec: AttentionSpec
    ) throws -> [Float] {
        let size = spec.headDimension
        var result = try rowSquares(layer.matrix)
        for head in stride(from: 0, to: result.count, by: size) {
            let mean = mean(Array(result[head..<head + size]))
            for i in head..<head + size { result[i] /= mean }
        }
        func weigh() { for i in result.indices { result[i] *= weights[i] * weights[i] } }
        if !spec.normalizesRotated { weigh() }
        if let rotary = spec.rotary {
            let pairs = rotary.dimension / 2
            for head in stride(from: 0, to: result.count, by: size) {
                for pair in 0..<pairs {
                    let isInterleaved = rotary.layout == .interleaved
                    let i = head + (isInterleaved ? 2 * pair : pair), j = i + (isInterleaved ? 1 : pairs)
                    let both = (result[i] + result[j]) / 2
                    (result[i], result[j]) = (both, both)
                }
            }
        }
        if spec.normalizesRotated { weigh() }
        return result
    }

    /// The sum of squares of each row, decoded some at a time.
    private static func rowSquares(_ matrix: any WeightMatrix) throws -> [Float] {
        var result: [Float] = []
        for first in stride(from: 0, to: matrix.shape[0], by: 256) {
            let rows = try matrix.float32Rows(first..<min(first + 256, matrix.shape[0]))
            result += try noGrad { try (rows * rows).sum(1).toArray(as: Float.self) }
        }
        return result
    }

    private static func mean(_ x: [Float]) -> Float { x.reduce(0, +) / Float(x.count) }
}

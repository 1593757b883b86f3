import MartletNN
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The vectors of distances of disentangled attention, `[2 · span, hidden]`, which all layers project for themselves.
final class RelativePositions {
    private let table: Embedding
    private let norm: Norm?
    let spec: DisentangledSpec

    init(_ source: ParameterSource, _ name: String, _ spec: DisentangledSpec, hidden: Int, norm: NormSpec) {
        self.spec = spec
        table = Embedding(source, name + ".relative_embeddings", count: 2 * spec.span, size: hidden)
        self.norm = spec.normalizes ? Norm(source, name + ".relative_norm", norm, size: hidden) : nil
    }

    /// The vectors that sequences of up to `length` tokens reach, and for each distance, query position − key position,
    /// from 1 − length to length − 1, which of them is its.
    func reached(by length: Int) throws -> Vectors {
        let buckets = (1 - max(length, 1)...max(length, 1) - 1).map { Int32(spec.row(of: $0)) }
        let first = buckets[0], last = buckets[buckets.count - 1]
        let rows = try table(Array(first...last))  // [buckets, hidden]
        return Vectors(rows: try norm?(rows) ?? rows, buckets: buckets.map { $0 - first })
    }

    /// Whether gradients may be asked of the table or its norm.
    var isTrained: Bool {
        table.weight.requiresGrad || [norm?.weight, norm?.bias].contains { $0?.requiresGrad ?? false }
    }

    struct Vectors {
        /// `[buckets, hidden]`.
        let rows: Tensor
        let buckets: [Int32]
    }
}

/// What a layer makes of the vectors of distances: the keys and queries of positions.
final class PositionProjections {
    /// Where they are not the layer's own projections of tokens.
    private let ownKeys, ownQueries: Linear?
    private let spec: DisentangledSpec

    init(_ source: ParameterSource, _ name: String, _ spec: DisentangledSpec, hidden: Int, width: Int) {
        self.spec = spec
        func own(_ part: String, _ isThere: Bool, bias: Bool) -> Linear? {
            isThere && !spec.sharesProjections
                ? Linear(source, "\(name).\(part)", from: hidden, to: width, bias: bias) : nil
        }
        ownKeys = own("pos_k_proj", spec.contentToPosition, bias: spec.biasesKeys)
        ownQueries = own("pos_q_proj", spec.positionToContent, bias: true)
    }

    func callAsFunction(
        _ vectors: RelativePositions.Vectors, queries: Linear, keys: Linear
    ) throws -> DisentangledPositions {
        try DisentangledPositions(
            keys: spec.contentToPosition ? (ownKeys ?? keys)(vectors.rows) : nil,
            queries: spec.positionToContent ? (ownQueries ?? queries)(vectors.rows) : nil, buckets: vectors.buckets)
    }
}

extension DisentangledSpec {
    /// The row of the table for a distance, query position − key position.
    package func row(of distance: Int) -> Int {
        let middle = span / 2
        guard let farthest, abs(distance) > middle else { return clamped(distance) }
        // In single precision, as the models were trained.
        let ratio = logf(Float(abs(distance)) / Float(middle)) / logf(Float(Double(farthest - 1) / Double(middle)))
        let bucket = Int((ratio * Float(middle - 1)).rounded(.up)) + middle
        return clamped(distance < 0 ? -bucket : bucket)
    }

    private func clamped(_ bucket: Int) -> Int { min(max(bucket + span, 0), 2 * span - 1) }
}

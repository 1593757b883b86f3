import MartletNN
import MartletSystem
import MartletTensor

/// What training an adapter takes beside the activations of its base.
public struct AdapterCost: Sendable, Equatable {
    /// Of what is trained.
    public var shapes: [Shape]
    /// Bytes of the base, as it is stored.
    public var base: Int
    /// Numbers that the adapters of all layers keep of a token, beside what the layers keep: X Aᵀ of terms of low rank.
    public var innerWidth: Int
    /// Whether all adapters are terms of low rank, for which layers need not keep what is cheap to compute again.
    public var isLowRank: Bool

    public init(shapes: [Shape], base: Int, innerWidth: Int = 0, isLowRank: Bool = false) {
        (self.shapes, self.base, self.innerWidth, self.isLowRank) = (shapes, base, innerWidth, isLowRank)
    }

    /// Numbers that are trained.
    public var count: Int {
        shapes.reduce(0) { total, shape in
            total.adding(clamped: shape.reduce(1) { $0.multiplied(clampedBy: $1) })
        }
    }

    /// - Parameters:
    ///   - base: bytes of the model that stays as it is.
    ///   - linears: adapters of its layers.
    init(_ parameters: [Parameter], base: Int, _ linears: [any LinearAdapter]) {
        let ranks = linears.map { ($0 as? LowRankAdapter).map { $0.dropout == 0 ? $0.down.shape[0] : nil } ?? nil }
        self.init(
            shapes: parameters.map(\.tensor.shape), base: base, innerWidth: ranks.reduce(0) { $0 + ($1 ?? 0) },
            isLowRank: !ranks.isEmpty && ranks.allSatisfy { $0 != nil })
    }
}

import MartletTensor

/// A low-rank term laid out for rows of a batch (`PackedLowRank`): what a set of adapters holds in place of a
/// `LowRankAdapter`; the results have the same bits.
final class ServedTerm: LinearAdapter {
    let name: String
    var isEnabled: Bool
    let packed: PackedLowRank

    /// - Returns: nil for another kind, and for one that is trained.
    init?(_ adapter: any LinearAdapter) {
        guard let adapter = adapter as? LowRankAdapter, let term = try? adapter.term(nil),
            !term.down.requiresGrad, !term.up.requiresGrad, let packed = try? PackedLowRank(term)
        else { return nil }
        name = adapter.name
        isEnabled = adapter.isEnabled
        self.packed = packed
    }

    /// None is trained.
    var parameters: [Parameter] { [] }

    /// Where the results are on the tape.
    func callAsFunction(_ x: Tensor, _ y: Tensor, _ draw: AdapterDraw?) throws -> Tensor {
        let term = try packed.unpacked(), inner = try Fused.linear(x, [(term.down, nil)])[0]  // [tokens, rank]
        return try Fused.add(y, Fused.linear(inner * Double(term.scale), [(term.up, nil)])[0])  // [tokens, out]
    }

    func merged(_ weight: Tensor, bias: Tensor?) throws -> (weight: Tensor, bias: Tensor?) {
        let term = try packed.unpacked()
        return (try weight + term.up.matmul(term.down) * Double(term.scale), bias)
    }
}

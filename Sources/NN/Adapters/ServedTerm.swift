import MartletTensor

/// A low-rank term laid out for rows of a batch (`PackedLowRankTerms`): what a set of adapters holds in place of a
/// `LowRankAdapter`.
final class ServedTerm: LinearAdapter {
    let name: String
    var isEnabled = true
    let packed: PackedLowRankTerms
    let index: Int

    init(_ adapter: any LinearAdapter, _ packed: PackedLowRankTerms, _ index: Int) {
        (name, self.packed, self.index) = (adapter.name, packed, index)
    }

    /// The term of an adapter that can be served so; nil for another kind, one that is trained, and one that is switched
    /// off.
    static func term(of adapter: any LinearAdapter) -> LowRankTerm? {
        guard let adapter = adapter as? LowRankAdapter, adapter.isEnabled, let term = try? adapter.term(nil),
            !term.down.requiresGrad, !term.up.requiresGrad, PackedLowRankTerms.takes(term)
        else { return nil }
        return term
    }

    /// None is trained.
    var parameters: [Parameter] { [] }

    /// Where the results are on the tape.
    func callAsFunction(_ x: Tensor, _ y: Tensor, _ draw: AdapterDraw?) throws -> Tensor {
        let term = packed.unpacked(index), inner = try Fused.linear(x, [(term.down, nil)])[0]  // [tokens, rank]
        return try Fused.add(y, Fused.linear(inner * Double(term.scale), [(term.up, nil)])[0])  // [tokens, out]
    }

    func merged(_ weight: Tensor, bias: Tensor?) throws -> (weight: Tensor, bias: Tensor?) {
        let term = packed.unpacked(index)
        return (try weight + term.up.matmul(term.down) * Double(term.scale), bias)
    }
}

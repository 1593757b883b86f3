import MartletTensor

/// A low-rank term whose matrices lie as products of a few rows read them: A as `[in, rank]`, B as `[rank, out]`. What a
/// set of adapters holds in place of a `LowRankAdapter`; the results have the same bits.
final class ServedTerm: LinearAdapter {
    let name: String
    var isEnabled: Bool
    let turned: LowRankTerm

    /// - Returns: nil for another kind, and for one that is trained.
    init?(_ adapter: any LinearAdapter) {
        guard let adapter = adapter as? LowRankAdapter, let term = try? adapter.term(nil),
            !term.down.requiresGrad, !term.up.requiresGrad,
            let down = try? noGrad({ try term.down.transposed().contiguous() }),
            let up = try? noGrad({ try term.up.transposed().contiguous() })
        else { return nil }
        name = adapter.name
        isEnabled = adapter.isEnabled
        turned = LowRankTerm(turned: down, up: up, scale: term.scale)
    }

    var parameters: [Parameter] {
        [
            Parameter(name: name + ".A", role: .weight, tensor: turned.down),
            Parameter(name: name + ".B", role: .weight, tensor: turned.up),
        ]
    }

    /// Where the results are on the tape.
    func callAsFunction(_ x: Tensor, _ y: Tensor, _ draw: AdapterDraw?) throws -> Tensor {
        let inner = try x.matmul(turned.down) * Double(turned.scale)  // [tokens, rank]
        return try Fused.add(y, inner.matmul(turned.up))  // [tokens, out]
    }

    func merged(_ weight: Tensor, bias: Tensor?) throws -> (weight: Tensor, bias: Tensor?) {
        (try weight + turned.down.matmul(turned.up).transposed() * Double(turned.scale), bias)
    }
}

import MartletNN
import MartletTensor

/// The gated short convolution of LFM2 (Liquid AI 2025): `[tokens, hidden]` -> same.
///
///     b, c, x = h Wb, h Wc, h Wx;   y = (c ⊙ convolution(b ⊙ x)) Wo
final class ShortConvolution: SelfAttention {
    let before, after, value, output: Linear
    let convolution: CausalConvolution
    let layer: Int

    init(_ source: ParameterSource, _ name: String, layer: Int, _ spec: ShortConvolutionSpec, hidden: Int) {
        func linear(_ part: String) -> Linear {
            Linear(source, "\(name).\(part)", from: hidden, to: hidden, bias: spec.hasBias)
        }
        before = linear("b_proj")
        after = linear("c_proj")
        value = linear("x_proj")
        convolution = CausalConvolution(source, name + ".conv", spec.convolution)
        output = Linear(
            source, name + ".out_proj", from: hidden, to: hidden, bias: spec.hasBias, role: .residualWeight)
        self.layer = layer
    }

    func callAsFunction(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        try pass.checkRecurrent()
        let parts = try Linear.project(x, [before, after, value], pass.adapters)  // [tokens, hidden] each
        let gated = try parts[0] * parts[2]  // [tokens, hidden]
        let mixed = try convolution(gated, pass.recurrentRows(layer: layer, of: [gated]))  // [tokens, hidden]
        return try output(parts[1] * mixed, pass.adapters)  // [tokens, hidden]
    }
}

import MartletNN
import MartletTensor

/// The mixer of Mamba 1 (Gu and Dao 2023, section 3.4): `[tokens, hidden]` -> same.
///
///     x, z = h Wx, h Wz;   x = silu(convolution(x));   r, B, C = x Wr, x Wb, x Wc;   Δ = softplus(r Wd + b)
///     y = (scan(x, Δ, A, B, C) + D x) ⊙ silu(z) Wo
///
/// Falcon-Mamba and Jamba normalise r, B and C (Lieber et al. 2024, section 3.2).
final class SelectiveScan: SelfAttention {
    let value, gate, stepDown, written, read, step, output: Linear
    let convolution: CausalConvolution
    let rates, skip: RecurrentParameter
    let stepNorm, writtenNorm, readNorm: Norm?
    let layer: Int
    let spec: SelectiveScanSpec

    init(_ source: ParameterSource, _ name: String, layer: Int, _ spec: SelectiveScanSpec, hidden: Int) {
        let inner = spec.inner
        value = Linear(source, name + ".x_proj", from: hidden, to: inner, bias: spec.hasBias)
        gate = Linear(source, name + ".z_proj", from: hidden, to: inner, bias: spec.hasBias)
        convolution = CausalConvolution(
            source, name + ".conv", spec.convolution, rule: spec.convolution.uniformRule)
        stepDown = Linear(source, name + ".dt_down_proj", from: inner, to: spec.stepRank)
        written = Linear(source, name + ".b_proj", from: inner, to: spec.stateSize)
        read = Linear(source, name + ".c_proj", from: inner, to: spec.stateSize)
        func norm(_ part: String, _ size: Int) -> Norm? {
            spec.norm.map { Norm(source, "\(name).\(part)", $0, size: size) }
        }
        stepNorm = norm("dt_norm", spec.stepRank)
        writtenNorm = norm("b_norm", spec.stateSize)
        readNorm = norm("c_norm", spec.stateSize)
        let bound = 1 / Double(max(spec.stepRank, 1)).squareRoot()
        step = Linear(
            source, name + ".dt_proj", from: spec.stepRank, to: inner, bias: true,
            role: .ruled(.uniform(bound: bound), as: .weight), biasRule: .mambaSteps)
        rates = RecurrentParameter(source, name + ".A_log", shape: [inner, spec.stateSize], .logarithms)
        skip = RecurrentParameter(source, name + ".D", shape: [inner], .constant(1))
        output = Linear(source, name + ".out_proj", from: inner, to: hidden, bias: spec.hasBias, role: .residualWeight)
        self.layer = layer
        self.spec = spec
    }

    func callAsFunction(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        try pass.checkRecurrent()
        let parts = try Linear.project(x, [value, gate], pass.adapters)  // [tokens, inner] each
        let mixed = try Fused.activate(
            convolution(parts[0], pass.recurrentRows(layer: layer, of: [parts[0]])), .silu)  // [tokens, inner]
        var inputs = try Linear.project(mixed, [stepDown, written, read], pass.adapters)  // [tokens, rank or state]
        for (part, norm) in [stepNorm, writtenNorm, readNorm].enumerated() {
            if let norm { inputs[part] = try norm(inputs[part]) }
        }
        let steps = try step(inputs[0], pass.adapters).softplus()  // [tokens, inner]
        let scanned = try Fused.selectiveScan(
            mixed, step: steps, a: rates.decay(like: mixed), b: inputs[1], c: inputs[2], d: skip.value.to(mixed.dtype),
            pass.recurrentRows(layer: layer, at: spec.convolution.stateCount, of: [mixed]))  // [tokens, inner]
        return try output(Fused.gate(parts[1], scanned, .silu), pass.adapters)  // [tokens, hidden]
    }
}

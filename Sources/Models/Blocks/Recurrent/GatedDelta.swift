import MartletNN
import MartletTensor

/// Linear attention by the gated delta rule (Yang et al. 2024) as Qwen3-Next has it: `[tokens, hidden]` -> same.
///
///     q, k, v, z, b, a = h Wq, …;   q, k, v = silu(convolution([q, k, v]));   q, k = q / (|q| √d), k / |k|
///     g = −e^A softplus(a + bias), β = σ(b);   y = (norm(rule(q, k, v, g, β)) ⊙ silu(z)) Wo
final class GatedDelta: SelfAttention {
    let inputs: [Linear]
    let output: Linear
    let convolution: CausalConvolution
    let stepBias, rates: RecurrentParameter
    let norm: Norm
    let layer: Int
    let spec: GatedDeltaSpec
    private let shape: RecurrenceShape

    /// The order of `inputs`.
    static let names = ["q_proj", "k_proj", "v_proj", "z_proj", "b_proj", "a_proj"]

    init(_ source: ParameterSource, _ name: String, layer: Int, _ spec: GatedDeltaSpec, hidden: Int) {
        let widths = [spec.keyWidth, spec.keyWidth, spec.valueWidth, spec.valueWidth, spec.heads, spec.heads]
        inputs = zip(Self.names, widths).map { Linear(source, "\(name).\($0)", from: hidden, to: $1) }
        convolution = CausalConvolution(source, name + ".conv", spec.convolution)
        stepBias = RecurrentParameter(source, name + ".dt_bias", shape: [spec.heads], .constant(1))
        rates = RecurrentParameter(source, name + ".A_log", shape: [spec.heads], .logOfUniform(0.01...16))
        norm = Norm(source, name + ".norm", size: spec.valueDimension, epsilon: spec.epsilon)
        output = Linear(source, name + ".out_proj", from: spec.valueWidth, to: hidden, role: .residualWeight)
        self.layer = layer
        self.spec = spec
        shape = RecurrenceShape(
            heads: spec.heads, groups: spec.keyHeads, rows: spec.keyDimension, lanes: spec.valueDimension)
    }

    func callAsFunction(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        try pass.checkRecurrent()
        let parts = try Linear.project(x, inputs, pass.adapters)
        let joined = try Tensor.concatenate(Array(parts[0..<3]), axis: 1)  // [tokens, 2 * keyWidth + valueWidth]
        let mixed = try Fused.activate(
            convolution(joined, pass.recurrentRows(layer: layer, of: [joined])), .silu)
        func part(_ start: Int, _ length: Int) throws -> Tensor {
            try mixed.narrow(1, from: start, length: length).contiguous()
        }
        let keys = spec.keyWidth, size = Float(spec.keyDimension)
        // Queries are scaled as in attention.
        let q = try unit(part(0, keys), times: 1 / size)  // [tokens, keyHeads * keyDimension]
        let k = try unit(part(keys, keys), times: 1 / size.squareRoot())
        let steps = try (parts[5] + stepBias.value.to(x.dtype)).softplus()  // [tokens, heads]
        let rule = try Fused.gatedDelta(
            queries: q, keys: k, values: part(2 * keys, spec.valueWidth), decay: steps * rates.decay(like: x),
            beta: parts[4].sigmoid(), shape,
            pass.recurrentRows(layer: layer, at: spec.convolution.stateCount, of: [mixed]))  // [tokens, valueWidth]
        let gated = try Fused.gate(parts[3], norm(rule), .silu)  // [tokens, valueWidth]
        return try output(gated, pass.adapters)  // [tokens, hidden]
    }

    /// x / √(Σ x² + 1e-6) · √keyDimension · factor for every head: an RMSNorm with constant weights.
    private func unit(_ x: Tensor, times factor: Float) throws -> Tensor {
        let weight = try Tensor.full([spec.keyDimension], Double(factor), dtype: x.dtype)  // [keyDimension]
        return try Fused.rmsNorm(x, weight, offset: 0, epsilon: 1e-6 / Float(spec.keyDimension))
    }
}

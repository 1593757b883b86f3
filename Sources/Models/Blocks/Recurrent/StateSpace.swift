import MartletNN
import MartletTensor

/// The mixer of Mamba 2 (Dao and Gu 2024, section 7): `[tokens, hidden]` -> same.
///
///     z, xBC, d = h Wz, h Wc, h Wd;   x, B, C = silu(convolution(xBC));   Δ = softplus(d + b)
///     y = norm((scan(x, Δ, A, B, C) + D x) ⊙ silu(z)) Wo
///
/// Falcon-H1 has factors on h and on z, x, B, C and d, and the norm before the gate or none (`StateSpaceSpec`).
final class StateSpace: SelfAttention {
    let gate, value, step, output: Linear
    let convolution: CausalConvolution
    let stepBias, rates, skip: RecurrentParameter
    let norm: GroupNorm?
    let layer: Int
    let spec: StateSpaceSpec
    private let shape: RecurrenceShape
    /// The factors on x, B and C `[channels]`; nil where all are 1.
    private let channelScales: [Float]?

    init(_ source: ParameterSource, _ name: String, layer: Int, _ spec: StateSpaceSpec, hidden: Int) {
        let inner = spec.inner, bias = spec.hasBias
        gate = Linear(source, name + ".z_proj", from: hidden, to: inner, bias: bias)
        value = Linear(source, name + ".xbc_proj", from: hidden, to: spec.convolution.channels, bias: bias)
        step = Linear(source, name + ".dt_proj", from: hidden, to: spec.heads, bias: bias)
        convolution = CausalConvolution(
            source, name + ".conv", spec.convolution, rule: spec.beginsAsMamba ? spec.convolution.uniformRule : nil)
        stepBias = RecurrentParameter(
            source, name + ".dt_bias", shape: [spec.heads], spec.beginsAsMamba ? .mambaSteps : .constant(1))
        rates = RecurrentParameter(source, name + ".A_log", shape: [spec.heads], .logarithms)
        skip = RecurrentParameter(source, name + ".D", shape: [spec.heads], .constant(1))
        norm =
            spec.gateNorm == .none
            ? nil : GroupNorm(source, name + ".norm", groups: spec.groups, size: inner, epsilon: spec.epsilon)
        let scales = spec.projectionScales[1...3]
        channelScales =
            scales.allSatisfy { $0 == 1 }
            ? nil
            : zip(scales, [inner, spec.groupWidth, spec.groupWidth]).flatMap { Array(repeating: $0, count: $1) }
        output = Linear(source, name + ".out_proj", from: inner, to: hidden, bias: bias, role: .residualWeight)
        self.layer = layer
        self.spec = spec
        shape = RecurrenceShape(
            heads: spec.heads, groups: spec.groups, rows: spec.stateSize, lanes: spec.headDimension)
    }

    func callAsFunction(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        try pass.checkRecurrent()
        let input = try x.scaled(by: spec.inputScale)  // [tokens, hidden]
        var parts = try Linear.project(input, [gate, value, step], pass.adapters)
        parts[0] = try parts[0].scaled(by: spec.projectionScales[0])
        parts[2] = try parts[2].scaled(by: spec.projectionScales[4])
        if let channelScales { parts[1] = try parts[1] * Tensor(channelScales).to(parts[1].dtype) }
        let mixed = try Fused.activate(
            convolution(parts[1], pass.recurrentRows(layer: layer, of: [parts[1]])), .silu)  // [tokens, channels]
        func part(_ start: Int, _ length: Int) throws -> Tensor {
            try mixed.narrow(1, from: start, length: length).contiguous()
        }
        let inner = spec.inner, group = spec.groupWidth
        let scanned = try Fused.stateSpace(
            part(0, inner), step: steps(parts[2]), a: rates.decay(like: mixed), b: part(inner, group),
            c: part(inner + group, group), d: skip.value.to(mixed.dtype), shape,
            pass.recurrentRows(layer: layer, at: spec.convolution.stateCount, of: [mixed]))  // [tokens, inner]
        let early = try spec.gateNorm == .beforeGate ? norm?(scanned) ?? scanned : scanned  // [tokens, inner]
        let gated = try Fused.gate(parts[0], early, .silu)  // [tokens, inner]
        let late = try spec.gateNorm == .afterGate ? norm?(gated) ?? gated : gated  // [tokens, inner]
        return try output(late, pass.adapters)  // [tokens, hidden]
    }

    /// softplus(d + b), within the limits: `[tokens, heads]` -> same.
    private func steps(_ x: Tensor) throws -> Tensor {
        let steps = try (x + stepBias.value.to(x.dtype)).softplus()
        guard spec.stepLimits != 0...(.infinity) else { return steps }
        return try steps.clamp(min: Float(spec.stepLimits.lowerBound), max: Float(spec.stepLimits.upperBound))
    }
}

/// An RMSNorm of each group of channels on its own, with weights of all of them: `[tokens, size]` -> same.
final class GroupNorm: ModuleLeaf {
    let path: String
    var kind: String { "norm" }
    private(set) var weight: Tensor
    var hooks = LeafHooks()
    private let groups: Int
    private let epsilon: Float

    init(_ source: ParameterSource, _ path: String, groups: Int, size: Int, epsilon: Float) {
        self.path = path
        weight = source.parameter(path + ".weight", shape: [size], role: .scale(initial: 1))
        (self.groups, self.epsilon) = (groups, epsilon)
        source.register(self)
    }

    var parameters: [ModuleParameter] {
        [ModuleParameter(path: path + ".weight", role: .scale(initial: 1), value: weight)]
    }

    func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        weight = try change(parameters[0], weight)
    }

    func callAsFunction(_ x: Tensor) throws -> Tensor {
        var result: Tensor
        if groups == 1 {
            result = try Fused.rmsNorm(x, weight, offset: 0, epsilon: epsilon)
        } else {
            let ones = try Tensor.full([weight.elementCount / groups], 1, dtype: x.dtype)  // [size / groups]
            result = try Fused.rmsNorm(x, ones, offset: 0, epsilon: epsilon) * weight  // [tokens, size]
        }
        return hooks.isEmpty ? result : try hooks(result, of: path)
    }
}

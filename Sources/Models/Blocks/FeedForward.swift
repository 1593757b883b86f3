import MartletNN
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The feed-forward layer: down(act(gate(x)) · up(x)) (Shazeer 2020), or down(act(up(x))) in families without a gate.
final class FeedForward {
    let gateProj: Linear?
    let upProj, downProj: Linear
    /// Gate and up, where there is a gate.
    private let inputs: [Linear]
    let activation: Activation
    let clamp: GateClamp?
    private let gateScale, outputScale: Float
    private let innerNorm: Norm?
    private let roundsInputs: Bool
    private let cutoff: GateCutoff?
    let learned: LearnedActivation?

    init(_ source: ParameterSource, _ name: String, _ spec: FeedForwardSpec, hidden: Int) {
        let size = spec.size, bias = spec.bias
        gateProj = spec.isGated ? Linear(source, name + ".gate_proj", from: hidden, to: size, bias: bias) : nil
        upProj = Linear(source, name + ".up_proj", from: hidden, to: size, bias: bias)
        inputs = [gateProj, upProj].compactMap { $0 }
        downProj = Linear(
            source, name + ".down_proj", from: size, to: hidden, bias: bias || spec.biasesOutput,
            role: .residualWeight)
        activation = spec.activation
        clamp = spec.clamp
        (gateScale, outputScale, roundsInputs) = (spec.gateScale, spec.outputScale, spec.roundsInputs)
        innerNorm = spec.innerNorm.map { Norm(source, name + ".sub_norm", $0, size: size) }
        cutoff = spec.sparsity.map(GateCutoff.init)
        learned = spec.isLearned ? LearnedActivation(source, name + ".act_fn") : nil
    }

    /// `[tokens, hidden]` -> same.
    /// - Parameters:
    ///   - values: false where the result is wanted for its gradients alone (`Linear.forGradients`).
    ///   - observed: who sees the parts of which layer.
    func callAsFunction(
        _ x: Tensor, _ adapters: RowAdapters, values: Bool = true, observed: (layer: Int, by: DecoderObservation)? = nil
    ) throws -> Tensor {
        let x = roundsInputs ? try x.roundedByRow() : x
        if let observed { return try output(neurons(x, adapters, observed.layer, observed.by), adapters) }
        guard gateProj != nil else {
            let up = try upProj(x, adapters)
            let inner = try last(learned?(up) ?? activation(up))  // [tokens, size]
            return try values ? output(inner, adapters) : downProj.forGradients(inner, adapters)  // [tokens, hidden]
        }
        var parts = try Linear.project(x, inputs, adapters)  // [tokens, size] each
        parts[0] = try gateInput(parts[0])
        let gated = try clamp?.gating(parts[0], parts[1]) ?? activation.gating(parts[0], parts[1])  // [tokens, size]
        let inner = try last(gated)
        return try values ? output(inner, adapters) : downProj.forGradients(inner, adapters)  // [tokens, hidden]
    }

    /// What the activation takes: `[tokens, size]` -> same.
    private func gateInput(_ x: Tensor) throws -> Tensor {
        let scaled = try x.scaled(by: gateScale)
        return try cutoff?(scaled) ?? scaled
    }

    /// What the last matrix takes: `[tokens, size]` -> same.
    private func last(_ inner: Tensor) throws -> Tensor {
        let normalized = try innerNorm?(inner) ?? inner
        return roundsInputs ? try normalized.roundedByRow() : normalized
    }

    /// `[tokens, size]` -> `[tokens, hidden]`.
    private func output(_ inner: Tensor, _ adapters: RowAdapters) throws -> Tensor {
        try downProj(inner, adapters).scaled(by: outputScale)
    }

    /// What the last projection takes, with everything on the way seen: `[tokens, size]`.
    private func neurons(
        _ x: Tensor, _ adapters: RowAdapters, _ layer: Int, _ observation: DecoderObservation
    ) throws -> Tensor {
        guard gateProj != nil else {
            let up = try observation.altered(.preActivation(layer), upProj(x, adapters))  // [tokens, size]
            return try observation.altered(.neurons(layer), last(learned?(up) ?? activation(up)))
        }
        let parts = try Linear.project(x, inputs, adapters)  // [tokens, size] each
        let gate = try observation.altered(.preActivation(layer), gateInput(parts[0]))
        let up = try observation.altered(.linear(layer), parts[1])
        return try observation.altered(.neurons(layer), last(clamp?.gating(gate, up) ?? activation.gating(gate, up)))
    }
}

extension GateClamp {
    /// (min(max(up, −limit), limit) + 1) · g · σ(alpha · g) with g = min(gate, limit): `[tokens, size]`.
    func gating(_ gate: Tensor, _ up: Tensor) throws -> Tensor {
        let gate = try gate.minimum(limit), up = try up.clamp(min: -limit, max: limit)  // [tokens, size]
        return try (up + 1) * gate * (gate * alpha).sigmoid()
    }
}

/// Cuts off the gates below a quantile of the normal distribution that has their mean and deviation, row by row:
/// max(x − mean − z · deviation, 0).
struct GateCutoff {
    /// The quantile of the standard normal distribution.
    let deviations: Float

    init(_ share: Double) {
        // Halving finds it to the last bit; Φ grows.
        var low = -40.0, high = 40.0
        for _ in 0..<200 {
            let middle = (low + high) / 2
            if 0.5 * erfc(-middle / 2.0.squareRoot()) < share { low = middle } else { high = middle }
        }
        deviations = Float(low)
    }

    /// `[tokens, size]` -> same.
    func callAsFunction(_ x: Tensor) throws -> Tensor {
        let centered = try x - x.mean(1, keepDimensions: true)  // [tokens, size]
        let deviation = try centered.square().mean(1, keepDimensions: true).sqrt()  // [tokens, 1]
        return try (centered - deviation * deviations).relu()
    }
}

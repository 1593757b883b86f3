import MartletNN
import MartletTensor

/// What Gemma 4 has around a mixture that stands beside a dense layer, here the shared expert. Experts and router are
/// given the residual stream r itself, each through a norm of its own, and not what the block's norm made of it:
///
///     y = norm_s(shared(x)) + norm_o(Σ p_e c_e · expert_e(norm_i(r)))
///     p = softmax((r / rms(r)) ⊙ w / √hidden · Wᵀ), made to sum to one over the selected experts; c, w are learned
final class MixtureNorms {
    private let input, output, shared, router: Norm
    private let routerScale, expertScale: ScaleVector
    private let factor: Float

    init(_ source: ParameterSource, _ name: String, _ norm: NormSpec, experts: Int, hidden: Int) {
        input = Norm(source, name + ".experts_input_norm", norm, size: hidden)
        output = Norm(source, name + ".experts_output_norm", norm, size: hidden)
        shared = Norm(source, name + ".shared_output_norm", norm, size: hidden)
        router = Norm(source, name + ".gate.norm", size: hidden, epsilon: norm.epsilon, hasWeight: false)
        routerScale = ScaleVector(source, name + ".gate.scale", size: hidden)
        expertScale = ScaleVector(source, name + ".gate.expert_scale", size: experts)
        factor = 1 / Float(hidden).squareRoot()
    }

    /// What the router multiplies: `[tokens, hidden]` -> same.
    func routed(_ residual: Tensor) throws -> Tensor {
        try router(residual) * routerScale.weight.to(residual.dtype) * factor
    }

    /// What the experts are given: `[tokens, hidden]` -> same.
    func given(_ residual: Tensor) throws -> Tensor { try input(residual) }

    /// Weights `[places * tokens, 1]` times the numbers of their experts.
    /// - Parameter places: of each weight, in rows of probabilities of all experts.
    func scaled(_ weights: Tensor, places: [Int32]) throws -> Tensor {
        let count = Int32(expertScale.weight.elementCount)
        let column = try expertScale.weight.to(weights.dtype).reshape(-1, 1)  // [experts, 1]
        return try weights * Fused.embed(places.map { $0 % count }, column, scale: 1)
    }

    /// The sum of both parts: `[tokens, hidden]` each -> same.
    func joined(experts: Tensor, shared dense: Tensor) throws -> Tensor {
        try Fused.add(shared(dense), output(experts))
    }
}

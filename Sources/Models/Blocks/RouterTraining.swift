import MartletNN
import MartletTensor

/// What changes the choice of experts while a mixture is trained; outside of training every token is processed by the
/// experts with the highest probabilities.
///
/// ```swift
/// var routing = RouterTraining(seed: 1, step: 10)
/// routing.capacityFactor = 1.25
/// let pass = Pass(.whole(segments), record: PassRecord(auxiliaryLosses: true), routing: routing)
/// ```
public struct RouterTraining: Sendable, Equatable {
    /// Who chooses.
    public enum Choice: String, Sendable, CaseIterable {
        /// Each token its experts.
        case tokens
        /// Each expert the tokens with the highest probability of it, as many for every expert: loads are even, and a
        /// token may get more or fewer experts than others (Zhou et al. 2022, "Mixture-of-Experts with Expert Choice
        /// Routing"). A token's experts depend on later tokens, so a model is generated from by tokens' choice.
        case experts
    }

    /// Who chooses: tokens their experts, or experts their tokens.
    public var choice = Choice.tokens
    /// The standard deviation of normal noise that is added to the router's logits, for the choice and for the weights
    /// (Shazeer et al. 2017, section 2.1, with a constant in place of the learned deviation).
    public var noise = 0.0
    /// Each expert takes at most ⌈factor · tokens · active / experts⌉ tokens of a pass: first those that have it as
    /// their best expert, in their order, then those that have it as their second, and so on. What is beyond that is
    /// dropped: it adds nothing to the token, whose other weights stay as they are (Fedus et al. 2021, section 2.2). Of
    /// experts' choice, the number of tokens that each expert takes. Nil: nothing is dropped.
    public var capacityFactor: Double?
    /// Of the noise.
    public var seed: UInt64
    /// Of the training: the noise of every step is another.
    public var step: Int
    /// The number of the step's tokens that were computed before this pass.
    public var firstToken: Int

    public init(seed: UInt64 = 0, step: Int = 0, firstToken: Int = 0) {
        self.seed = seed
        self.step = step
        self.firstToken = firstToken
    }

    /// The most tokens that one expert takes of `tokens`.
    func capacity(_ spec: RouterSpec, tokens: Int) -> Int {
        let share = Double(tokens) * Double(spec.active) / Double(spec.count)
        return max(1, min(tokens, Int(((capacityFactor ?? 1) * share).rounded(.up))))
    }

    /// Logits `[tokens, experts]` with their noise. It depends on seed, step, layer and place in the step only.
    func noisy(_ logits: Tensor, layer: Int) throws -> Tensor {
        guard noise > 0 else { return logits }
        // Two words for each number, as dropout draws them.
        var stream = RandomStream(
            seed: seed ^ 0x726f_7574_6572_0000, stream: UInt64(step) << 12 | UInt64(layer),
            position: UInt64(firstToken * (logits.shape.last ?? 1) * 2))
        return try logits + Tensor.normal(logits.shape, mean: 0, std: noise, using: &stream).to(logits.dtype)
    }
}

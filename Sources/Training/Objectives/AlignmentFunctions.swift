import MartletModels
import MartletTensor

/// The functions of CS336's fifth assignment (alignment), by the formulas of its handout: step by step over padded
/// sequences, what the objectives here compute in one pass over packed ones. Each says what the handout calls it.
///
/// Tensors are `[batch, length]`, masks 1 where a token counts.
public enum AlignmentFunctions {
    /// `tokenize_prompt_and_output`: prompts and replies as inputs, labels and the mask of replies, padded on the right:
    /// `[batch, longest prompt and reply − 1]` each.
    public static func inputsLabelsMask(
        prompts: [[Int32]], replies: [[Int32]], padToken: Int32
    ) throws -> (inputs: Tensor, labels: Tensor, mask: Tensor) {
        guard prompts.count == replies.count, !prompts.isEmpty else {
            throw TensorError(.shape, "alignment", "\(prompts.count) prompts and \(replies.count) replies")
        }
        let length = zip(prompts, replies).map { $0.count + $1.count }.max() ?? 1
        var inputs: [Int32] = [], labels: [Int32] = [], mask: [Float] = []
        for (prompt, reply) in zip(prompts, replies) {
            let padding = [Int32](repeating: padToken, count: length - prompt.count - reply.count)
            let whole = prompt + reply + padding
            inputs += whole.dropLast()
            labels += whole.dropFirst()
            mask += (1..<max(1, length)).map { place in
                place >= prompt.count && place < prompt.count + reply.count ? 1 : 0
            }
        }
        let shape: Shape = [prompts.count, length - 1]
        return (try Tensor(inputs, shape: shape), try Tensor(labels, shape: shape), try Tensor(mask, shape: shape))
    }

    /// `compute_entropy`: −Σ p log p of the last dimension: `[batch, length, vocabulary]` -> `[batch, length]`.
    public static func entropy(_ logits: Tensor) throws -> Tensor {
        let logP = try logits.logSoftmax(axis: -1)
        return try (logP.exp() * logP).sum(axes: [-1]).negative()
    }

    /// `get_response_log_probs`: log p of each label: `[batch, length, vocabulary]` and `[batch, length]` -> `[batch, length]`.
    public static func logProbabilities(_ logits: Tensor, labels: Tensor) throws -> Tensor {
        try logits.logSoftmax(axis: -1).gather(-1, labels.to(.int64).unsqueeze(-1)).squeeze(-1)
    }

    /// `masked_normalize`: Σ x · mask / constant, over all elements or along an axis.
    public static func maskedNormalize(_ x: Tensor, mask: Tensor, constant: Double, axis: Int? = nil) throws -> Tensor {
        try (x * mask.to(x.dtype)).sum(axes: axis.map { [$0] } ?? []) / constant
    }

    /// `masked_mean`: Σ x · mask / Σ mask, over all elements or along an axis; NaN where nothing counts.
    public static func maskedMean(_ x: Tensor, mask: Tensor, axis: Int? = nil) throws -> Tensor {
        let mask = try mask.to(x.dtype), axes = axis.map { [$0] } ?? []
        return try (x * mask).sum(axes: axes) / mask.sum(axes: axes)
    }

    /// `sft_microbatch_train_step`: a micro-batch of supervised learning: −maskedNormalize(log p) / batch / steps of accumulation; its gradients are
    /// left on the tape.
    /// - Returns: that loss.
    @discardableResult
    public static func supervisedStep(
        _ logProbabilities: Tensor, mask: Tensor, accumulationSteps: Int, constant: Double = 1
    ) throws -> Tensor {
        let batch = Double(logProbabilities.shape[0]) * Double(accumulationSteps)
        let loss = try maskedNormalize(logProbabilities, mask: mask, constant: constant).negative() / batch
        try loss.backward()
        return loss.detach()
    }

    /// `compute_group_normalized_rewards`: (r − mean) / (σ + 1e-6) of each group of replies, σ with n − 1; or r − mean.
    /// - Parameter rewards: groups one after the other, of `groupSize` replies each.
    /// - Throws: `TensorError` where they are no whole groups.
    public static func groupNormalizedRewards(
        _ rewards: [Double], groupSize: Int, dividesByDeviation: Bool = true
    ) throws(TensorError) -> [Double] {
        guard groupSize > 0, rewards.count % groupSize == 0 else {
            throw TensorError(.shape, "alignment", "\(rewards.count) rewards are no groups of \(groupSize)")
        }
        return PolicyBaseline.group(dividesByDeviation: dividesByDeviation).advantages(rewards, groupSize: groupSize)
    }

    /// `compute_per_instance_dpo_loss`: −log σ(β (log π(y_c)/π_ref(y_c) − log π(y_r)/π_ref(y_r))), log π of a reply the sum
    /// over its tokens behind the prompt.
    /// - Returns: a scalar, with gradients where the policy's parameters want them.
    public static func directPreferenceLoss(
        _ policy: Decoder, reference: Decoder, prompt: [Int32], chosen: [Int32], rejected: [Int32], beta: Double
    ) throws -> Tensor {
        let packed = PackedSequences(
            [chosen, rejected].map { reply in
                EncodedChat(tokens: prompt + reply, isTrained: prompt.map { _ in false } + reply.map { _ in true })
            })
        func ratio(_ decoder: Decoder) throws -> Tensor {
            let sums = try packed.sums(
                packed.logProbabilities(decoder).logProbabilities, weights: packed.learntWeights())  // [2]
            return try sums.slice(0, from: 0, to: 1) - sums.slice(0, from: 1, to: 2)
        }
        let known = try noGrad { try ratio(reference) }
        return try ((known - ratio(policy)) * beta).softplus().sum()
    }

    /// The loss of a policy.
    public enum PolicyLoss: Sendable, Equatable {
        /// `compute_naive_policy_gradient_loss`: −r log p.
        case noBaseline
        /// `reinforce_with_baseline`: −A log p.
        case reinforceWithBaseline
        /// `compute_grpo_clip_loss`: −min(ρ A, clamp(ρ, 1 ± ε) A).
        case clipped(Double)
        /// −ρ A.
        case unclipped
    }

    /// `compute_policy_gradient_loss`: the loss of each token: `[batch, length]`.
    /// - Parameters:
    ///   - advantages: `[batch, 1]`: raw rewards without a baseline, else advantages.
    ///   - old: log p of the policy that wrote the replies, where ρ is asked for.
    public static func policyLoss(
        _ logProbabilities: Tensor, advantages: Tensor, old: Tensor? = nil, _ kind: PolicyLoss
    ) throws -> Tensor {
        switch kind {
        case .noBaseline, .reinforceWithBaseline: return try (advantages * logProbabilities).negative()
        case .clipped, .unclipped:
            guard let old else {
                throw TensorError(
                    .argument, "alignment", "the ratio needs the log-probabilities of the replies' writer")
            }
            let ratio = try (logProbabilities - old).exp(), free = try ratio * advantages
            guard case .clipped(let clip) = kind else { return try free.negative() }
            return try free.minimum(ratio.clamp(min: 1 - clip, max: 1 + clip) * advantages).negative()
        }
    }

    /// `grpo_microbatch_train_step`: a micro-batch of a policy: the mean over the batch of the masked means over tokens, divided by the steps of
    /// accumulation; its gradients are left on the tape.
    /// - Parameter constant: tokens to divide by instead of those of each reply (Dr. GRPO).
    /// - Returns: that loss.
    @discardableResult
    public static func policyStep(
        _ logProbabilities: Tensor, mask: Tensor, advantages: Tensor, old: Tensor? = nil, _ kind: PolicyLoss,
        accumulationSteps: Int, constant: Double? = nil
    ) throws -> Tensor {
        let losses = try policyLoss(logProbabilities, advantages: advantages, old: old, kind)  // [batch, length]
        let each =
            try constant.map { try maskedNormalize(losses, mask: mask, constant: $0, axis: 1) }
            ?? maskedMean(losses, mask: mask, axis: 1)  // [batch]
        let loss = try each.mean(axes: []) / Double(accumulationSteps)
        try loss.backward()
        return loss.detach()
    }
}

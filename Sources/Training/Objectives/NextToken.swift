import MartletData
import MartletModels
import MartletTensor

/// Mean negative log-likelihood of the next token, in nats, over the tokens that are trained on: all of a text, or the
/// replies of a conversation (targets of `TrainingBatch.ignoredTarget` do not count):
///
///     L = −1/N Σ log p(xₜ₊₁ | x≤ₜ)
///
/// with label smoothing (Szegedy et al. 2016), which mixes the target with the uniform distribution, and a z-loss
/// (Chowdhery et al. 2022), the weighted square of log Σ exp of the logits.
public struct NextToken: Objective {
    public let decoder: Decoder
    public var smoothing: Float = 0
    public var zLoss: Float = 0
    /// Share of what is added to the residual stream that is dropped, and of attention's probabilities.
    public var dropout = 0.0, attentionDropout = 0.0
    /// Of noise on the embeddings (NEFTune): its α.
    public var embeddingNoise = 0.0
    /// Of what is dropped.
    public var seed: UInt64 = 0

    public init(_ decoder: Decoder) { self.decoder = decoder }

    public func weight(of batch: TrainingBatch) -> Double { Double(batch.trainedTokenCount) }

    public func tokenCount(of batch: TrainingBatch) -> Int { batch.inputs.count }

    public func loss(of batch: TrainingBatch, _ context: StepContext) throws -> ObjectiveLoss {
        var masks = DecoderDropout(
            probability: dropout, attentionProbability: attentionDropout, seed: seed, step: context.step)
        masks.firstToken = context.firstToken
        masks.embeddingNoise = embeddingNoise
        let segments = batch.segments.map { $0.row * batch.length + $0.start..<$0.row * batch.length + $0.end }
        let hidden = try decoder.hiddenStates(
            batch.inputs, segments: segments, positions: batch.positions, dropout: masks)  // [rows * length, hidden]
        return ObjectiveLoss(
            try Fused.crossEntropy(
                hidden, decoder.headWeight, targets: batch.targets, divisor: context.weight,
                CrossEntropyOptions(
                    ignored: TrainingBatch.ignoredTarget, smoothing: smoothing, zLoss: zLoss,
                    softCap: decoder.configuration.logitSoftCap)))
    }
}

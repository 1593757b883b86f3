import MartletData
import MartletModels
import MartletTensor

/// Mean negative log-likelihood of the next token, in nats, over the tokens that are trained on: all of a text, or the
/// replies of a conversation (targets of `TrainingBatch.ignoredTarget` do not count):
///
///     L = −1/N Σ log p(xₜ₊₁ | x≤ₜ)
///
/// or Σ wₜ log p / Σ wₜ where tokens have weights, with label smoothing (Szegedy et al. 2016), which mixes the target with the uniform distribution, and a z-loss
/// (Chowdhery et al. 2022), the weighted square of log Σ exp of the logits. An adapter may be held near its base: then
/// λ Σ KL(base ‖ model) / N is added, the sum over all tokens, prompts among them.
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
    /// Whether to compute entropy and accuracy of the learnt tokens, which take another pass through the head.
    public var measuresTokens = false
    /// Weight of KL(base ‖ model) at every token beside a learnt token's loss.
    public var divergenceWeight = 0.0
    /// Weight of the loss of modules that predict further tokens.
    public var predictionWeight = 0.0
    /// Losses and choice of a mixture's routers; nil leaves them as they are outside of training.
    public var routers: RouterLosses?
    /// Computes something with the base alone, the adapter switched off: what `divergenceWeight` holds the model near.
    public var withBase: ((_ pass: () throws -> DistillationLoss.Teacher) throws -> DistillationLoss.Teacher)?

    public init(_ decoder: Decoder) { self.decoder = decoder }

    public func weight(of batch: TrainingBatch) -> Double { batch.trainedWeight }

    public func tokenCount(of batch: TrainingBatch) -> Int { batch.inputs.count }

    public func loss(of batch: TrainingBatch, _ context: StepContext) throws -> ObjectiveLoss {
        try loss(of: batch, masks: [], context)
    }

    /// - Parameter masks: what the tokens of each segment see, where that is not what the layers say.
    func loss(
        of batch: TrainingBatch, masks visible: [SequenceMask?], _ context: StepContext
    ) throws -> ObjectiveLoss {
        var masks = DecoderDropout(
            probability: dropout, attentionProbability: attentionDropout, seed: seed, step: context.step)
        masks.firstToken = context.firstToken
        masks.embeddingNoise = embeddingNoise
        let segments = batch.segmentRows
        let record = routers?.record(of: batch.countedRows)
        let hidden = try decoder.hiddenStates(
            batch.inputs,
            Pass(
                .whole(segments), positions: batch.positions, dropout: masks, masks: visible, record: record,
                routing: routers?.routing(context)))  // [rows * length, hidden]
        let head = try decoder.lossHead
        var loss = try Fused.crossEntropy(
            hidden, head.weight, bias: head.bias, targets: batch.targets, rowWeights: batch.weights,
            divisor: context.weight,
            CrossEntropyOptions(
                ignored: TrainingBatch.ignoredTarget, smoothing: smoothing, zLoss: zLoss,
                softCap: decoder.configuration.logitSoftCap))
        let share = weight(of: batch) / context.weight
        var metrics: [Metric] = []
        if let further = try predictionLoss(hidden, batch, masks, record, context) {
            metrics.append(Metric("nll_loss", try loss.detach().item() / max(share, 1e-30)))
            metrics.append(further.metric)
            loss = try loss + further.loss
        }
        if let routers, let record {
            let terms = try routers.terms(record, share: share)
            if let term = terms.loss {
                if metrics.isEmpty { metrics.append(Metric("nll_loss", try loss.detach().item() / max(share, 1e-30))) }
                loss = try loss + term
            }
            metrics += terms.metrics
        }
        if measuresTokens { metrics += try tokenMetrics(hidden, batch) }
        guard divergenceWeight > 0, let withBase else { return ObjectiveLoss(loss, metrics: metrics) }
        // Of padding nothing is to stay as it was.
        let rows = batch.segments.filter { !$0.isPadding }
            .flatMap { Array($0.row * batch.length + $0.start..<$0.row * batch.length + $0.end) }
        guard !rows.isEmpty else { return ObjectiveLoss(loss, metrics: metrics) }
        let index = try Tensor(rows.map(Int64.init)), softCap = decoder.configuration.logitSoftCap
        let base = try noGrad {
            try withBase {
                let hidden = try decoder.hiddenStates(
                    batch.inputs, Pass(.whole(segments), positions: batch.positions, masks: visible))
                let head = try decoder.lossHead
                return .model(try hidden.take(rows: index), head: head.weight, bias: head.bias, softCap: softCap)
            }
        }
        let divergence = try DistillationLoss()(
            hidden.indexSelect(0, index), head.weight, bias: head.bias, softCap: softCap, teacher: base,
            divisor: context.weight)
        if !metrics.contains(where: { $0.name == "nll_loss" }) {
            metrics.insert(Metric("nll_loss", try loss.detach().item() / max(share, 1e-30)), at: 0)
        }
        return ObjectiveLoss(
            try loss + divergence * divergenceWeight,
            metrics: metrics + [
                Metric(
                    "kl", try divergence.detach().item() * context.weight / Double(rows.count),
                    weight: Double(rows.count))
            ])
    }

    /// TRL's entropy and mean_token_accuracy, means over the learnt tokens.
    private func tokenMetrics(_ hidden: Tensor, _ batch: TrainingBatch) throws -> [Metric] {
        let all = try TokenStatistics(decoder, hidden, targets: batch.targets)
        guard all.count > 0 else { return [] }
        let count = Double(all.count)
        return [
            Metric("entropy", all.entropy / count, weight: count),
            Metric("mean_token_accuracy", Double(all.right) / count, weight: count),
        ]
    }

    public func didStep(_ context: StepContext, sum: (Double) throws -> Double) throws {
        try routers?.finish(sum)
    }
}

extension TrainingBatch {
    /// The rows of a pass that are text; nil where there is no padding.
    var countedRows: [Int32]? {
        guard segments.contains(where: \.isPadding) else { return nil }
        return segments.filter { !$0.isPadding }
            .flatMap { Int32($0.row * length + $0.start)..<Int32($0.row * length + $0.end) }
    }
}

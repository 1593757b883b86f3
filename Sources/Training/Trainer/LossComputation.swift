import MartletData
import MartletModels
import MartletTensor

/// The loss of one batch through the decoder.
struct LossComputation {
    let decoder: Decoder
    var smoothing: Float = 0
    var zLoss: Float = 0

    /// The batch's share of the loss of a step with `divisor` trained tokens.
    func callAsFunction(_ batch: TrainingBatch, divisor: Int, dropout: DecoderDropout? = nil) throws -> Tensor {
        let segments = batch.segments.map { $0.row * batch.length + $0.start..<$0.row * batch.length + $0.end }
        let hidden = try decoder.hiddenStates(
            batch.inputs, segments: segments, positions: batch.positions, dropout: dropout)
        return try Fused.crossEntropy(
            hidden, decoder.headWeight, targets: batch.targets, divisor: Double(divisor),
            CrossEntropyOptions(
                ignored: TrainingBatch.ignoredTarget, smoothing: smoothing, zLoss: zLoss,
                softCap: decoder.configuration.logitSoftCap))
    }
}

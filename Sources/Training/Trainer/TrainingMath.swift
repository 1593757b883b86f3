import MartletModels

/// What a step costs, from the model's shape.
public struct TrainingCost: Sendable, Equatable {
    public let parameters: Int
    /// Floating-point operations of a token forward: two for every multiply-add of matrices, and of the causal half of
    /// attention's scores and sums.
    public let forwardPerToken: Double
    /// Forward and backward: three times forward.
    public var trainingPerToken: Double { 3 * forwardPerToken }

    public init(_ spec: DecoderConfiguration, parameters: Int, length: Int) {
        self.parameters = parameters
        let hidden = Double(spec.hiddenSize), layers = Double(spec.layerCount)
        let queries = Double(spec.attention.heads * spec.attention.headDimension)
        let keys = Double(spec.attention.keyValueHeads * spec.attention.headDimension)
        let active = Double(spec.feedForward.experts?.active ?? 1)
        let feed = Double(spec.feedForward.size) * (spec.feedForward.isGated ? 3 : 2) * active
        let matrices = layers * hidden * (2 * queries + 2 * keys + feed) + hidden * Double(spec.vocabularySize)
        forwardPerToken = 2 * matrices + 2 * layers * queries * Double(length)
    }

    /// Bytes a run keeps: parameters, gradients and AdamW's two moments, all float32.
    public var stateByteCount: Int { parameters * 16 }

    /// Bytes of what one micro-batch keeps for its gradient.
    public static func activationByteCount(_ spec: DecoderConfiguration, tokens: Int) -> Int {
        let hidden = spec.hiddenSize
        let queries = spec.attention.heads * spec.attention.headDimension
        let keys = spec.attention.keyValueHeads * spec.attention.headDimension
        let feed = spec.feedForward.size * (spec.feedForward.isGated ? 3 : 2)
        let layer = 4 * hidden + 2 * queries + 2 * keys + feed + spec.attention.heads
        // And the block of logits with its gradient of the head.
        let head = min(1 << 25, tokens * spec.vocabularySize * 4)
        return (spec.layerCount * layer + 2 * hidden) * tokens * 4 + head
    }
}

import MartletModels
import MartletNN
import MartletRuns
import MartletTensor

/// The mean negative log-likelihood of target tokens given a source and the target's tokens before, by an encoder-decoder
/// (Sutskever et al. 2014; Vaswani et al. 2017), with label smoothing:
///
///     L = −1/N Σ log p(yₜ | y<ₜ, x)
public struct SourceTargets: Objective {
    public struct Batch: Equatable {
        public var sources: [[Int32]] = []
        /// With what ends them.
        public var targets: [[Int32]] = []

        public init() {}

        public mutating func add(source: [Int32], target: [Int32]) {
            guard !source.isEmpty, !target.isEmpty else { return }
            sources.append(source)
            targets.append(target)
        }
    }

    public let model: EncoderDecoder
    /// What the decoder begins with.
    public let start: Int32
    public var smoothing: Float = 0, zLoss: Float = 0
    public var dropout = 0.0, attentionDropout = 0.0
    public var seed: UInt64 = 0

    public init(_ model: EncoderDecoder, start: Int32) {
        self.model = model
        self.start = start
    }

    public func weight(of batch: Batch) -> Double { Double(batch.targets.reduce(0) { $0 + $1.count }) }

    public func tokenCount(of batch: Batch) -> Int {
        batch.sources.reduce(0) { $0 + $1.count } + batch.targets.reduce(0) { $0 + $1.count }
    }

    public func loss(of batch: Batch, _ context: StepContext) throws -> ObjectiveLoss {
        // A part without a pair has no share in the step.
        guard !batch.targets.isEmpty else { return ObjectiveLoss(try Tensor.zeros([])) }
        let drops = DecoderDropout.training(dropout, attentionDropout, seed: seed, context)
        let inputs = batch.targets.map { [start] + $0.dropLast() }
        let hidden = try model(sources: batch.sources, targets: inputs, dropout: drops)  // [target tokens, hidden]
        let head = model.lossHead
        return ObjectiveLoss(
            try Fused.crossEntropy(
                hidden, head.weight, bias: head.bias, targets: batch.targets.flatMap { $0 }, divisor: context.weight,
                CrossEntropyOptions(smoothing: smoothing, zLoss: zLoss)))
    }

    func plain() -> SourceTargets { SourceTargets(model, start: start) }

    /// What the model writes for a source, always the most likely token.
    func written(from source: [Int32], endTokens: Set<Int32>, tokens: Int) throws -> [Int32] {
        try model.generate(from: source, start: start, end: endTokens.min() ?? -1, maximumLength: tokens)
    }
}

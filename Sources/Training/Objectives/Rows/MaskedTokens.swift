import MartletData
import MartletModels
import MartletNN
import MartletRuns
import MartletTensor
import MartletTokenizers

/// Masked tokens, as BERT is pre-trained (Devlin et al. 2018, section 3.1):
///
///     L = −1/N Σ log p(xₜ | the text with masks)   over the chosen places t
///
/// A share of a text's tokens is chosen; 80 % of them are replaced by the mask token, 10 % by a random one, 10 % stay. By
/// default every token is chosen or not for itself, as in transformers' `DataCollatorForLanguageModeling`; by whole words,
/// words are drawn until the share is reached, as in its `DataCollatorForWholeWordMask`. Special tokens are neither chosen
/// nor drawn.
public struct MaskedTokens: RowObjective {
    /// Texts with their masks, and for each the tokens that stood at the chosen places.
    public struct Batch {
        public var texts: [[Int32]]
        public var masked: [[Int: Int32]]

        public init(texts: [[Int32]] = [], masked: [[Int: Int32]] = []) {
            self.texts = texts
            self.masked = masked
        }
    }

    public let model: MaskedTokenModel
    public let masking: TokenMasking
    public var smoothing: Float = 0
    public var dropout = 0.0, attentionDropout = 0.0
    public var seed: UInt64 = 0

    public init(_ model: MaskedTokenModel, _ masking: TokenMasking) {
        self.model = model
        self.masking = masking
    }

    public func batch(of rows: TrainingBatch, _ draw: RowDraw) throws -> Batch {
        var batch = Batch()
        rows.forEachText(draw) { text, stream in
            let (masked, targets) = masking.masked(masking.framed(text), &stream)
            batch.texts.append(masked)
            batch.masked.append(targets)
        }
        return batch
    }

    public func weight(of batch: Batch) -> Double { Double(batch.masked.reduce(0) { $0 + $1.count }) }
    public func tokenCount(of batch: Batch) -> Int { batch.texts.reduce(0) { $0 + $1.count } }

    public func loss(of batch: Batch, _ context: StepContext) throws -> ObjectiveLoss {
        let chosen = Self.chosen(batch)
        // A part without a chosen place has no share in the step.
        guard !chosen.rows.isEmpty else { return ObjectiveLoss(try Tensor.zeros([])) }
        let drops = DecoderDropout.training(dropout, attentionDropout, seed: seed, context)
        let logits = try model.logits(model.encoder(batch.texts, dropout: drops), rows: chosen.rows)
        let found = try Self.loss(logits, chosen.targets, smoothing)
        return ObjectiveLoss(try found.sum * (1 / context.weight), metrics: [found.accuracy])
    }

    /// The rows of the chosen places in a pass over all texts, and what stood there.
    static func chosen(_ batch: Batch) -> (rows: [Int32], targets: [Int32]) {
        var rows: [Int32] = [], targets: [Int32] = [], first = 0
        for (text, places) in zip(batch.texts, batch.masked) {
            for (place, token) in places.sorted(by: { $0.key < $1.key }) {
                rows.append(Int32(first + place))
                targets.append(token)
            }
            first += text.count
        }
        return (rows, targets)
    }

    /// The sum of the losses of rows of logits `[rows, classes]`, and the share whose largest is right.
    static func loss(
        _ logits: Tensor, _ targets: [Int32], _ smoothing: Float
    ) throws -> (sum: Tensor, accuracy: Metric) {
        let sum = try Loss.crossEntropy(
            logits, targets: targets, CrossEntropyOptions(smoothing: smoothing), reduction: .sum)
        let best = try logits.detach().argmax(1).toArray(as: Int64.self)
        let right = zip(best, targets).count { $0 == Int64($1) }
        return (
            sum,
            Metric("mean_token_accuracy", Double(right) / Double(targets.count), weight: Double(targets.count))
        )
    }

    func plain() -> MaskedTokens { MaskedTokens(model, masking) }

    /// The beginning of a row with masks, and what the model puts in their places.
    func sample(of row: TrainingBatch, _ tokenizer: Tokenizer, endTokens: Set<Int32>) throws -> (
        prompt: String, reply: String
    ) {
        let text = masking.framed(Array(row.inputs.prefix(min(48, row.length))))
        var stream = RowDraw.heldOut(row: 0).stream(row: 0)
        let (masked, places) = masking.masked(text, &stream)
        let order = places.keys.sorted()
        guard !order.isEmpty else { return (try tokenizer.decode(text), "") }
        let best = try model.logits(model.encoder([masked]), rows: order.map { Int32($0) }).argmax(1)
            .toArray(as: Int64.self)
        var filled = text
        for (place, token) in zip(order, best) { filled[place] = Int32(token) }
        var shown = text
        for place in order { shown[place] = masking.mask }
        return (
            try tokenizer.decode(shown, skipSpecialTokens: false), try tokenizer.decode(filled, skipSpecialTokens: true)
        )
    }
}

extension DecoderDropout {
    /// Dropout of a step's part; nil without any.
    static func training(
        _ probability: Double, _ attention: Double, seed: UInt64, _ context: StepContext
    ) -> DecoderDropout? {
        guard probability > 0 || attention > 0 else { return nil }
        return DecoderDropout(
            probability: probability, attentionProbability: attention, seed: seed, step: context.step,
            firstToken: context.firstToken)
    }
}

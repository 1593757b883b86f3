import MartletData
import MartletModels
import MartletNN
import MartletRuns
import MartletTensor
import MartletTokenizers

/// Replaced tokens (ELECTRA, Clark et al. 2020, section 2): a small generator learns masked tokens, and what it draws for
/// them takes their place; the discriminator learns which tokens of the text are not its own:
///
///     L = −1/N Σ log pG(xₜ | the text with masks) + λ · 1/T Σ BCE(D(x̂)ₜ, [x̂ₜ ≠ xₜ])
///
/// over N chosen places and all T tokens, with λ = 50. A token that the generator draws as it was counts as not replaced. No
/// gradient goes back through what is drawn. All chosen tokens become masks, as in ELECTRA's code for the generator.
public struct ReplacedTokens: RowObjective {
    /// Texts with masks and what stood in their place, and a number in 0 ..< 1 for each place, which draws from the
    /// generator: so a step draws the same however it is divided.
    public struct Batch {
        public var masked = MaskedTokens.Batch()
        public var draws: [[Int: Double]] = []
        /// Of the whole step: chosen places for each token, which makes means of both losses.
        public var placesPerToken: Double?

        public init() {}

        var placeCount: Int { masked.masked.reduce(0) { $0 + $1.count } }
        var tokenCount: Int { masked.texts.reduce(0) { $0 + $1.count } }
    }

    public let model: ReplacedTokenModel
    public let masking: TokenMasking
    /// λ.
    public var discriminatorWeight = 50.0
    public var smoothing: Float = 0
    public var dropout = 0.0, attentionDropout = 0.0
    public var seed: UInt64 = 0

    public init(_ model: ReplacedTokenModel, _ masking: TokenMasking) {
        self.model = model
        var masking = masking
        (masking.maskShare, masking.randomShare) = (1, 0)
        self.masking = masking
    }

    public func batch(of rows: TrainingBatch, _ draw: RowDraw) throws -> Batch {
        var batch = Batch()
        rows.forEachText(draw) { text, stream in
            let (masked, targets) = masking.masked(masking.framed(text), &stream)
            var draws: [Int: Double] = [:]
            for place in targets.keys.sorted() { draws[place] = stream.unit() }
            batch.masked.texts.append(masked)
            batch.masked.masked.append(targets)
            batch.draws.append(draws)
        }
        return settled([batch])[0]
    }

    /// Both losses are means over the whole step.
    func settled(_ batches: [Batch]) -> [Batch] {
        let places = batches.reduce(0) { $0 + $1.placeCount }, tokens = batches.reduce(0) { $0 + $1.tokenCount }
        return batches.map { batch in
            var own = batch
            own.placesPerToken = tokens > 0 ? Double(places) / Double(tokens) : nil
            return own
        }
    }

    public func weight(of batch: Batch) -> Double { Double(batch.placeCount) }
    public func tokenCount(of batch: Batch) -> Int { batch.tokenCount }

    public func loss(of batch: Batch, _ context: StepContext) throws -> ObjectiveLoss {
        let masked = MaskedTokens.chosen(batch.masked)
        guard let placesPerToken = batch.placesPerToken, placesPerToken > 0 else {
            return ObjectiveLoss(try Tensor.zeros([]))
        }
        let drops = DecoderDropout.training(dropout, attentionDropout, seed: seed, context)
        let ofGenerator = drops.map { own in
            var other = own
            other.seed ^= 0x6765_6e65_7261_7465
            return other
        }
        var whole = try Tensor.zeros([]), metrics: [Metric] = []
        var texts = batch.masked.texts, isReplaced = texts.map { $0.map { _ in false } }
        if !masked.rows.isEmpty {
            let states = try model.generator.encoder(batch.masked.texts, dropout: ofGenerator)
            let logits = try model.generator.logits(states, rows: masked.rows)  // [places, vocabulary]
            let found = try MaskedTokens.loss(logits, masked.targets, smoothing), count = masked.targets.count
            whole = try whole + found.sum
            metrics.append(Metric("generator_accuracy", found.accuracy.value, weight: Double(count)))
            metrics.append(Metric("generator_loss", try mean(found.sum, count), weight: Double(count)))
            (texts, isReplaced) = try replaced(batch, logits.detach())
        }
        let judged = try model.replacedLogits(model.discriminator(texts, dropout: drops))  // [tokens]
        let truth = isReplaced.flatMap { $0 }
        let sum = try Loss.binaryCrossEntropy(
            judged, targets: Tensor(truth.map { $0 ? Float(1) : 0 }), reduction: .sum)
        let scores = try judged.detach().toArray(as: Float.self), tokens = Double(truth.count)
        let right = zip(scores, truth).count { ($0 > 0) == $1 }
        let hit = zip(scores, truth).count { $0 > 0 && $1 }, wrong = truth.count { $0 }
        metrics.append(Metric("replaced_accuracy", Double(right) / tokens, weight: tokens))
        metrics.append(Metric("discriminator_loss", try mean(sum, truth.count), weight: tokens))
        if wrong > 0 { metrics.append(Metric("replaced_recall", Double(hit) / Double(wrong), weight: Double(wrong))) }
        whole = try whole + sum * (discriminatorWeight * placesPerToken)
        return ObjectiveLoss(try whole * (1 / context.weight), metrics: metrics)
    }

    private func mean(_ sum: Tensor, _ count: Int) throws -> Double {
        try sum.detach().item(as: Double.self) / Double(count)
    }

    /// The texts with what the generator draws in place of the masks, and which of their tokens are not their own.
    /// - Parameter logits: of the chosen places, text by text in ascending order: `[places, vocabulary]`.
    public func replaced(
        _ batch: Batch, _ logits: Tensor
    ) throws -> (texts: [[Int32]], isReplaced: [[Bool]]) {
        let vocabulary = logits.shape[1]
        let chances = try noGrad { try logits.softmax(axis: 1).toArray(as: Float.self) }
        var texts = batch.masked.texts, isReplaced = texts.map { $0.map { _ in false } }, row = 0
        for (index, targets) in batch.masked.masked.enumerated() {
            for (place, token) in targets.sorted(by: { $0.key < $1.key }) {
                let own = chances[row * vocabulary..<(row + 1) * vocabulary]
                let drawn = Self.drawn(own, at: batch.draws[index][place] ?? 0)
                texts[index][place] = drawn
                isReplaced[index][place] = drawn != token
                row += 1
            }
        }
        return (texts, isReplaced)
    }

    /// The token whose part of 0 ..< 1 a number falls in.
    static func drawn(_ chances: ArraySlice<Float>, at number: Double) -> Int32 {
        var sum = 0.0, last: Int32 = 0
        for (token, chance) in chances.enumerated() where chance > 0 {
            sum += Double(chance)
            last = Int32(token)
            if number < sum { return last }
        }
        return last
    }

    func plain() -> ReplacedTokens {
        var own = ReplacedTokens(model, masking)
        own.discriminatorWeight = discriminatorWeight
        return own
    }

    /// The beginning of a row with what the generator makes of it, and the tokens that the discriminator takes for replaced.
    func sample(of row: TrainingBatch, _ tokenizer: Tokenizer, endTokens: Set<Int32>) throws -> (
        prompt: String, reply: String
    ) {
        var short = TrainingBatch(rows: 1, length: min(48, row.length))
        short.inputs = Array(row.inputs.prefix(short.length))
        short.segments = [TrainingBatch.Segment(row: 0, start: 0, end: short.length)]
        let batch = try batch(of: short, .heldOut(row: 0)), rows = MaskedTokens.chosen(batch.masked).rows
        guard !rows.isEmpty else { return (try tokenizer.decode(short.inputs), "") }
        let logits = try model.generator.logits(model.generator.encoder(batch.masked.texts), rows: rows)
        let (texts, isReplaced) = try replaced(batch, logits)
        let scores = try model.replacedLogits(model.discriminator(texts)).toArray(as: Float.self)
        func words(_ isMeant: (Int) -> Bool) throws -> String {
            let ids = texts[0].indices.filter(isMeant).map { texts[0][$0] }
            return ids.isEmpty ? "none" : try ids.map { try tokenizer.decode([$0]) }.joined(separator: " | ")
        }
        return (
            try tokenizer.decode(texts[0], skipSpecialTokens: false),
            try "replaced: \(words { isReplaced[0][$0] }); taken for replaced: \(words { scores[$0] > 0 })"
        )
    }
}

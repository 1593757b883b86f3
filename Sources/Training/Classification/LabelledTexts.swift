import MartletModels
import MartletNN
import MartletRuns
import MartletTensor

/// What learns labels: an encoder with its head, or a decoder.
enum LabelledModel {
    case encoder(AnyClassifier)
    /// Logits are a head's rows, `[labels, hidden]`, times the state of a text's last token.
    case decoder(Decoder, head: Tensor)
}

/// Trains a classifier on texts, pairs of texts or words with their labels (`LabelLoss`).
struct LabelledTexts: Objective {
    struct Batch {
        var rows: [LabelledData.Row]
        /// The step's texts before these.
        var firstText = 0
    }

    let model: LabelledModel
    let rule: LabelLoss
    var dropout = 0.0, attentionDropout = 0.0
    /// Whether adapters have a dropout of their own.
    var dropsAdapters = false
    var seed: UInt64 = 0

    init(_ model: LabelledModel, _ rule: LabelLoss) {
        self.model = model
        self.rule = rule
    }

    func weight(of batch: Batch) -> Double { rule.weight(of: batch.rows.map(\.targets)) }

    func tokenCount(of batch: Batch) -> Int { batch.rows.reduce(0) { $0 + $1.tokens.count } }

    func loss(of batch: Batch, _ context: StepContext) throws -> ObjectiveLoss {
        guard weight(of: batch) > 0 else { return ObjectiveLoss(try Tensor.zeros([])) }
        var drops = DecoderDropout.training(dropout, attentionDropout, seed: seed, context)
        if drops == nil, dropsAdapters {
            drops = DecoderDropout(probability: 0, seed: seed, step: context.step, firstToken: context.firstToken)
        }
        let logits = try logits(batch, drops)  // [texts or tokens, labels]
        let sum = try sum(logits, batch.rows)
        var metrics: [Metric] = []
        if rule.task == .single || rule.task == .tokens {
            let told = try logits.detach().argmax(1).toArray(as: Int64.self)
            let pairs = zip(told, batch.rows.flatMap(\.targets)).filter { $1 >= 0 }
            let right = pairs.count { $0 == Int64($1) }
            metrics.append(Metric("accuracy", Double(right) / Double(pairs.count), weight: Double(pairs.count)))
        }
        return ObjectiveLoss(try sum * (1 / context.weight), metrics: metrics)
    }

    /// `[texts, labels]`, or `[tokens, labels]`.
    func logits(_ batch: Batch, _ dropout: DecoderDropout? = nil) throws -> Tensor {
        let texts = batch.rows.map(\.tokens)
        switch model {
        case .encoder(let classifier):
            // Models without segments take none.
            let types = classifier.encoder.configuration.typeVocabularySize > 1 ? batch.rows.map(\.types) : nil
            switch classifier {
            case .texts(let model):
                return try model(texts, types: types, dropout: dropout, firstText: batch.firstText)
            case .tokens(let model): return try model(texts, types: types, dropout: dropout)
            }
        case .decoder(let decoder, let head):
            var segments: [Range<Int>] = []
            for text in texts {
                let start = segments.last?.upperBound ?? 0
                segments.append(start..<start + text.count)
            }
            let states = try decoder.hiddenStates(
                texts.flatMap { $0 }, segments: segments, dropout: dropout)  // [tokens, hidden]
            let last = segments.map { Int32($0.upperBound - 1) }
            return try Fused.embed(last, states, scale: 1).matmul(head.transposed())  // [texts, labels]
        }
    }

    /// The sum of the losses of all texts or tokens.
    func sum(_ logits: Tensor, _ rows: [LabelledData.Row]) throws -> Tensor {
        try rule.sum(logits, targets: rows.map(\.targets), numbers: rows.map(\.number))
    }
}

import MartletModels
import MartletNN
import MartletTokenizers

/// The model that learns rows of tokens.
enum TrainedBody {
    case decoder(Decoder)
    case masked(MaskedTokenModel)
    case pairs(EncoderDecoder)

    var decoder: Decoder? { if case .decoder(let decoder) = self { decoder } else { nil } }

    var recomputesLayers: Bool {
        get {
            switch self {
            case .decoder(let decoder): decoder.recomputesLayers
            case .masked(let model): model.encoder.recomputesLayers
            case .pairs(let model): model.recomputesLayers
            }
        }
        nonmutating set {
            switch self {
            case .decoder(let decoder): decoder.recomputesLayers = newValue
            case .masked(let model): model.encoder.recomputesLayers = newValue
            case .pairs(let model): model.recomputesLayers = newValue
            }
        }
    }

    /// A new model, and its parameters by the names that the family's files have.
    static func new(
        _ architecture: NewArchitecture, _ options: ResolvedOptions
    ) throws -> (body: TrainedBody, parameters: [Parameter]) {
        let source = TrainableParameters(options.initializer()), body: TrainedBody
        switch architecture {
        case .decoder(let spec): body = .decoder(Decoder(source, spec))
        case .encoder(let spec, _): body = .masked(MaskedTokenModel(source, spec))
        case .encoderDecoder(let spec): body = .pairs(EncoderDecoder(source, spec))
        }
        try source.finish()
        let shape = options.shape
        return (
            body,
            source.parameters.map { parameter in
                Parameter(
                    name: shape.publishedName(parameter.name, of: architecture) ?? parameter.name, role: parameter.role,
                    tensor: parameter.tensor)
            }
        )
    }
}

extension ResolvedOptions {
    /// What is learnt of rows by a model.
    /// - Parameter startToken: what an encoder-decoder's targets begin with.
    func rowObjective(
        _ body: TrainedBody, _ tokenizer: Tokenizer, startToken: Int32?
    ) throws -> any RowObjective {
        let chosen = run.objective
        switch body {
        case .decoder(let decoder):
            let base = nextToken(decoder)
            switch chosen.kind {
            case .prefix: return PrefixLanguageModel(base)
            case .middle:
                var objective = FillInTheMiddle(base, try MiddleMarkers(tokenizer))
                (objective.rate, objective.suffixFirst) = (chosen.middleRate, chosen.suffixFirst)
                return objective
            default: return base
            }
        case .masked(let model):
            var masking = try TokenMasking(tokenizer, wholeWords: chosen.masksWords)
            masking.rate = chosen.maskRate
            var objective = MaskedTokens(model, masking)
            objective.smoothing = Float(run.loss.labelSmoothing)
            (objective.dropout, objective.attentionDropout) = (run.loss.dropout, run.loss.attentionDropout)
            objective.seed = run.general.randomSeed
            return objective
        case .pairs(let model):
            let end = tokenizer.documentEnd
            guard let start = startToken ?? end else {
                throw TrainingError(
                    .data, "the tokenizer has no token that ends a text or pads, which a target could begin with")
            }
            var base = SourceTargets(model, start: start)
            (base.smoothing, base.zLoss) = (Float(run.loss.labelSmoothing), Float(run.loss.zLoss))
            (base.dropout, base.attentionDropout) = (run.loss.dropout, run.loss.attentionDropout)
            base.seed = run.general.randomSeed
            guard chosen.kind == .spans else {
                var objective = SequenceToSequence(base, end: end)
                objective.endsSources = tokenizer.addsEOS
                return objective
            }
            var objective = SpanCorruption(base, sentinels: try SpanCorruption.sentinels(tokenizer), end: end)
            (objective.rate, objective.meanSpan) = (chosen.maskRate, chosen.meanSpan)
            objective.endsSources = tokenizer.addsEOS
            return objective
        }
    }
}

import MartletData
import MartletModels
import MartletNN
import MartletTokenizers

/// The model that learns rows of tokens.
enum TrainedBody {
    case decoder(Decoder)
    case masked(MaskedTokenModel)
    case sentences(SentencePairModel)
    case replaced(ReplacedTokenModel)
    case pairs(EncoderDecoder)

    var decoder: Decoder? { if case .decoder(let decoder) = self { decoder } else { nil } }

    var recomputesLayers: Bool {
        get {
            switch self {
            case .decoder(let decoder): decoder.recomputesLayers
            case .masked(let model): model.encoder.recomputesLayers
            case .sentences(let model): model.masked.encoder.recomputesLayers
            case .replaced(let model): model.discriminator.recomputesLayers
            case .pairs(let model): model.recomputesLayers
            }
        }
        nonmutating set {
            switch self {
            case .decoder(let decoder): decoder.recomputesLayers = newValue
            case .masked(let model): model.encoder.recomputesLayers = newValue
            case .sentences(let model): model.masked.encoder.recomputesLayers = newValue
            case .replaced(let model):
                model.discriminator.recomputesLayers = newValue
                model.generator.encoder.recomputesLayers = newValue
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
        case .encoder(let spec, .maskedTokens): body = .masked(MaskedTokenModel(source, spec))
        case .encoder(let spec, .sentencePairs): body = .sentences(SentencePairModel(source, spec))
        case .encoder(let spec, .replacedTokens(let generator)):
            body = .replaced(ReplacedTokenModel(source, spec, generator: generator))
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
    /// - Parameters:
    ///   - rows: the rows to train on, other texts of which come into pairs.
    ///   - startToken: what an encoder-decoder's targets begin with.
    func rowObjective(
        _ body: TrainedBody, _ tokenizer: Tokenizer, _ rows: [BatchStream.Source], startToken: Int32?
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
            var objective = MaskedTokens(model, try masking(tokenizer))
            objective.smoothing = Float(run.loss.labelSmoothing)
            (objective.dropout, objective.attentionDropout) = (run.loss.dropout, run.loss.attentionDropout)
            objective.seed = run.general.randomSeed
            return objective
        case .sentences(let model):
            let masking = try masking(tokenizer)
            guard let separator = masking.end ?? tokenizer.documentEnd else {
                throw TrainingError(
                    .data,
                    "objective \(chosen.kind.rawValue) needs a token that separates two texts, and the tokenizer has none: "
                        + "train one with martlet tokenizer train --kind wordpiece, and pack the data with it")
            }
            let kind: SentencePairs.Kind = chosen.kind == .nextSentence ? .nextSentence : .sentenceOrder
            var objective = SentencePairs(model, masking, kind, separator: separator)
            objective.otherText = SentencePairs.texts(of: rows)
            objective.sentenceEnds = SentencePairs.ends(tokenizer)
            objective.smoothing = Float(run.loss.labelSmoothing)
            (objective.dropout, objective.attentionDropout) = (run.loss.dropout, run.loss.attentionDropout)
            objective.seed = run.general.randomSeed
            return objective
        case .replaced(let model):
            var objective = ReplacedTokens(model, try masking(tokenizer))
            objective.discriminatorWeight = chosen.replacedWeight
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

    private func masking(_ tokenizer: Tokenizer) throws(TrainingError) -> TokenMasking {
        var masking = try TokenMasking(tokenizer, wholeWords: run.objective.masksWords)
        masking.rate = run.objective.maskRate
        return masking
    }
}

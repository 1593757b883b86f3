import MartletFormats
import MartletJSON

/// What a model is for, as its files say.
public enum ModelKind: String, Sendable, CaseIterable {
    /// Continues text.
    case generates
    /// Turns texts into vectors.
    case embeds
    /// Says for a pair of texts how well they fit, or for a text which class it is of.
    case scores
}

extension ModelKind {
    /// - Parameters:
    ///   - configuration: of the text part.
    ///   - architectures: of the whole.
    ///   - hasHead: whether the files hold an output projection.
    init(_ configuration: ConfigurationReader, architectures: [String], hasHead: Bool, isSentenceModel: Bool) {
        let isEncoder = configuration.json["model_type"]?.string.flatMap(Family.named)?.isEncoder ?? false
        // llama.cpp's numbers: none, mean, first, last, rank.
        switch configuration.json["martlet_pooling"]?.integer {
        case 4: self = .scores
        case 1, 2, 3: self = .embeds
        default:
            let name = architectures.first ?? ""
            if name.hasSuffix("ForSequenceClassification") {
                self = .scores
            } else if isEncoder || isSentenceModel {
                self = .embeds
            } else {
                // `LlamaModel`, `Qwen3Model`: the layers alone, as embedding models are published.
                let isBare = name.hasSuffix("Model") && !name.hasSuffix("LMHeadModel")
                self = isBare && !hasHead ? .embeds : .generates
            }
        }
    }
}

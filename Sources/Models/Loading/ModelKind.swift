import MartletFormats
import MartletJSON

/// What a model is for, according to its files.
public enum ModelKind: String, Sendable, CaseIterable {
    /// Continues text: a language model.
    case generates
    /// Computes embedding vectors of texts.
    case embeds
    /// Scores a pair of texts, or classifies a text.
    case scores
}

extension ModelKind {
    /// - Parameters:
    ///   - configuration: of the text part.
    ///   - architectures: `architectures` of the whole model.
    ///   - hasHead: whether the files contain an output projection.
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
                // `LlamaModel`, `Qwen3Model`: the layers without a head, as embedding models are published.
                let isBare = name.hasSuffix("Model") && !name.hasSuffix("LMHeadModel")
                self = isBare && !hasHead ? .embeds : .generates
            }
        }
    }
}

import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

/// A model as the tensors of a `.bin` file of llama2.c.
public struct LLaMA2CContents: Sendable {
    public let sizes: LLaMA2CFile.Sizes
    public let sharesOutput: Bool
    /// By the names of a folder of Llama's; rows of queries and keys in pairs.
    public let tensors: [String: WrittenTensor]
}

/// A model as the tensors of a `.bin` file of llm.c.
public struct LLMCContents: Sendable {
    public let sizes: LLMCFile.Sizes
    /// By the names of a folder of GPT-2's; matrices `[out, in]`, the table of embeddings without padding.
    public let tensors: [String: WrittenTensor]
    let configuration: DecoderConfiguration

    /// The tensor that a parameter of the model is a part of, and which part.
    package func place(of parameter: String) -> (name: String, part: Int) {
        switch Naming.llmc.places(parameter, configuration).first {
        case .rows(let name, _, let part)?: (name, part)
        case let place?: (place.storedName, 0)
        case nil: (parameter, 0)
        }
    }
}

extension Checkpoint {
    /// - Throws: `ModelError.unsupported` for a model that computes anything else than run.c does, with the first difference.
    public func llama2cContents() throws -> LLaMA2CContents {
        let reading = try decoderReading(), published = try publishedDecoderConfiguration()
        let attention = published.attention
        let sizes = LLaMA2CFile.Sizes(
            width: published.hiddenSize, feedForward: published.feedForward.size, layers: published.layerCount,
            heads: attention.heads, keyValueHeads: attention.keyValueHeads, vocabulary: published.vocabularySize,
            context: published.contextLength)
        let form =
            "a llama2.c file (run.c computes a plain Llama: RMSNorm of epsilon 1e-5, rotation of base 10000, SiLU)"
        let own = LLaMA2CFile.configuration(of: sizes, sharesOutput: published.tiedEmbeddings)
        try demandSame(published, as: Family.configuration(ConfigurationReader(file: path, json: own)).1, in: form)
        let isPaired = gguf != nil && reading.configuration.attention.rotary?.layout == .interleaved
        let head = attention.headDimension
        let tensors = try written(
            reading, from: (flat as? LLaMA2CFile)?.exactly, places: { .tensor($0.name) },
            rearranged: { parameter, tensor in
                guard HeadRows.areRotated(parameter.name), !isPaired else { return tensor }
                return tensor.reordered(HeadRows.interleaved(tensor.shape[0], head: head))
            })
        return LLaMA2CContents(
            sizes: sizes, sharesOutput: published.tiedEmbeddings,
            tensors: Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) }))
    }

    /// - Throws: `ModelError.unsupported` for a model that is no GPT-2 as llm.c computes it, with the first difference.
    public func llmcContents() throws -> LLMCContents {
        let reading = try decoderReading(), published = try publishedDecoderConfiguration()
        let sizes = LLMCFile.Sizes(
            context: published.contextLength, vocabulary: published.vocabularySize, layers: published.layerCount,
            heads: published.attention.heads, width: published.hiddenSize,
            paddedVocabulary: LLMCFile.Sizes.padded(published.vocabularySize))
        let form = "a llm.c file (a GPT-2: LayerNorm of epsilon 1e-5, learnt positions, GELU of four times the width)"
        let own = LLMCFile.configuration(of: sizes, dtype: "float32")
        try demandSame(published, as: Family.configuration(ConfigurationReader(file: path, json: own)).1, in: form)
        let tensors = try written(
            reading, places: { Naming.llmc.places($0.name, published).first }, rearranged: { _, tensor in tensor })
        return LLMCContents(
            sizes: sizes, tensors: Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) }),
            configuration: published)
    }

    /// The configuration of the decoder in its family's folders, whatever this was opened from.
    func publishedDecoderConfiguration() throws -> DecoderConfiguration {
        let reading = try decoderReading()
        var spec = try Family.configuration(
            ConfigurationReader(file: path, json: publishedConfiguration())
        ).1
        spec.hasHead = reading.configuration.hasHead
        spec.tiedEmbeddings = reading.configuration.tiedEmbeddings
        return spec
    }

    private func demandSame(
        _ own: DecoderConfiguration, as other: DecoderConfiguration, in form: String
    ) throws(ModelError) {
        func differs(_ what: String, _ found: Any, _ expected: Any) -> ModelError {
            .unsupported(file: path, reason: "\(what) is \(found), not \(expected), which \(form) cannot say")
        }
        guard own.hasHead else { throw differs("the output projection", "missing", "there") }
        if own.norm != other.norm { throw differs("the norm", own.norm.words, other.norm.words) }
        for (index, (mine, its)) in zip(own.layers, other.layers).enumerated() where mine != its {
            let layer = "of layer \(index)"
            if mine.attention.rotary != its.attention.rotary {
                let found = mine.attention.rotary, expected = its.attention.rotary
                if let found, let expected, found.theta != expected.theta {
                    throw differs("rope_theta", found.theta, expected.theta)
                }
                throw differs(
                    "the rotation", found.map { "\($0)" } ?? "missing", expected.map { "\($0)" } ?? "missing")
            }
            if mine.norm != its.norm { throw differs("the norm " + layer, mine.norm.words, its.norm.words) }
            if mine.attention != its.attention {
                throw differs("the attention " + layer, "\(modelType)'s", "of the same heads, biases, scale and reach")
            }
            throw differs(
                "the feed-forward part " + layer, "\(modelType)'s", "of the same activation, width and biases")
        }
        var mine = own
        (mine.family, mine.layers) = (other.family, other.layers)
        guard mine == other else { throw differs("what follows the layers, or a scale,", "\(modelType)'s", "plain") }
    }
}

extension NormSpec {
    /// As people call it.
    fileprivate var words: String {
        (kind == .layer ? "LayerNorm" : "RMSNorm") + " of epsilon \(epsilon)"
            + (kind == .layer && !hasBias ? " without bias" : "") + (hasWeight ? "" : " without weight")
            + (weightOffset == 0 ? "" : " times \(weightOffset) + w")
    }
}

import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

extension Checkpoint {
    /// The `config.json` of the language model alone, as in a published folder: for a GGUF file with the keys of such a
    /// folder, for the text part of a multimodal model with its default values written out. How weights are packed is not
    /// in it: whoever writes packed ones says so.
    package func publishedConfiguration() throws -> JSON {
        guard var config = configuration.json.object else { return configuration.json }
        for key in ["quantization_config", "quantization"] { config[key] = nil }
        // A text part without its wrapper is written as with it: no causal language model has its type.
        let published = Family.named(modelType)?.published
        let isTextPart = modelType.hasSuffix("_text") && published.map { $0.modelType != modelType } ?? false
        guard gguf != nil || wrapper != nil || isTextPart else {
            if config["tie_word_embeddings"]?.bool == true, try !decoderReading().configuration.tiedEmbeddings {
                config["tie_word_embeddings"] = false
            }
            return .object(config)
        }
        for key in config.map(\.key) where key.hasPrefix("martlet_") || key.hasPrefix("vision_") { config[key] = nil }
        if !hasEncoder {
            let reading = try decoderReading()
            for (key, value) in gguf == nil ? reading.family.defaults : [:] where config[key] == nil {
                // transformers 5 has another name for it.
                if key == "num_experts", config["num_local_experts"] != nil { continue }
                config[key] = value
            }
            config["tie_word_embeddings"] = .bool(reading.configuration.tiedEmbeddings)
        }
        if let published {
            config["model_type"] = .string(published.modelType)
            config["architectures"] = [.string(published.architecture)]
        }
        config["torch_dtype"] = "float32"
        return .object(config)
    }
}

/// What a conversion to GGUF changed, undone. Rows of queries and keys: files of Llama's kind have them permuted for
/// interleaved rotation, which Llama's folders are not; families whose folders are interleaved too (DeepSeek) are not
/// permuted. Norms: Gemma's weights have one added.
struct ConversionChange: Sendable {
    /// The head dimension if rows are permuted; nil if they are not.
    private let permutedHead: Int?
    /// The number added to the norm weights.
    private let addedToNorms: Float

    /// - Parameters:
    ///   - stored: what the file says.
    ///   - published: what a folder of the same model says.
    init(stored: DecoderConfiguration, published: DecoderConfiguration) {
        let isPermuted =
            stored.attention.rotary?.layout == .interleaved && published.attention.rotary?.layout != .interleaved
        permutedHead = isPermuted ? stored.attention.headDimension : nil
        addedToNorms = published.norm.weightOffset - stored.norm.weightOffset
    }

    /// A stored parameter as a folder has it, in the stored type where rows only change places.
    func undone(_ tensor: Tensor, of name: String, role: ParameterRole) throws -> Tensor {
        // The norms of recurrent layers are not of the family's kind.
        if case .scale = role, addedToNorms != 0, !name.contains(".mixer.") {
            return try tensor.to(.float32) - addedToNorms
        }
        guard let permutedHead, HeadRows.areRotated(name), tensor.shape[0] % permutedHead == 0 else { return tensor }
        return tensor.reordered(HeadRows.separated(tensor.shape[0], head: permutedHead))
    }
}

/// The parameters of a GGUF file as a folder of the same model has them, with the changes of the conversion undone.
final class PublishedParameters: ParameterSource {
    let source: CheckpointParameters
    private let change: ConversionChange

    init(_ source: CheckpointParameters, stored: DecoderConfiguration, published: DecoderConfiguration) {
        self.source = source
        change = ConversionChange(stored: stored, published: published)
    }

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        let given = source.parameter(name, shape: shape, role: role)
        guard given.shape == shape else { return given }
        return (try? change.undone(given, of: name, role: role)) ?? given
    }
}

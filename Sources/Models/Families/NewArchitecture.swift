import MartletNN

/// What a new model is made of.
public enum NewArchitecture: Sendable, Equatable {
    case decoder(DecoderConfiguration)
    case encoder(EncoderConfiguration, pretraining: EncoderPretraining = .maskedTokens)
    case encoderDecoder(EncoderDecoderConfiguration)

    /// Positions of a text; nil where there is no limit.
    public var contextLength: Int? {
        switch self {
        case .decoder(let spec): spec.contextLength
        case .encoder(let spec, _): spec.contextLength
        case .encoderDecoder(let spec): spec.limitsLength ? spec.contextLength : nil
        }
    }

    /// Whether all layers use the parameters of one.
    package var sharesLayers: Bool { if case .encoder(let spec, _) = self { spec.sharesLayers } else { false } }

    /// A decoder of the same blocks and sizes, to plan memory and time by: an encoder-decoder's blocks one after the other,
    /// without its cross-attention.
    package var planned: DecoderConfiguration {
        func decoder(_ vocabulary: Int, _ hidden: Int, _ context: Int, _ layers: [LayerSpec]) -> DecoderConfiguration {
            var spec = DecoderConfiguration(
                family: "", vocabularySize: vocabulary, hiddenSize: hidden, contextLength: context,
                layerCount: layers.count, layer: layers[0], tiedEmbeddings: true)
            spec.layers = layers
            return spec
        }
        switch self {
        case .decoder(let spec): return spec
        case .encoder(let spec, _):
            return decoder(spec.vocabularySize, spec.hiddenSize, spec.contextLength, spec.layers)
        case .encoderDecoder(let spec):
            return decoder(spec.vocabularySize, spec.hiddenSize, spec.contextLength, spec.encoder + spec.decoder)
        }
    }

    /// Makes its layers of a source, as the model does that is trained.
    package func build(_ source: ParameterSource) {
        switch self {
        case .decoder(let spec): _ = Decoder(source, spec)
        case .encoder(let spec, .maskedTokens): _ = MaskedTokenModel(source, spec)
        case .encoder(let spec, .sentencePairs): _ = SentencePairModel(source, spec)
        case .encoder(let spec, .replacedTokens(let generator)):
            _ = ReplacedTokenModel(source, spec, generator: generator)
        case .encoderDecoder(let spec): _ = EncoderDecoder(source, spec)
        }
    }
}

extension ModelShape {
    /// The name of a parameter in a folder of the family; nil where it is stored as a part of another tensor.
    package func publishedName(_ parameter: String, of architecture: NewArchitecture) -> String? {
        if case .decoder(let spec) = architecture { return spec.publishedName(parameter) }
        let generator = ReplacedTokenModel.generatorPrefix
        if parameter.hasPrefix(generator) {
            return publishedName(String(parameter.dropFirst(generator.count)), of: architecture).map { generator + $0 }
        }
        let places: [WeightPlace]
        switch Family.named(family)?.body {
        case .encoder(let encoder): places = encoder.allPlaces(parameter, isGGUF: false)
        case .encoderDecoder(let pair): places = pair.places(parameter)
        default: places = []
        }
        guard case .tensor(let name)? = places.first else { return nil }
        // The pooler is a part of the encoder in the files.
        let isInside = parameter.hasPrefix("model.") || parameter.hasPrefix("pooler.")
        return isInside ? form.prefix + name : name
    }
}

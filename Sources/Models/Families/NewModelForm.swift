import MartletJSON
import MartletSystem

/// The sizes of a new model.
public struct ModelShape: Sendable, Equatable {
    /// `model_type` of `config.json`.
    public var family = ""
    public var vocabularySize = 0, contextLength = 0
    public var layers = 0, hiddenSize = 0, heads = 0, keyValueHeads = 0, intermediateSize = 0
    public var tiedEmbeddings = true
    public var ropeTheta = 10_000.0
    /// The number of last positions that sliding-window layers attend to; 0: all layers attend to the whole context.
    public var slidingWindow = 0
    /// Its mixtures of experts, where the family has some.
    public var mixture = MixtureShape()
    /// Its latent attention, where the family has it.
    public var latent = LatentShape()
    /// Its layers with a recurrent state, where the family has some.
    public var recurrent = RecurrentShape()
    /// Modules that predict further tokens.
    public var predictions = 0
    /// Whether an encoder learns pairs of texts beside masked tokens.
    public var learnsPairs = false
    /// The size of the generator relative to the encoder that finds its tokens; 0 where there is none.
    public var generatorShare = 0.0
    /// The width of an encoder's tables where it is not that of the family.
    public var embeddingSize = 0

    public init() {}

    /// The shape of an existing model.
    public init(_ configuration: DecoderConfiguration) {
        family = configuration.family
        vocabularySize = configuration.vocabularySize
        contextLength = configuration.contextLength
        layers = configuration.layerCount
        hiddenSize = configuration.hiddenSize
        heads = configuration.attention.heads
        keyValueHeads = configuration.attention.keyValueHeads
        intermediateSize = configuration.feedForward.size
        tiedEmbeddings = configuration.tiedEmbeddings
    }

    /// The defaults of the family for new models.
    public var form: NewModelForm { Family.begun.first { $0.name == family }?.form ?? NewModelForm() }

    /// `config.json`, as transformers writes it.
    /// - Parameter padToken: of encoders and encoder-decoders; what ends a text where a tokenizer has none.
    public func configuration(beginToken: Int? = nil, endToken: Int? = nil, padToken: Int? = nil) -> JSON {
        func whole(_ value: Int) -> JSON { .integer(Int64(value)) }
        let usual = Family.begun.first { $0.name == family }?.architecture ?? ""
        let architecture =
            (learnsPairs ? form.pairArchitecture : generatorShare > 0 ? form.replacedArchitecture : nil) ?? usual
        let head: [JSONObject.Element] = [
            ("architectures", .array([.string(architecture)])), ("model_type", .string(family)),
            ("vocab_size", whole(vocabularySize)),
        ]
        let ends: [JSONObject.Element] = [
            ("bos_token_id", beginToken.map(whole) ?? .null), ("eos_token_id", endToken.map(whole) ?? .null),
        ]
        if form.kind != .decoder {
            let pad = (padToken ?? endToken ?? beginToken).map(whole) ?? 0
            let own = form.members(self) + [("tie_word_embeddings", .bool(true)), ("pad_token_id", pad)]
            let start: [JSONObject.Element] = form.kind == .encoderDecoder ? [("decoder_start_token_id", pad)] : []
            return .object(JSONObject(head + own + ends + start))
        }
        guard form.hasAttention else {
            return .object(
                JSONObject(head + form.members(self) + [("tie_word_embeddings", .bool(tiedEmbeddings))] + ends))
        }
        let members =
            head + [
                ("hidden_size", whole(hiddenSize)),
                ("intermediate_size", whole(intermediateSize)), ("num_hidden_layers", whole(layers)),
                ("num_attention_heads", whole(heads)), ("num_key_value_heads", whole(keyValueHeads)),
                ("head_dim", whole(heads > 0 ? hiddenSize / heads : 0)),
                ("max_position_embeddings", whole(contextLength)),
                ("rope_theta", .number(ropeTheta)), ("rms_norm_eps", .number(1e-6)), ("hidden_act", .string("silu")),
                ("attention_bias", .bool(false)), ("tie_word_embeddings", .bool(tiedEmbeddings)),
            ]
        var object = JSONObject(members + ends)
        // A family may say other values of keys that all have.
        for member in form.members(self) { object[member.key] = member.value }
        return .object(object)
    }

    /// The generator of an encoder that finds replaced tokens: as deep, with fewer heads of the same size and narrower
    /// feed-forward layers, and with the same tables (Clark et al. 2020, section 3.2).
    public var generator: ModelShape {
        var other = self
        other.heads = max(1, Int(clamping: (Double(heads) * generatorShare).rounded()))
        other.hiddenSize = hiddenSize / max(heads, 1) * other.heads
        other.intermediateSize = max(8, Int(clamping: (Double(intermediateSize) * generatorShare).rounded()))
        other.embeddingSize = embeddingSize > 0 ? embeddingSize : hiddenSize
        other.generatorShare = 0
        return other
    }

    /// - Throws: `ModelError` when the family does not support this shape, or is none of decoders.
    public func decoderConfiguration() throws -> DecoderConfiguration {
        var spec = try Family.configuration(ConfigurationReader(file: "the configuration", json: configuration())).1
        spec.predictionModules = predictions
        return spec
    }

    /// The architecture, of whatever kind the family is.
    public func architecture() throws -> NewArchitecture {
        let reader = ConfigurationReader(file: "the configuration", json: configuration())
        switch form.kind {
        case .decoder: return .decoder(try decoderConfiguration())
        case .encoder:
            let spec = try EncoderConfiguration(reader)
            if learnsPairs { return .encoder(spec, pretraining: .sentencePairs) }
            guard generatorShare > 0 else { return .encoder(spec) }
            let own = ConfigurationReader(file: "the generator's configuration", json: generator.configuration())
            return .encoder(spec, pretraining: .replacedTokens(generator: try EncoderConfiguration(own)))
        case .encoderDecoder: return .encoderDecoder(try Family.readEncoderDecoder(reader).configuration)
        }
    }
}

/// The defaults of a family for a new model: sizes that are computed from others where they are not given, and the
/// members of `config.json` beside those that all families share. A family with such defaults can be trained from
/// scratch (`martlet train --family NAME`).
public struct NewModelForm: Sendable {
    /// What the models of a family are.
    public enum Kind: Sendable { case decoder, encoder, encoderDecoder }

    /// A size, and the rule that computes it from the sizes before it.
    public struct Size: Sendable {
        public let how: String
        public let value: @Sendable (ModelShape) -> Int

        init(_ how: String, _ value: @escaping @Sendable (ModelShape) -> Int) {
            self.how = how
            self.value = value
        }
    }

    /// In the order of dependence, from the number of layers on.
    public var hiddenSize = Size("64 × depth") { $0.layers * 64 }
    public var heads = Size("hidden_size / 64") { max(1, $0.hiddenSize / 64) }
    public var keyValueHeads = Size("heads") { $0.heads }
    public var intermediateSize = Size("8/3 × hidden_size, in 64s") {
        max(64, ($0.hiddenSize * 8 / 3 + 32) / 64 * 64)
    }
    public var tiesEmbeddings = true
    public var ropeTheta = 10_000.0
    /// Whether the family supports layers with a sliding window.
    public var slides = false
    /// What a model of the family is.
    public var kind = Kind.decoder
    /// `architectures` of families that have no published form of their own.
    var architecture: String?
    /// The same of an encoder that learns pairs of texts, and of one that finds replaced tokens; nil where there is none.
    public var pairArchitecture: String?
    public var replacedArchitecture: String?
    /// What stands before an encoder's names in the files of a model with a head: "bert.".
    public var prefix = ""
    /// Of a family whose layers are mixtures of experts.
    public var mixture: MixtureForm?
    /// Whether modules may predict further tokens.
    public var predicts = false
    /// Whether keys and values are computed from latent vectors.
    public var isLatent = false
    /// Whether some layers have attention and all a feed-forward part; of Mamba's `members` are all keys there are.
    public var hasAttention = true
    /// Whether queries and keys are rotated.
    public var rotates = true
    /// Its names beside `model_type`, with underscores.
    public var aliases: [String] = []
    /// Of a family with layers that have a recurrent state.
    public var recurrent: RecurrentForm?
    /// Members of `config.json` beside those that all families share.
    var members: @Sendable (ModelShape) -> [(key: String, value: JSON)] = { _ in [] }
}

extension Family {
    /// The families that a new model can be created of, the default first.
    public static let begun: [(name: String, architecture: String, form: NewModelForm)] = all.compactMap { family in
        guard let form = family.newModel, let architecture = form.architecture ?? family.published?.architecture else {
            return nil
        }
        return (family.published?.modelType ?? family.modelTypes[0], architecture, form)
    }
}

import MartletNN

/// How a family's head for masked tokens is made: logits = norm(act(dense(h))) Eᵀ + b, E the table of tokens.
struct MaskedHeadForm: Sendable {
    /// What the files call its parts; the first name is that of new files.
    var dense = ["cls.predictions.transform.dense"]
    var norm = ["cls.predictions.transform.LayerNorm"]
    var bias = ["cls.predictions", "cls.predictions.decoder"]
    /// Nil: that of the layers.
    var activation: Activation?

    /// RoBERTa's, and those who follow it.
    static let roberta = MaskedHeadForm(
        dense: ["lm_head.dense"], norm: ["lm_head.layer_norm"], bias: ["lm_head", "lm_head.decoder"],
        activation: .gelu)

    /// What the files call a module of the head.
    func modules(_ module: String) -> [String]? {
        switch module {
        case "cls.predictions.transform.dense": dense
        case "cls.predictions.transform.LayerNorm": norm
        case "cls.predictions": bias
        default: nil
        }
    }
}

/// How a family's classifiers are made: what stands between the encoder's states and the classes.
///
///     logits = output(norm(act(dense(h))))
///
/// Without a dense layer the output takes the states themselves.
struct EncoderHeadForm: Sendable {
    /// What the files call the dense layer of a head over a text, and its output; with and without the encoder's prefix.
    var dense = ["pooler.dense"]
    var output = ["classifier"]
    var activation = DenseActivation.tanh
    /// What the files call the norm after the dense layer; nil without one.
    var norm: [String]?
    /// The key that says whether the dense layer has a bias; nil: it has.
    var biasKey: String?
    /// The key that names the activation of all its heads; nil where it is always the same.
    var activationKey: String?
    /// Whether heads over tokens have the dense layer and the norm too (ModernBERT).
    var isOverTokens = false
    /// The keys that say which states a text's head takes, by their names, of which the first means that nothing is said;
    /// without keys it is that of the first token.
    var poolingKeys: [String] = []
    var poolings: [(name: String, pooling: TextPooling)] = [("cls", .first), ("mean", .mean)]
    /// What transformers puts before the encoder's names in a classifier's folder, where the encoder's places do not tell.
    var basePrefix: String?
    /// Whether a dense layer that is called the pooler is the encoder's own, with its prefix.
    var hasOwnPooler = true
    /// The head for masked tokens.
    var masked = MaskedHeadForm()
    /// What the files call the output of a head over pairs of texts.
    var pair = ["cls.seq_relationship"]
    /// Why heads over whole texts, and for answers, are not computed; nil where they are.
    var whyNoTexts: String?

    /// Which states a text's head takes.
    enum TextPooling: Sendable {
        /// That of the first token.
        case first
        case mean
        /// All of them: the output takes the mean of what the dense layer makes of each (EuroBERT).
        case late
    }

    /// Which states a text's head takes, as a configuration has it.
    func pooling(_ config: ConfigurationReader) throws(ModelError) -> TextPooling {
        guard let key = poolingKeys.first(where: config.says) ?? poolingKeys.first else { return .first }
        let name = try config.string(key, default: poolings[0].name)
        guard let known = poolings.first(where: { $0.name == name }) else {
            throw .wrongValue(
                file: config.file, key: key, found: "\"\(name.prefix(40))\"",
                expected: poolings.map(\.name).joined(separator: " or "))
        }
        return known.pooling
    }

    /// The activation behind the dense layer, as a configuration has it.
    func activation(_ config: ConfigurationReader) throws(ModelError) -> DenseActivation {
        guard let key = activationKey else { return activation }
        switch try Activation(config, keys: key, default: "gelu") {
        case .gelu: return .gelu
        case .silu: return .silu
        case .relu: return .relu
        default:
            throw .wrongValue(
                file: config.file, key: key, found: "\"\(try config.string(key, default: "").prefix(40))\"",
                expected: "gelu, silu or relu")
        }
    }

    /// Where the files keep a parameter of a head; nil for the encoder's own.
    func places(_ name: String, encoder: (String) -> [WeightPlace]) -> [WeightPlace]? {
        let modules: [String]
        if name.hasPrefix("pooler.dense.") {
            modules = dense
        } else if name.hasPrefix("pooler.norm.") {
            modules = norm ?? []
        } else if name.hasPrefix("classifier.") {
            modules = output
        } else if name.hasPrefix("token_classifier.") {
            modules = ["classifier", "qa_outputs"]
        } else if name.hasPrefix("sentence_pair.") {
            modules = pair
        } else if name.hasPrefix("discriminator.") {
            modules = [
                name.hasPrefix("discriminator.dense.")
                    ? "discriminator_predictions.dense" : "discriminator_predictions.dense_prediction"
            ]
        } else if let dot = name.lastIndex(of: "."), let found = masked.modules(String(name[..<dot])) {
            modules = found
        } else {
            return nil
        }
        let kind = name.split(separator: ".").last.map(String.init) ?? "weight"
        // A family's own mapping knows the prefixes of its files.
        return modules.flatMap { encoder("\($0).\(kind)") }
    }
}

extension Family.EncoderForm {
    /// The form of a model's own files.
    func sized(_ spec: EncoderConfiguration) -> Family.EncoderForm {
        guard let sizedPlaces else { return self }
        return Family.EncoderForm(
            configure: configure, places: { [places] in sizedPlaces($0, spec) ?? places($0) }, ggufPlaces: ggufPlaces,
            head: head, readOnlyPositions: readOnlyPositions)
    }

    /// Where a folder's files, or a GGUF file, keep a parameter of the encoder or of a head on it.
    func allPlaces(_ name: String, isGGUF: Bool) -> [WeightPlace] {
        if isGGUF { return ggufPlaces(name) }
        return head.places(name, encoder: places) ?? places(name)
    }
}

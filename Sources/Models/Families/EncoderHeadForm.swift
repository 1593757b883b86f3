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
    /// Whether heads over tokens have the dense layer and the norm too (ModernBERT).
    var isOverTokens = false
    /// The key that says which states a text's head takes, "cls" or "mean"; nil: that of the first token.
    var poolingKey: String?
    /// What transformers puts before the encoder's names in a classifier's folder, where the encoder's places do not tell.
    var basePrefix: String?
    /// Whether a dense layer that is called the pooler is the encoder's own, with its prefix.
    var hasOwnPooler = true

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
        } else {
            return nil
        }
        let kind = name.split(separator: ".").last.map(String.init) ?? "weight"
        // A family's own mapping knows the prefixes of its files.
        return modules.flatMap { encoder("\($0).\(kind)") }
    }
}

extension Family.EncoderForm {
    /// Where a folder's files, or a GGUF file, keep a parameter of the encoder or of a head on it.
    func allPlaces(_ name: String, isGGUF: Bool) -> [WeightPlace] {
        if isGGUF { return ggufPlaces(name) }
        return head.places(name, encoder: places) ?? places(name)
    }
}

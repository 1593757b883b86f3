import MartletModels

extension TextClassifier {
    /// The sentence that a label is put into unless another one is given.
    public static let hypothesis = "This example is {}."

    /// Whether one of several classes says that the second text of a pair follows from the first.
    public var isOfEntailment: Bool { entailment != nil }

    private var entailment: Int? {
        labels.count > 1 ? labels.firstIndex { $0.lowercased().hasPrefix("entail") } : nil
    }

    /// Classifies a text by labels of one's own, with a model of entailment such as bart-large-mnli: each label is put into
    /// a sentence, and counts by how much the text entails it (Yin et al. 2019; transformers' zero-shot-classification).
    ///
    /// ```swift
    /// let model = try TextClassifier(path: "bart-large-mnli")
    /// let classes = try model.classes(of: "The match ended 2 to 1.", among: ["sport", "politics"])
    /// ```
    /// - Parameters:
    ///   - among: the labels.
    ///   - hypothesis: the sentence, with `{}` where the label stands.
    ///   - isMultiLabel: whether a text may be of several: then each label's probability is softmax(contradiction,
    ///     entailment) by itself, as it is of a single label; else the softmax of all labels' entailments.
    /// - Returns: the labels with their probabilities, the most probable first.
    /// - Throws: `ModelError.unsupported` for a model without a class of entailment, and for a sentence without `{}`.
    public func classes(
        of text: String, among labels: [String], hypothesis: String = hypothesis, isMultiLabel: Bool = false
    ) throws -> [Class] {
        guard !labels.isEmpty else { return [] }
        guard let entailment else {
            throw ModelError.unsupported(
                file: "the model",
                reason:
                    "its classes are \(self.labels.joined(separator: ", ")): labels of one's own are for a model of "
                    + "entailment, one of whose classes is called entailment (bart-large-mnli, deberta-v3-base-mnli)")
        }
        guard hypothesis.contains("{}") else {
            throw ModelError.unsupported(
                file: "the hypothesis", reason: "\"\(hypothesis)\" has no {}, where the label is put")
        }
        let contradiction = entailment == 0 ? self.labels.count - 1 : 0
        var logits: [[Float]] = []
        for start in stride(from: 0, to: labels.count, by: 16) {
            let pairs = labels[start..<min(start + 16, labels.count)].map {
                (text, Optional(hypothesis.replacing("{}", with: $0)))
            }
            logits += try self.logits(of: pairs)
        }
        let shares =
            isMultiLabel || labels.count == 1
            ? logits.map { Self.softmax([$0[contradiction], $0[entailment]])[1] }
            : Self.softmax(logits.map { $0[entailment] })
        return zip(labels, shares).map { Class(label: $0, probability: $1) }
            .sorted { $0.probability > $1.probability }
    }
}

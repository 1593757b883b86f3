import MartletSystem

/// Options of training a classifier.
public struct ClassificationOptions: Sendable, Equatable {
    /// What is told of a text.
    public enum Task: String, Sendable, CaseIterable, OptionValue {
        /// One class of several.
        case single
        /// Any number of classes.
        case multi
        /// A number.
        case regression
        /// How well a text, or a pair of texts, is what is looked for: from 0 to 1.
        case score
        /// A class of each word.
        case tokens

        /// What transformers calls it in `problem_type`.
        var problem: String? {
            switch self {
            case .single: "single_label_classification"
            case .multi: "multi_label_classification"
            case .regression: "regression"
            case .tokens, .score: nil
            }
        }

        /// Whether a text is given one number in place of classes.
        var givesNumber: Bool { self == .regression || self == .score }
    }

    /// Nil: as the labels suggest.
    public internal(set) var task: Task?
    /// "negative,positive": the classes by their numbers.
    public internal(set) var labels: String?
    /// "balanced", or "spam=2,ham=1".
    public internal(set) var classWeights: String?
    public internal(set) var labelSmoothing: Double?

    var labelNames: [String]? {
        labels.map { text in
            text.split(separator: ",", omittingEmptySubsequences: false).map { String($0).trimmed }
        }
    }

    /// - Throws: `TrainingError` for an option that this task would not follow.
    func demandUsed(by task: Task) throws(TrainingError) {
        let hasOneClass = task == .single || task == .tokens
        for (isSet, name) in [
            (classWeights != nil, "class_weights"), ((labelSmoothing ?? 0) > 0, "label_smoothing"),
        ] where isSet && !hasOneClass {
            throw TrainingError(
                .configuration, "\(name) is of task single or tokens, not of \(task.rawValue)")
        }
        guard labels == nil || !task.givesNumber else {
            throw TrainingError(.configuration, "labels names classes, and \(task.rawValue) has none")
        }
    }

    /// The weight of each class.
    /// - Parameter counts: how often each is to be learnt.
    /// - Throws: `TrainingError` for a class that there is not, and for what is no weight.
    func weights(_ names: [String], counts: [Int]) throws(TrainingError) -> [Double]? {
        guard let classWeights else { return nil }
        if classWeights == "balanced" {
            let total = Double(counts.reduce(0, +)), seen = Double(max(1, counts.count { $0 > 0 }))
            return counts.map { $0 > 0 ? total / (seen * Double($0)) : 1 }
        }
        var weights = [Double](repeating: 1, count: names.count)
        for part in classWeights.split(separator: ",", omittingEmptySubsequences: false) {
            guard let cut = part.lastIndex(of: "="), let weight = Double(part[part.index(after: cut)...]),
                weight > 0, weight <= 1e6
            else {
                throw TrainingError(
                    .configuration,
                    "class_weights: \(String(part).quoted()) is not class=weight with a weight above 0; or say balanced"
                )
            }
            let name = String(part[..<cut]).trimmed
            guard let index = names.firstIndex(of: name) else {
                throw TrainingError(
                    .configuration,
                    "class_weights: there is no class \(name.quoted()); there are "
                        + names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", …" : ""))
            }
            weights[index] = weight
        }
        return weights
    }
}

extension String {
    /// Without spaces at its ends.
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

extension OptionPart {
    static let classification = OptionPart(
        "Classes",
        [
            .choice(
                "task", optional: \.classification.task,
                "What is told of a text: one class (single), any number of them (multi), a number (regression), how well a "
                    + "pair fits, from 0 to 1 (score: a reranker), or a class of each word (tokens).",
                others: "problem_type",
                default: .none("single; multi of lists, regression of fractions, tokens of rows of words")),
            .option(
                "labels", optional: \.classification.labels, .text,
                "The classes in the order of their numbers, as negative,positive; numbers in the data mean these.",
                shown: true, others: "label_names class_names id2label", default: .none("those of the data, in order")),
            .option(
                "class_weights", optional: \.classification.classWeights, .text,
                "What classes count in the loss: balanced, by how rare they are, or as spam=2,ham=1.", shown: true,
                others: "weights class_weight", default: .none("all the same")),
            .option(
                "label_smoothing", optional: \.classification.labelSmoothing, .number(0...0.99),
                "Weight of the uniform distribution beside the class.", shown: true,
                others: "smoothing label_smoothing_factor", default: .none()),
        ]
    ) { (run, _) throws(TrainingError) in
        if let task = run.classification.task { try run.classification.demandUsed(by: task) }
    }
}

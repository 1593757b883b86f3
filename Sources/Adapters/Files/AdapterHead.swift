import MartletJSON

/// What the head of a classifier gives, as an adapter's file says it: PEFT's configuration has no place for it, and the base's
/// is about another head or none.
public struct AdapterHead: Sendable, Equatable {
    /// The classes by their numbers.
    public var labels: [String]
    /// transformers' `problem_type`: "single_label_classification", …; nil where there is no name for it.
    public var problem: String?

    public init(labels: [String], problem: String?) { (self.labels, self.problem) = (labels, problem) }

    /// As the metadata of a file holds it.
    package var text: String {
        var members: JSONObject = ["labels": .array(labels.map { .string($0) })]
        if let problem { members["problem_type"] = .string(problem) }
        return JSON.object(members).text()
    }

    /// - Throws: `AdapterError` for metadata that says something else.
    init(_ text: String, file: String) throws(AdapterError) {
        let json = try? JSON(parsing: Array(text.utf8))
        guard let names = json?["labels"]?.array, names.allSatisfy({ $0.string != nil }) else {
            throw AdapterError(.file, "\(file): the metadata \(PEFTFolder.headKey) names no labels: \(text.prefix(60))")
        }
        self.init(labels: names.compactMap(\.string), problem: json?["problem_type"]?.string)
    }
}

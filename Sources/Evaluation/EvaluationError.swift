/// Why an evaluation was refused or ended: the task, the field of its definition or the row of its data, and what to do.
public struct EvaluationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The task, or the file of its definition.
    public var task: String
    /// `doc_to_text`, `metric_list`, …
    public var field: String?
    /// "row 12 of test".
    public var place: String?
    public var reason: String

    public init(_ task: String, field: String? = nil, place: String? = nil, _ reason: String) {
        self.task = task
        self.field = field
        self.place = place
        self.reason = reason
    }

    public var description: String { ([task, field, place].compactMap { $0 } + [reason]).joined(separator: ": ") }
}

import MartletJSON

/// What one task gave: numbers, their errors, and every row.
public struct TaskResult: Sendable {
    /// A number by metric and filter.
    public struct Score: Sendable {
        public var metric: String
        public var filter: String
        public var value: Double
        /// Nil where there is none: a single row, or a statistic without one.
        public var standardError: Double?
        public var isHigherBetter: Bool
    }

    /// One row under one filter.
    public struct Sample: Sendable {
        public var row: Int
        public var filter: String
        /// As lm-evaluation-harness writes it.
        public var json: JSONObject
        /// By metric, where the metric is a number of the row.
        public var values: [String: Double]
    }

    public var name: String
    public var alias: String
    public var version: JSON
    public var shotCount: Int
    public var scores: [Score]
    public var samples: [Sample]
    /// Rows that were asked, and those there are.
    public var rowCount: Int, totalRowCount: Int
    /// Rows that were left out, for the model can read no answer or question of theirs, and why; they are in none of `scores`.
    public var leftOut: [(row: Int, reason: String)] = []
    /// The definition as it was used.
    public var configuration: JSONObject
    /// Of documents, prompts and targets: results with another one are not of the same questions.
    public var hash: String
    public var isGroup = false
    public var depth = 0

    /// How many rows are left out, and the first of them, in one sentence.
    public var leftOutNote: String? {
        leftOut.first.map { first in
            "\(name): \(leftOut.count) of \(rowCount + leftOut.count) rows are left out and not counted; row \(first.row + 1): \(first.reason)"
        }
    }

    /// How many rows the published data have, where that is known.
    public var publishedRowCount: Int? { BuiltInTasks.publishedRows[name] }
}

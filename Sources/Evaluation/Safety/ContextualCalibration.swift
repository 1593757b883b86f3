import MartletJSON

/// Contextual calibration: a model that favours some answers whatever is asked is corrected by what it says of inputs
/// without content ("N/A", "[MASK]", nothing): q = softmax of log p − log p_content-free.
///
/// Source: Zhao et al. 2021.
public struct ContextualCalibration: Sendable {
    /// The mean probability of each label on inputs without content.
    public let prior: [Double]

    /// - Parameter contentFree: for each such input the log-likelihoods of all labels.
    public init(contentFree: [[Double]]) throws(EvaluationError) {
        guard let count = contentFree.first?.count, count > 1, contentFree.allSatisfy({ $0.count == count }) else {
            throw EvaluationError("calibration", "needs inputs without content, each with all labels")
        }
        var mean = [Double](repeating: 0, count: count)
        for logs in contentFree {
            for (index, value) in SampleJudge.softmax(logs).enumerated() {
                mean[index] += value / Double(contentFree.count)
            }
        }
        prior = mean
    }

    /// The calibrated probabilities of a question's labels.
    public func callAsFunction(_ logs: [Double]) -> [Double] {
        let powers = zip(SampleJudge.softmax(logs), prior).map { $0 / max($1, 1e-12) }, sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }

    /// Accuracy before and after, on questions with the place of the right label.
    public func gain(_ questions: [(logs: [Double], gold: Int)]) -> (before: Double, after: Double) {
        func best(_ values: [Double]) -> Int { values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 } }
        let count = Double(max(questions.count, 1))
        return (
            Double(questions.count { best($0.logs) == $0.gold }) / count,
            Double(questions.count { best(self($0.logs)) == $0.gold }) / count
        )
    }
}

import MartletJSON

/// What the fast path (quantised products, float16 keys and values) differs from float32 in, measured on some of an
/// evaluation's own requests.
public enum PrecisionCheck {
    /// Requests, evenly spread over those of an evaluation.
    public static func sample(
        _ asked: [(EvaluationRequest, RequestAnswer)], count: Int
    ) -> [(EvaluationRequest, RequestAnswer)] {
        let asked = asked.filter { $0.1.reason == nil }
        guard count > 0, asked.count > count else { return count > 0 ? asked : [] }
        return (0..<count).map { asked[$0 * asked.count / count] }
    }

    /// Asks the model in float32 the same, and compares.
    /// - Throws: as `answer(_:isCancelled:receive:)`.
    public static func difference(
        _ asked: [(EvaluationRequest, RequestAnswer)], exact: any EvaluationModel, isCancelled: () -> Bool = { false }
    ) throws -> JSONObject {
        var differences: [Double] = [], relative: [Double] = [], otherGreedy = 0, replies = 0, otherReplies = 0
        try exact.answer(asked.map(\.0), isCancelled: isCancelled) { place, answer in
            switch (asked[place].1, answer) {
            case (.reply(let a), .reply(let b)):
                replies += 1
                if a != b { otherReplies += 1 }
            case (let a, let b):
                let difference = abs(a.logLikelihood - b.logLikelihood)
                differences.append(difference)
                relative.append(difference / max(1, abs(b.logLikelihood)))
                if case .score(_, let x) = a, case .score(_, let y) = b, x != y { otherGreedy += 1 }
            }
        }
        func count(_ value: Int) -> JSON { .integer(Int64(value)) }
        return [
            "exact": false, "requests_checked": count(asked.count),
            "log_likelihoods": count(differences.count),
            "mean_difference": differences.isEmpty
                ? .null : .number(differences.reduce(0, +) / Double(differences.count)),
            "largest_difference": differences.max().map { .number($0) } ?? .null,
            "largest_relative_difference": relative.max().map { .number($0) } ?? .null,
            "greedy_differs": count(otherGreedy), "replies": count(replies), "replies_differ": count(otherReplies),
        ]
    }
}

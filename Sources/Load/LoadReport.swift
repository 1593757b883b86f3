import MartletJSON

/// The measurements of a run.
public struct LoadReport: Sendable {
    public let options: LoadOptions
    public let records: [LoadRecord]
    /// Seconds from the first request to the last reply.
    public let seconds: Double

    public init(_ options: LoadOptions, _ records: [LoadRecord]) {
        self.options = options
        self.records = records
        let first = records.map(\.sent).min() ?? 0
        seconds = max((records.map(\.ended).max() ?? 0) - first, 1e-9)
    }

    public var complete: [LoadRecord] { records.filter(\.isComplete) }
    public var replyTokensPerSecond: Double { Double(complete.reduce(0) { $0 + $1.replyTokens }) / seconds }
    public var totalTokensPerSecond: Double {
        Double(complete.reduce(0) { $0 + $1.replyTokens + $1.promptTokens }) / seconds
    }
    public var requestsPerSecond: Double { Double(complete.count) / seconds }
    /// Requests per second that met the objective (goodput; DistServe, Zhong et al. 2024).
    public var goodput: Double { Double(records.filter { $0.meets(options.objective) }.count) / seconds }
    /// The number of failed requests by reason.
    public var failures: [(reason: String, count: Int)] {
        var counts: [String: Int] = [:]
        for record in records where !record.isComplete { counts[record.failure ?? "an empty reply", default: 0] += 1 }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    }

    /// The distributions to report, in this order.
    public var distributions: [(name: String, values: Distribution)] {
        [
            ("time_to_first_token", Distribution(complete.compactMap(\.firstTokenSeconds))),
            ("time_per_output_token", Distribution(complete.compactMap(\.tokenSeconds))),
            ("inter_token_latency", Distribution(complete.flatMap(\.gaps))),
            ("end_to_end", Distribution(complete.map(\.totalSeconds))),
        ]
    }

    public var json: JSON {
        func number(_ value: Double) -> JSON { .number((value * 1e6).rounded() / 1e6) }
        func integer(_ value: Int) -> JSON { .integer(Int64(value)) }
        var members: [(String, JSON)] = [
            ("url", .string(options.url)), ("model", .string(options.model)),
            ("endpoint", .string(options.endpoint.rawValue)), ("seconds", number(seconds)),
            ("requests", integer(records.count)), ("completed", integer(complete.count)),
            ("failed", integer(records.count - complete.count)),
            ("prompt_tokens", integer(complete.reduce(0) { $0 + $1.promptTokens })),
            ("cached_tokens", integer(complete.reduce(0) { $0 + $1.cachedTokens })),
            ("output_tokens", integer(complete.reduce(0) { $0 + $1.replyTokens })),
            ("requests_per_second", number(requestsPerSecond)),
            ("output_tokens_per_second", number(replyTokensPerSecond)),
            ("total_tokens_per_second", number(totalTokensPerSecond)), ("goodput_requests_per_second", number(goodput)),
        ]
        for (name, values) in distributions {
            let parts: [(String, Double)] = [
                ("mean", values.mean), ("p50", values.percentile(50)), ("p90", values.percentile(90)),
                ("p95", values.percentile(95)), ("p99", values.percentile(99)), ("max", values.percentile(100)),
            ]
            members.append((name + "_seconds", .object(JSONObject(parts.map { ($0.0, number($0.1)) }))))
        }
        members.append(("failures", .object(JSONObject(failures.map { ($0.reason, integer($0.count)) }))))
        return .object(JSONObject(members))
    }
}

/// Measured values, sorted.
public struct Distribution: Sendable {
    public let sorted: [Double]

    public init(_ values: [Double]) { sorted = values.sorted() }

    public var mean: Double { sorted.isEmpty ? 0 : sorted.reduce(0, +) / Double(sorted.count) }

    /// The smallest value that at least `percent` percent of all values do not exceed (nearest rank).
    public func percentile(_ percent: Double) -> Double {
        guard !sorted.isEmpty else { return 0 }
        let rank = Int((percent / 100 * Double(sorted.count)).rounded(.up))
        return sorted[min(max(rank - 1, 0), sorted.count - 1)]
    }
}

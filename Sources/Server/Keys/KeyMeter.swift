import HTTPTypes
import MartletAPI
import Synchronization

/// The quota usage of one key.
///
/// Requests are limited by a token bucket that fills evenly (a minute's worth may come at once, then one every 60/rpm
/// seconds); tokens are counted per 24 hours from the first request on. The number of a reply's tokens is known when it
/// is finished, so the last request of a day may exceed the quota.
package final class KeyMeter: Sendable {
    private struct State {
        var requests: Double
        var filled: ContinuousClock.Instant
        var tokens = 0
        var dayStart: ContinuousClock.Instant
        var running = 0
    }

    package let quota: KeyQuota
    private let state: Mutex<State>
    private static let day = Duration.seconds(86_400)

    package init(_ quota: KeyQuota, now: ContinuousClock.Instant = .now) {
        self.quota = quota
        state = Mutex(State(requests: Double(quota.requestsPerMinute ?? 0), filled: now, dayStart: now))
    }

    /// Charges one request to the quota.
    /// - Throws: `APIError` 429 with the time to wait.
    package func begin(now: ContinuousClock.Instant = .now) throws(APIError) {
        let refusal: APIError? = state.withLock { state in
            if let limit = quota.concurrentRequests, state.running >= limit {
                return Self.refusal("\(limit) requests at a time", wait: 1)
            }
            if let limit = quota.tokensPerDay {
                if now - state.dayStart >= Self.day {
                    state.dayStart = now
                    state.tokens = 0
                }
                guard state.tokens < limit else {
                    return Self.refusal("\(limit) tokens a day", wait: (Self.day - (now - state.dayStart)).inSeconds)
                }
            }
            if let limit = quota.requestsPerMinute {
                fill(&state, limit, now)
                guard state.requests >= 1 else {
                    return Self.refusal("\(limit) requests a minute", wait: (1 - state.requests) * 60 / Double(limit))
                }
                state.requests -= 1
            }
            state.running += 1
            return nil
        }
        if let refusal { throw refusal }
    }

    package func end(tokens: Int) {
        state.withLock { state in
            state.running -= 1
            state.tokens += tokens
        }
    }

    private func fill(_ state: inout State, _ limit: Int, _ now: ContinuousClock.Instant) {
        let gained = (now - state.filled).inSeconds * Double(limit) / 60
        state.requests = min(Double(limit), state.requests + max(gained, 0))
        state.filled = now
    }

    private static func refusal(_ quota: String, wait: Double) -> APIError {
        APIError(
            status: 429, "This key's quota of \(quota) is used up.", type: "rate_limit_error",
            code: "rate_limit_exceeded", retryAfterSeconds: wait)
    }

    /// OpenAI's rate-limit header fields.
    package func fields(now: ContinuousClock.Instant = .now) -> HTTPFields {
        var fields = HTTPFields()
        state.withLock { state in
            if let limit = quota.requestsPerMinute {
                fill(&state, limit, now)
                fields[.limitRequests] = "\(limit)"
                fields[.remainingRequests] = "\(Int(state.requests))"
                fields[.resetRequests] = Self.text((Double(limit) - state.requests) * 60 / Double(limit))
            }
            if let limit = quota.tokensPerDay {
                fields[.limitTokens] = "\(limit)"
                fields[.remainingTokens] = "\(max(0, limit - state.tokens))"
                fields[.resetTokens] = Self.text((Self.day - (now - state.dayStart)).inSeconds)
            }
        }
        return fields
    }

    private static func text(_ seconds: Double) -> String { "\(Int((seconds * 1000).rounded()))ms" }
}

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

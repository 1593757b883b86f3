import MartletAPI
import MartletSystem
import Synchronization

/// The memory budget of the bodies of all current requests.
///
/// A body is charged by the bytes received, not by the announced length, and once more for its parsed form. The first
/// bytes of each body are free: their number is bounded by the number of connections, and small requests are served
/// while large ones use up the budget.
package final class BodyBudget: Sendable {
    package let limit: Int
    private let used = Mutex(0)

    /// Bytes of each body that are not charged.
    static let free = 64 << 10

    package init(_ limit: Int) { self.limit = limit }

    package var held: Int { used.withLock { $0 } }

    /// The part of the budget held by one request, released with the last reference.
    package final class Share: Sendable {
        private let budget: BodyBudget
        private let taken = Mutex(0)

        fileprivate init(_ budget: BodyBudget) { self.budget = budget }

        deinit { release() }

        /// Raises the charge to a body of this many bytes.
        /// - Throws: `APIError` 503 when other requests hold too much.
        package func grow(to count: Int) throws(APIError) {
            let wanted = max(0, count - BodyBudget.free)
            let fits = taken.withLock { taken in
                guard wanted > taken else { return true }
                // In steps, so that the budget is not locked for every packet.
                let stepped = max(wanted, min(taken.adding(clamped: 256 << 10), budget.limit / 16))
                if budget.take(stepped - taken) {
                    taken = stepped
                } else if budget.take(wanted - taken) {
                    taken = wanted
                } else {
                    return false
                }
                return true
            }
            guard fits else { throw budget.refusal }
        }

        package func release() {
            let held = taken.withLock { taken in
                defer { taken = 0 }
                budget.give(taken)
                return taken
            }
            // The memory of a large body is freed at about this time.
            if held > 1 << 20 {
                Task(executorPreference: WorkLane.large) { try? await Task.sleep(for: .milliseconds(200)) }
            }
        }
    }

    package func share() -> Share { Share(self) }

    private func take(_ count: Int) -> Bool {
        used.withLock { used in
            guard count <= limit - used else { return false }
            used += count
            return true
        }
    }

    private func give(_ count: Int) { used.withLock { $0 -= count } }

    private var refusal: APIError {
        APIError(
            status: 503,
            "The bodies of the requests under way fill the \(limit >> 20) MiB that they may take together. Try again.",
            type: "unavailable_error", code: "overloaded", retryAfterSeconds: 1)
    }
}

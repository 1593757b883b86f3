import MartletSystem

/// Counts the work of one rendering against its limits. Every operation charges what it reads and creates before or
/// while it does so; so no operation takes longer, or uses more memory, than the limits allow.
package final class JinjaMeter {
    private let limits: JinjaLimits
    private var steps = 0
    private var nextCheck = interval
    private let clock = ContinuousClock()
    private let deadline: ContinuousClock.Instant
    /// Steps between two readings of the clock: about a tenth of a millisecond.
    private static let interval = 256

    package init(_ limits: JinjaLimits = JinjaLimits()) {
        self.limits = limits
        deadline =
            clock.now + .milliseconds(Int64(clamping: limits.seconds * 1000).narrowed(to: 0...1_000_000_000) ?? 0)
    }

    package func step(_ count: Int = 1) throws(JinjaError) {
        steps = steps.adding(clamped: count)
        if steps >= nextCheck { try check() }
    }

    /// Charges bytes that are compared, searched, hashed or copied: 64 per step.
    func touch(_ bytes: Int) throws(JinjaError) { try step(bytes >> 6) }

    /// Charges bytes that are examined character by character: 16 per step.
    func scan(_ bytes: Int) throws(JinjaError) { try step(bytes >> 4) }

    /// Charges strings that are created one by one, each with its own storage.
    func make(texts: Int) throws(JinjaError) { try step(texts.multiplied(clampedBy: 2)) }

    private func check() throws(JinjaError) {
        guard steps <= limits.steps else { throw .limit("more than \(limits.steps) steps") }
        guard clock.now < deadline else { throw .limit("took longer than \(limits.seconds) s") }
        guard !Task.isCancelled, !(limits.isCancelled?() ?? false) else {
            throw JinjaError(.cancelled, "the rendering was cancelled")
        }
        nextCheck = steps.adding(clamped: Self.interval)
    }
}

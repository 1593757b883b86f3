import MartletRuns

/// Notices that a run learns nothing, because all replies to each problem are worth the same: a group without variance has no
/// advantage and no gradient.
///
/// ```swift
/// var watch = EqualRewardWatch()
/// if let note = watch.note(report) { print(note) }
/// ```
public struct EqualRewardWatch: Sendable {
    private var steps = 0, groups = 0, flat = 0
    /// Steps in a row after which it is told; doubled each time.
    private var due = 3

    public init() {}

    /// What to tell after a step: at the third in a row without a group whose rewards differ, the sixth, the twelfth.
    public mutating func note(_ report: StepReport) -> String? {
        guard let share = report["frac_reward_zero_std"] else { return nil }
        groups += 1
        guard share >= 1 else {
            (steps, due) = (0, 3)
            return nil
        }
        flat += 1
        steps += 1
        guard steps == due else { return nil }
        due *= 2
        let worth = report["reward"].map { " (\(($0 * 1000).rounded() / 1000) on average)" } ?? ""
        let ended = report["finished"].map { $0 == 0 } ?? false
        return
            "in \(steps) steps in a row all replies to each problem were worth the same\(worth): nothing is learnt from "
            + "them"
            + (ended
                ? "; no reply came to its end, so all are worth nothing: raise maximum_tokens"
                : "; take easier or harder problems, more replies to each (group_size), a higher temperature, a reward with "
                    + "more than two values, or method dapo, which draws such groups again")
    }

    /// At the end: in how many of the steps it was so; nil where in none.
    public var summary: String? {
        flat > 0
            ? "in \(flat) of \(groups) steps all replies to each problem were worth the same: these steps taught nothing"
            : nil
    }
}

/// The number of prompt rows per step while other sequences decode (chunked prefill).
///
/// A step with n prompt rows takes the time of a decode step plus an added time about proportional to n. So the next
/// step gets `allowed / added · n` rows: fewer if the machine is busy, the model large or the prompt already long. At
/// most twice as many as in the previous step, because one fast step is weak evidence; and a multiple of sixteen, the
/// tile of the kernels.
///
/// Small chunks make a prompt slower, because every step reads the weights again; with sixteen rows per step that is
/// most of the time, and few replies go on in small batches while the others have not begun. So every client that waits
/// for its first token has the allowed time: one may hold the others up for so long, and a burst is computed at once.
package struct PromptPiece {
    static let least = 16
    /// The first chunk, before anything is measured.
    private static let first = 64
    let allowed: Duration
    let most: Int
    package private(set) var rows: Int

    package init(allowed: Duration, most: Int) {
        self.allowed = allowed
        self.most = max(most, Self.least)
        rows = min(Self.first, self.most)
    }

    /// The rows of the next step.
    /// - Parameters:
    ///   - clients: how many clients have prompts that are not complete; several prompts of one request count once.
    package func rows(for clients: Int) -> Int {
        min(most, rows.multiplied(clampedBy: max(1, clients)))
    }

    /// Records how much longer a step took because of its prompt rows.
    package mutating func note(rows count: Int, added: Duration) {
        guard count > 0 else { return }
        let fitting = Double(count) * allowed.seconds / max(added.seconds, 1e-9)
        let next = Int(min(fitting, Double(min(most, 2 * rows)))) / Self.least * Self.least
        rows = max(next, Self.least)
    }
}

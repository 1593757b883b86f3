/// How many rows of prompts a step takes while replies wait for their next token.
///
/// The time of a step with n such rows is that of the replies alone and what the rows add, which grows about as n does.
/// So the next step may have `allowed / added · n` of them: fewer where the machine is busy, the model large or the prompt
/// long already, more where it is not. At most twice as many as in the step before, as one fast step says little, and
/// whole sixteens, which kernels compute at once.
///
/// Small pieces make a prompt take longer: every step reads the weights again. With sixteen rows a step that is most of
/// its time.
package struct PromptPiece {
    static let least = 16
    /// Nothing is known of the first.
    private static let first = 64
    let allowed: Duration
    let most: Int
    package private(set) var rows: Int

    package init(allowed: Duration, most: Int) {
        self.allowed = allowed
        self.most = max(most, Self.least)
        rows = min(Self.first, self.most)
    }

    /// Notes how much longer than without them a step with so many rows of prompts took.
    package mutating func note(rows count: Int, added: Duration) {
        guard count > 0 else { return }
        let fitting = Double(count) * allowed.seconds / max(added.seconds, 1e-9)
        let next = Int(min(fitting, Double(min(most, 2 * rows)))) / Self.least * Self.least
        rows = max(next, Self.least)
    }
}

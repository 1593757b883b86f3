/// A regular expression of the kind that cuts text for tokenizers, over UTF-8.
///
/// Understood are: characters and escapes (`\n`, `\xHH`, `\u0041`, `\u{41}`), `.`, classes with ranges, negation, nesting,
/// `&&` and `[:alpha:]`, `\s \d \w \h` and their opposites, `\p{…}` and `\P{…}` with general categories, scripts and a
/// few properties, groups (plain, named, `(?:`, `(?i:`, `(?i)`, atomic), alternatives, repeats that are greedy, lazy or
/// possessive, lookahead, lookbehind of fixed lengths, `^ $ \A \z \Z \b \B`. Anything else is a `PatternError`: what the
/// construct is, and where. Two things are not as in Oniguruma: without case, one character never equals two (`ß` and
/// `ss`), and what may match nothing cannot be repeated more than once.
///
/// A match is the leftmost, and of those the one found first (as backtracking engines have it), but the time is linear
/// in the text, whatever the expression: see `PatternMachine`. Memory is, beyond the program, a few bits for each byte
/// between the start of a match and the farthest that was looked at, and that only in texts that ask for it.
package struct RegularExpression: Sendable {
    private let program: PatternProgram

    package init(_ expression: String, _ dialect: PatternDialect) throws(PatternError) {
        program = try PatternCompiler.compile(expression, dialect)
    }

    /// A match may be empty, as far as the expression tells.
    package var canMatchNothing: Bool { program.startSet < 0 }

    /// Calls `body` with every match from left to right, without overlap; an empty match is not taken right where the
    /// last one ended. Failures are remembered when steps go beyond `stepsAtFirst` and so many for each byte, to no
    /// effect but on time and memory. Returns the steps it took.
    @discardableResult
    package func forEachMatch(
        in text: UnsafeBufferPointer<UInt8>, stepsAtFirst: Int = 4_096, _ body: (Range<Int>) throws -> Void
    ) rethrows -> Int {
        try withUnsafeTemporaryAllocation(of: PatternMachine.Choice.self, capacity: 32) { stack in
            var machine = PatternMachine(program, text, allowedAtFirst: stepsAtFirst, stack: stack)
            defer { machine.finish() }
            var position = 0
            var lastEnd = -1
            while position <= text.count, let match = machine.firstMatch(from: position) {
                if match.isEmpty, match.lowerBound == lastEnd {
                    position = lastEnd + (lastEnd < text.count ? machine.text.length(at: lastEnd) : 1)
                    continue
                }
                position = match.upperBound
                lastEnd = match.upperBound
                try body(match)
            }
            return machine.steps
        }
    }
}

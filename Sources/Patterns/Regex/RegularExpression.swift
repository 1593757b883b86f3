/// A regular expression as used by pre-tokenizers, over UTF-8.
///
/// ```swift
/// let words = try RegularExpression(#"\p{L}+|\p{N}{1,3}"#, .oniguruma)
/// ```
///
/// Supported: characters and escapes (`\n`, `\xHH`, `\u0041`, `\u{41}`), `.`, classes with ranges, negation, nesting,
/// `&&` and `[:alpha:]`, `\s \d \w \h` and their complements, `\p{…}` and `\P{…}` with general categories, scripts and
/// some properties, groups (plain, named, `(?:`, `(?i:`, `(?i)`, atomic), alternatives, repeats that are greedy, lazy
/// or possessive, lookahead, lookbehind of fixed lengths, `^ $ \A \z \Z \b \B`. Anything else throws a `PatternError`
/// with the construct and its position. Two differences from Oniguruma: ignoring case, one character never equals two
/// (`ß` and `ss`); and an expression with a possibly empty match cannot be repeated more than once.
///
/// A match is the leftmost one, and among those the first in backtracking order, but the time is linear in the text for
/// every expression (see `PatternMachine`). Memory beyond the program is a few bits per byte between the start of a
/// match and the farthest position examined, and only for texts that need memoisation.
package struct RegularExpression: Sendable {
    private let program: PatternProgram

    package init(_ expression: String, _ dialect: PatternDialect) throws(PatternError) {
        program = try PatternCompiler.compile(expression, dialect)
    }

    /// Whether a match may be empty, judged by the expression.
    package var canMatchNothing: Bool { program.startSet < 0 }

    /// Calls `body` with every match from left to right, without overlap; an empty match directly after the previous
    /// match is skipped. Failures are memoised when the steps exceed `stepsAtFirst` plus a number per byte, which only
    /// affects time and memory. Returns the number of steps.
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

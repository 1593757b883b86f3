import MartletPatterns

/// Splits at the matches of a pattern: a string or a regular expression. The expressions of known families have faster
/// hand-written scanners (`KnownPatterns`).
package struct PatternCutter: PreTokenizer {
    package let pattern: Pattern
    package let behavior: SplitBehavior
    /// Whether the pieces are the matches instead of the text between them.
    package let isInverted: Bool

    package init(_ pattern: Pattern, behavior: SplitBehavior, isInverted: Bool = false) {
        self.pattern = pattern
        self.behavior = behavior
        self.isInverted = isInverted
    }

    package func split(_ text: UnsafeBufferPointer<UInt8>, _ emit: (Range<Int>) throws -> Void) rethrows {
        switch behavior {
        case .isolated:
            var position = 0
            try pattern.forEachMatch(in: text) { match in
                if position < match.lowerBound { try emit(position..<match.lowerBound) }
                if !match.isEmpty { try emit(match) }
                position = match.upperBound
            }
            if position < text.count { try emit(position..<text.count) }
        case .removed:
            var position = 0
            try pattern.forEachMatch(in: text) { match in
                let range = isInverted ? match : position..<match.lowerBound
                if !range.isEmpty { try emit(range) }
                position = match.upperBound
            }
            if !isInverted, position < text.count { try emit(position..<text.count) }
        case .contiguous, .mergedWithNext, .mergedWithPrevious:
            // An empty match separates too.
            var stretches: [(range: Range<Int>, isSeparator: Bool)] = []
            var position = 0
            pattern.forEachMatch(in: text) { match in
                if position < match.lowerBound { stretches.append((position..<match.lowerBound, isInverted)) }
                stretches.append((match, !isInverted))
                position = match.upperBound
            }
            if position < text.count { stretches.append((position..<text.count, isInverted)) }
            for range in behavior.arrange(stretches) where !range.isEmpty { try emit(range) }
        }
    }
}

/// A string or a regular expression to search for.
package enum Pattern: Sendable {
    case string([UInt8])
    case expression(RegularExpression)

    /// Whether a match may be empty.
    package var canMatchNothing: Bool {
        switch self {
        case .string(let pattern): pattern.isEmpty
        case .expression(let expression): expression.canMatchNothing
        }
    }

    /// Matches from left to right, without overlap.
    package func forEachMatch(
        in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) throws -> Void
    ) rethrows {
        switch self {
        case .string(let pattern): try ByteSearch.forEachMatch(of: pattern, in: text, body)
        case .expression(let expression): try expression.forEachMatch(in: text, body)
        }
    }
}

/// Replaces the matches of a pattern, including empty ones: `^` puts the replacement before every line.
package struct PatternReplaceNormalizer: Normalizer {
    package let pattern: Pattern
    package let replacement: [UInt8]

    package init(_ pattern: Pattern, with replacement: String) {
        self.pattern = pattern
        self.replacement = Array(replacement.utf8)
    }

    package func normalize(_ text: [UInt8]) -> [UInt8] {
        text.withUnsafeBufferPointer { bytes in
            var output: [UInt8] = []
            var position = 0
            pattern.forEachMatch(in: bytes) { match in
                output += bytes[position..<match.lowerBound]
                output += replacement
                position = match.upperBound
            }
            output += bytes[position...]
            return output
        }
    }
}

/// Replaces runs of a byte of at least a given length: the ` {2,}` of many files.
package struct RunReplaceNormalizer: Normalizer {
    package let byte: UInt8
    package let shortest: Int
    package let replacement: [UInt8]

    package init(byte: UInt8, shortest: Int, replacement: [UInt8]) {
        self.byte = byte
        self.shortest = shortest
        self.replacement = replacement
    }

    package func normalize(_ text: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            guard text[index] == byte else {
                output.append(text[index])
                index += 1
                continue
            }
            let end = text[index...].firstIndex { $0 != byte } ?? text.count
            if end - index >= shortest { output += replacement } else { output += text[index..<end] }
            index = end
        }
        return output
    }
}

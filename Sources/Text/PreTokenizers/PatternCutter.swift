/// Cuts at what a pattern matches: a string, or a regular expression that no scanner here knows.
///
/// Regular expressions go through the standard library's engine, which is general and slow; the patterns of the known
/// families are recognised before it comes to that (`KnownPatterns`).
package struct PatternCutter: PreTokenizer {
    package let pattern: Pattern
    package let behavior: SplitBehavior
    /// The pieces are what matches, not what lies between.
    package let isInverted: Bool

    package init(_ pattern: Pattern, behavior: SplitBehavior, isInverted: Bool = false) {
        self.pattern = pattern
        self.behavior = behavior
        self.isInverted = isInverted
    }

    package func split(_ text: UnsafeBufferPointer<UInt8>, _ emit: (Range<Int>) throws -> Void) rethrows {
        var stretches: [(range: Range<Int>, isSeparator: Bool)] = []
        var position = 0
        for match in pattern.matches(in: text) where !match.isEmpty {
            if position < match.lowerBound { stretches.append((position..<match.lowerBound, isInverted)) }
            stretches.append((match, !isInverted))
            position = match.upperBound
        }
        if position < text.count { stretches.append((position..<text.count, isInverted)) }
        for range in behavior.arrange(stretches) { try emit(range) }
    }
}

/// A string or a regular expression to look for.
package enum Pattern: Sendable {
    case string([UInt8])
    case expression(String)

    /// nil when the expression is not one the engine understands.
    package init?(checking expression: String) {
        let expression = Self.inOurDialect(expression)
        guard (try? Regex(expression)) != nil else { return nil }
        self = .expression(expression)
    }

    /// `\w` is letters, marks, digits, connectors and Latin-1's small numbers to the engine these files are written
    /// for (Oniguruma), and less to the standard library's.
    private static func inOurDialect(_ expression: String) -> String {
        var output = ""
        var depth = 0
        var isEscaped = false
        for scalar in expression.unicodeScalars {
            if isEscaped {
                isEscaped = false
                let word = #"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u{B2}\u{B3}\u{B9}\u{BC}-\u{BE}"#
                switch scalar {
                case "w": output += depth > 0 ? word : "[\(word)]"
                case "W" where depth == 0: output += "[^\(word)]"
                default:
                    output += "\\"
                    output.unicodeScalars.append(scalar)
                }
                continue
            }
            switch scalar {
            case "\\":
                isEscaped = true
                continue
            case "[": depth += 1
            case "]": depth = max(0, depth - 1)
            default: break
            }
            output.unicodeScalars.append(scalar)
        }
        return isEscaped ? output + "\\" : output
    }

    /// Matches from left to right, without overlap.
    package func matches(in text: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        switch self {
        case .string(let pattern):
            guard let first = pattern.first, text.count >= pattern.count else { return [] }
            var found: [Range<Int>] = []
            var index = 0
            while index <= text.count - pattern.count {
                let end = index + pattern.count
                if text[index] == first, UnsafeBufferPointer(rebasing: text[index..<end]).elementsEqual(pattern) {
                    found.append(index..<end)
                    index = end
                } else {
                    index += 1
                }
            }
            return found
        case .expression(let expression):
            // An expression is not to be shared between threads, so that each use makes its own.
            guard let regex = try? Regex(expression).matchingSemantics(.unicodeScalar) else { return [] }
            let repaired = RepairedText(text)
            let string = repaired.string
            return string.matches(of: regex).map { match in
                let start = string.utf8.distance(from: string.startIndex, to: match.range.lowerBound)
                let length = string.utf8.distance(from: match.range.lowerBound, to: match.range.upperBound)
                return repaired.place(start)..<repaired.place(start + length)
            }
        }
    }
}

/// Replaces what a regular expression matches. An empty match stays: text must not grow between all its bytes.
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
            for match in pattern.matches(in: bytes) where !match.isEmpty {
                output += bytes[position..<match.lowerBound]
                output += replacement
                position = match.upperBound
            }
            output += bytes[position...]
            return output
        }
    }
}

/// Runs of a byte, of a length or longer, become one replacement: the ` {2,}` of many files.
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

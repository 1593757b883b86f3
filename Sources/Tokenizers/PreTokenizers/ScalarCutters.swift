import MartletPatterns

/// What happens to the separators between pieces.
package enum SplitBehavior: String, Sendable, CaseIterable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"

    /// Combines spans, each a separator or not, as the behaviour says.
    package func arrange(_ stretches: [(range: Range<Int>, isSeparator: Bool)]) -> [Range<Int>] {
        var pieces: [Range<Int>] = []
        var previous = false
        func extend(_ range: Range<Int>) {
            pieces[pieces.count - 1] = pieces[pieces.count - 1].lowerBound..<range.upperBound
        }
        switch self {
        case .removed: return stretches.lazy.filter { !$0.isSeparator }.map(\.range)
        case .isolated: return stretches.map(\.range)
        case .contiguous:
            for (range, isSeparator) in stretches {
                if !pieces.isEmpty, isSeparator == previous { extend(range) } else { pieces.append(range) }
                previous = isSeparator
            }
            return pieces
        case .mergedWithPrevious:
            for (range, isSeparator) in stretches {
                if isSeparator, !previous, !pieces.isEmpty { extend(range) } else { pieces.append(range) }
                previous = isSeparator
            }
            return pieces
        case .mergedWithNext:
            for (range, isSeparator) in stretches.reversed() {
                if isSeparator, !previous, let last = pieces.last {
                    pieces[pieces.count - 1] = range.lowerBound..<last.upperBound
                } else {
                    pieces.append(range)
                }
                previous = isSeparator
            }
            return pieces.reversed()
        }
    }
}

/// Splits by the properties of single scalars.
package struct ScalarCutter: PreTokenizer {
    package enum Rule: Sendable {
        /// White space separates and is dropped.
        case whitespace
        /// White space is dropped; every punctuation character is its own piece (BERT).
        case bert
        /// `\w+|[^\w\s]+`
        case words
        /// Digits, individually or in runs.
        case digits(individual: Bool)
        case punctuation(SplitBehavior)
        case delimiter(UInt32)
    }

    package let rule: Rule
    private let table = CategoryTable.shared

    package init(_ rule: Rule) { self.rule = rule }

    private func isPunctuation(_ scalar: UInt32) -> Bool {
        if scalar < 0x80 { return scalar > 0x20 && scalar < 0x7F && !table[scalar].has(.letterOrNumber) }
        return table[scalar].has(.punctuation)
    }

    package func split(_ text: UnsafeBufferPointer<UInt8>, _ emit: (Range<Int>) throws -> Void) rethrows {
        switch rule {
        case .punctuation(let behavior):
            var stretches: [(range: Range<Int>, isSeparator: Bool)] = []
            forEachRun(text, kind: { isPunctuation($0) ? 1 : 0 }, alone: { $0 == 1 }) { range, kind in
                stretches.append((range, kind == 1))
            }
            for range in behavior.arrange(stretches) { try emit(range) }
        case .whitespace:
            try forEachRun(text, kind: { WhiteSpace.contains($0) ? 1 : 0 }, alone: { _ in false }) { range, kind in
                if kind == 0 { try emit(range) }
            }
        case .bert:
            try forEachRun(
                text, kind: { WhiteSpace.contains($0) ? 1 : isPunctuation($0) ? 2 : 0 }, alone: { $0 == 2 }
            ) { range, kind in
                if kind != 1 { try emit(range) }
            }
        case .words:
            try forEachRun(
                text, kind: { ScalarClass.isWord($0) ? 0 : WhiteSpace.contains($0) ? 1 : 2 }, alone: { _ in false }
            ) { range, kind in
                if kind != 1 { try emit(range) }
            }
        case .digits(let individual):
            try forEachRun(text, kind: { table[$0].has(.number) ? 1 : 0 }, alone: { individual && $0 == 1 }) {
                range, _ in
                try emit(range)
            }
        case .delimiter(let delimiter):
            try forEachRun(text, kind: { $0 == delimiter ? 1 : 0 }, alone: { _ in false }) { range, kind in
                if kind == 0 { try emit(range) }
            }
        }
    }

    /// Calls `body` with every run of scalars of the same kind; scalars of an individual kind form runs of one.
    @inline(__always)
    private func forEachRun(
        _ text: UnsafeBufferPointer<UInt8>, kind: (UInt32) -> Int, alone: (Int) -> Bool,
        _ body: (Range<Int>, Int) throws -> Void
    ) rethrows {
        var scalars = UTF8Scalars(text)
        var start = 0
        var current = -1
        while case let position = scalars.position, let scalar = scalars.next() {
            let next = kind(scalar)
            if current >= 0, next != current || alone(next) {
                try body(start..<position, current)
                start = position
            }
            current = next
        }
        if start < text.count, current >= 0 { try body(start..<text.count, current) }
    }
}

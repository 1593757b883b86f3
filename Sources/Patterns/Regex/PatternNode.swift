/// The syntax tree of an expression. Capturing groups are omitted: captures are not needed.
package indirect enum PatternNode: Sendable {
    package enum Eagerness: Sendable {
        case greedy, lazy, possessive
    }

    package enum Assertion: Int32, Sendable {
        case lineStart, lineEnd, textStart, textEnd, textEndOrFinalNewline, wordBoundary, notWordBoundary
    }

    /// One scalar of the set.
    case one(ScalarSet)
    case sequence([PatternNode])
    /// The first alternative that matches is taken.
    case choice([PatternNode])
    /// `most` is nil if unbounded.
    case repeated(PatternNode, least: Int, most: Int?, Eagerness)
    /// `(?>…)`: once matched, no backtracking into it.
    case atomic(PatternNode)
    case lookahead(PatternNode, isNegated: Bool)
    /// Alternatives, each with a fixed number of scalars.
    case lookbehind([(width: Int, node: PatternNode)], isNegated: Bool)
    case assertion(Assertion)

    static let empty = PatternNode.sequence([])

    /// What a match can start with.
    struct Start {
        /// The scalars that a non-empty match starts with.
        var set: ScalarSet
        /// Whether the match may be empty, so that what follows matters too.
        var canBeEmpty: Bool
    }

    var start: Start {
        switch self {
        case .one(let set): return Start(set: set, canBeEmpty: false)
        case .sequence(let nodes):
            var sets: [ScalarSet] = []
            for node in nodes {
                let start = node.start
                sets.append(start.set)
                if !start.canBeEmpty { return Start(set: ScalarSet(union: sets), canBeEmpty: false) }
            }
            return Start(set: ScalarSet(union: sets), canBeEmpty: true)
        case .choice(let nodes):
            let starts = nodes.map(\.start)
            return Start(set: ScalarSet(union: starts.map(\.set)), canBeEmpty: starts.contains { $0.canBeEmpty })
        case .repeated(let node, let least, let most, _):
            if most == 0 { return Start(set: .none, canBeEmpty: true) }
            let start = node.start
            return Start(set: start.set, canBeEmpty: start.canBeEmpty || least == 0)
        case .atomic(let node): return node.start
        case .lookahead, .lookbehind, .assertion: return Start(set: .none, canBeEmpty: true)
        }
    }

    /// The number of scalars of every match; nil if it varies.
    var width: Int? {
        switch self {
        case .one: return 1
        case .sequence(let nodes):
            var sum = 0
            for node in nodes {
                guard let width = node.width else { return nil }
                sum += width
            }
            return sum
        case .choice(let nodes):
            let widths = Set(nodes.map(\.width))
            return widths.count == 1 ? widths.first ?? nil : nil
        case .repeated(let node, let least, let most, _):
            guard least == most, let width = node.width else { return nil }
            let (product, overflow) = width.multipliedReportingOverflow(by: least)
            return overflow ? nil : product
        case .atomic(let node): return node.width
        case .lookahead, .lookbehind, .assertion: return 0
        }
    }
}

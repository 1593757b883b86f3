/// The engine for which an expression was written.
package enum PatternDialect: Sendable {
    /// Oniguruma with Ruby's syntax, used for `tokenizer.json`: `^` and `$` match at line ends, `{1,3}+` is a repeat of
    /// a repeat, and a bare `(?i)` includes the alternatives after it.
    case oniguruma
    /// Rust's fancy-regex, used for tiktoken: `^` and `$` match at the ends of the text, `{1,3}+` is possessive.
    case tiktoken
    /// ECMA-262, as in `pattern` of JSON Schema: `^` and `$` match at the ends of the text, `\d` and `\w` are ASCII, a
    /// bracket inside a class is a literal.
    case ecma262
}

/// Parses expressions. See `RegularExpression` for the supported syntax.
package struct PatternParser {
    static let longestExpression = 8_192
    static let deepestNesting = 32
    static let mostRepeats = 1_000
    /// The maximum length of a lookbehind, which is checked at every position.
    static let longestLookbehind = 255
    /// For ECMA-262, whose expressions become automata of limited size.
    static let mostRepeatsOfAutomata = 100_000

    struct Flags {
        var ignoresCase = false
        var dotIsAll = false
        var isMultiline = false
    }

    let scalars: [Unicode.Scalar]
    let dialect: PatternDialect
    var index = 0
    var flags = Flags()
    var depth = 0

    package static func parse(_ expression: String, _ dialect: PatternDialect) throws(PatternError) -> PatternNode {
        let scalars = Array(expression.unicodeScalars)
        guard scalars.count <= longestExpression else {
            throw PatternError(.tooLarge("more than \(longestExpression) characters"), at: longestExpression)
        }
        var parser = PatternParser(scalars: scalars, dialect: dialect)
        let node = try parser.choice()
        guard parser.index == scalars.count else { throw parser.malformed("a \")\" that closes nothing") }
        return node
    }

    // MARK: Text

    var next: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    func peek(_ offset: Int) -> Unicode.Scalar? { index + offset < scalars.count ? scalars[index + offset] : nil }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        index += 1
        return true
    }

    mutating func take(text: String) -> Bool {
        let wanted = text.unicodeScalars
        guard scalars[index...].starts(with: wanted) else { return false }
        index += wanted.count
        return true
    }

    func malformed(_ problem: String, at position: Int? = nil) -> PatternError {
        PatternError(.malformed(problem), at: position ?? index)
    }

    func unsupported(_ construct: String, at position: Int) -> PatternError {
        PatternError(.unsupported(construct), at: position)
    }

    // MARK: Structure

    mutating func choice() throws(PatternError) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.deepestNesting else {
            throw PatternError(.tooLarge("nested deeper than \(Self.deepestNesting)"), at: index)
        }
        let outside = flags
        defer { flags = outside }
        var alternatives = [try sequence()]
        while take("|") { alternatives.append(try sequence()) }
        return alternatives.count == 1 ? alternatives[0] : .choice(alternatives)
    }

    private mutating func sequence() throws(PatternError) -> PatternNode {
        var items: [PatternNode] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            let start = index
            guard let item = try atom() else { continue }
            items.append(try quantified(item, from: start))
        }
        return items.count == 1 ? items[0] : .sequence(items)
    }

    /// A scalar, or its case variants if case is ignored.
    func one(_ set: ScalarSet) -> PatternNode { .one(flags.ignoresCase ? CaseFolding.closure(of: set) : set) }

    /// nil for items without a node: a comment, or flags.
    private mutating func atom() throws(PatternError) -> PatternNode? {
        guard let scalar = next else { return nil }
        switch scalar {
        case "(": return try group()
        case "[": return .one(try characterClass())
        case "\\": return try escape()
        case ".":
            index += 1
            if flags.dotIsAll { return .one(.all) }
            return .one(dialect == .ecma262 ? ScalarSet.lineTerminators.inverted : .notNewline)
        case "^":
            index += 1
            return .assertion(dialect == .oniguruma || flags.isMultiline ? .lineStart : .textStart)
        case "$":
            index += 1
            return .assertion(dialect == .oniguruma || flags.isMultiline ? .lineEnd : .textEnd)
        case "*", "+", "?": throw malformed("nothing for \"\(scalar)\" to repeat")
        default:
            index += 1
            return one(ScalarSet(scalar.value))
        }
    }

    private mutating func group() throws(PatternError) -> PatternNode? {
        let start = index
        index += 1
        guard take("?") else { return try body(from: start) }
        if take(":") { return try body(from: start) }
        if take("=") { return .lookahead(try body(from: start), isNegated: false) }
        if take("!") { return .lookahead(try body(from: start), isNegated: true) }
        if take(">") { return .atomic(try body(from: start)) }
        if take(text: "<=") { return try lookbehind(isNegated: false, from: start) }
        if take(text: "<!") { return try lookbehind(isNegated: true, from: start) }
        if take(text: "P<") || take("<") {
            while let scalar = next, scalar != ">" {
                guard scalar == "_" || scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) else { break }
                index += 1
            }
            guard take(">") else { throw malformed("a group's name without an end", at: start) }
            return try body(from: start)
        }
        if take("#") {
            while let scalar = next, scalar != ")" {
                index += scalar == "\\" ? 2 : 1
            }
            guard index < scalars.count else { throw malformed("a comment without an end", at: start) }
            index += 1
            return nil
        }
        return try flagged(from: start)
    }

    /// The rest of a group, including its end.
    private mutating func body(from start: Int) throws(PatternError) -> PatternNode {
        let node = try choice()
        guard take(")") else { throw malformed("a group without an end", at: start) }
        return node
    }

    /// `(?i:…)` and `(?i)`
    private mutating func flagged(from start: Int) throws(PatternError) -> PatternNode? {
        let outside = flags
        var turnsOn = true
        while let scalar = next, scalar != ":", scalar != ")" {
            switch (scalar, dialect) {
            case ("-", _): turnsOn = false
            case ("i", _): flags.ignoresCase = turnsOn
            case ("m", .oniguruma), ("s", .tiktoken), ("s", .ecma262): flags.dotIsAll = turnsOn
            case ("m", .tiktoken), ("m", .ecma262): flags.isMultiline = turnsOn
            default:
                let construct = String(String.UnicodeScalarView(scalars[start...index]))
                throw unsupported("the group \"\(construct)\"", at: start)
            }
            index += 1
        }
        if take(":") {
            let node = try body(from: start)
            flags = outside
            return node
        }
        guard take(")") else { throw malformed("a group without an end", at: start) }
        // Valid until the end of the enclosing group; the caller restores the previous flags.
        guard dialect == .oniguruma else { return nil }
        return try choice()
    }

    private mutating func lookbehind(isNegated: Bool, from start: Int) throws(PatternError) -> PatternNode {
        let node = try body(from: start)
        let alternatives: [PatternNode] = if case .choice(let nodes) = node { nodes } else { [node] }
        var sized: [(width: Int, node: PatternNode)] = []
        for alternative in alternatives {
            guard let width = alternative.width else {
                throw unsupported("a lookbehind whose length varies", at: start)
            }
            guard width <= Self.longestLookbehind else {
                throw PatternError(
                    .tooLarge("a lookbehind of more than \(Self.longestLookbehind) characters"), at: start)
            }
            sized.append((width, alternative))
        }
        return .lookbehind(sized, isNegated: isNegated)
    }

    // MARK: Repeats

    private mutating func quantified(_ item: PatternNode, from start: Int) throws(PatternError) -> PatternNode {
        var item = item
        var isRepeated = false
        while let (least, most, isBraced) = try quantifier() {
            if isRepeated, dialect == .ecma262 { throw malformed("a repeat of a repeat", at: start) }
            isRepeated = true
            var eagerness = PatternNode.Eagerness.greedy
            if take("?") {
                if isBraced, least == most, dialect == .oniguruma {
                    // An optional repeat with a count.
                    item = .repeated(try repeated(item, least, most, .greedy, from: start), least: 0, most: 1, .greedy)
                    continue
                }
                eagerness = .lazy
            } else if dialect != .ecma262, !(isBraced && dialect == .oniguruma), take("+") {
                eagerness = .possessive
            }
            item = try repeated(item, least, most, eagerness, from: start)
        }
        return item
    }

    private func repeated(
        _ item: PatternNode, _ least: Int, _ most: Int?, _ eagerness: PatternNode.Eagerness, from start: Int
    ) throws(PatternError) -> PatternNode {
        // Engines differ in when such a repeat ends.
        if dialect != .ecma262, most ?? 2 > 1, item.start.canBeEmpty {
            // (x?)* and similar are equal to x*.
            if most == nil, case .repeated(let inner, 0...1, let times, .greedy) = item, times ?? 1 == 1,
                eagerness == .greedy, !inner.start.canBeEmpty
            {
                return .repeated(inner, least: 0, most: nil, .greedy)
            }
            throw unsupported("a repeat of what may match nothing", at: start)
        }
        return .repeated(item, least: least, most: most, eagerness)
    }

    private mutating func quantifier() throws(PatternError) -> (least: Int, most: Int?, isBraced: Bool)? {
        if take("*") { return (0, nil, false) }
        if take("+") { return (1, nil, false) }
        if take("?") { return (0, 1, false) }
        // A brace that does not begin a repeat is a literal.
        let start = index
        guard take("{") else { return nil }
        let first = try number()
        let hasComma = take(",")
        let second = hasComma ? try number() : nil
        guard take("}"), first != nil || second != nil else {
            index = start
            return nil
        }
        let least = first ?? 0
        guard hasComma else { return (least, least, true) }
        if let second, second < least { throw malformed("a repeat from \(least) down to \(second)", at: start) }
        return (least, second, true)
    }

    private mutating func number() throws(PatternError) -> Int? {
        let start = index
        var value: Int?
        while let scalar = next, ("0"..."9").contains(scalar) {
            value = (value ?? 0) * 10 + Int(scalar.value - 0x30)
            let most = dialect == .ecma262 ? Self.mostRepeatsOfAutomata : Self.mostRepeats
            guard let value, value <= most else {
                throw PatternError(.tooLarge("more than \(most) repeats"), at: start)
            }
            index += 1
        }
        return value
    }
}

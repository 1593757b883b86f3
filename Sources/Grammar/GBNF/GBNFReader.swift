import MartletPatterns

/// Reads GBNF, llama.cpp's grammar notation: rules `name ::= …` of literals, classes, groups, alternatives and repeats;
/// the text must derive from `root`. Comments extend from `#` to the end of the line; a rule ends with its line, except
/// inside parentheses and next to `|`. Tokens are terminals by their text (`<think>`) or id (`<[1000]>`); `!` before a
/// token means any other token (`!</think>`).
struct GBNFReader {
    indirect enum Item {
        case literal([UInt8])
        case set(ScalarSet)
        case rule(Int)
        /// This token, or any other token except those that end a text.
        case token(Int32, isNegated: Bool)
        case choice([[Item]])
        case repeated(Item, least: Int, most: Int?)
    }

    private let scalars: [Unicode.Scalar]
    private let limits: GrammarLimits
    private let tree: TokenTree
    private var usesTokens = false
    /// Token texts that were looked up.
    private var tokens: [String: Int32] = [:]
    /// In bytes of the spelling.
    private static let longestToken = 512
    private var index = 0
    private var depth = 0
    private var names: [String] = []
    private var numbers: [String: Int] = [:]
    private var bodies: [Int: [[Item]]] = [:]
    /// The position where each rule is first mentioned.
    private var places: [Int] = []

    private init(_ text: String, _ tree: TokenTree, _ limits: GrammarLimits) {
        scalars = Array(text.unicodeScalars)
        self.tree = tree
        self.limits = limits
    }

    /// Reads a grammar.
    /// - Throws: `malformed`, `leftRecursion`, `unsatisfiable`, `tooLarge`.
    static func grammar(
        _ text: String, _ tree: TokenTree, _ budget: GrammarBudget
    ) throws(GrammarError) -> Grammar {
        var reader = GBNFReader(text, tree, budget.limits)
        try budget.spend(reader.scalars.count)
        try reader.read()
        guard let root = reader.numbers["root"], reader.bodies[root] != nil else {
            throw reader.malformed("there is no rule \"root\"", at: reader.scalars.count)
        }
        for (number, name) in reader.names.enumerated() where reader.bodies[number] == nil {
            throw reader.malformed("the rule \"\(name)\" is not defined", at: reader.places[number])
        }
        // Rules that are not reachable from `root` are parsed, so that errors in them are reported, but not compiled.
        var rules = reader.names.map { _ in ByteAutomaton.none }
        for number in reader.reachable(from: root) {
            guard let body = reader.bodies[number] else { continue }
            var network = ByteNetwork(budget)
            try network.add(body, from: network.start, to: network.end)
            rules[number] = try network.automaton(budget)
        }
        var grammar = try Grammar(rules: rules, names: reader.names, start: root) { "the rule \"\($0)\"" }
        grammar.usesTokens = reader.usesTokens
        return grammar
    }

    /// The rules called directly or indirectly by a rule, in the order of their first mention.
    private func reachable(from root: Int) -> [Int] {
        var seen: Set<Int> = [root]
        var waiting = [root]
        while let rule = waiting.popLast() {
            var items = (bodies[rule] ?? []).flatMap { $0 }
            while let item = items.popLast() {
                switch item {
                case .rule(let called): if seen.insert(called).inserted { waiting.append(called) }
                case .choice(let alternatives): items += alternatives.joined()
                case .repeated(let item, _, _): items.append(item)
                case .literal, .set, .token: break
                }
            }
        }
        return seen.sorted()
    }

    // MARK: Rules

    private mutating func read() throws(GrammarError) {
        skipSpace(acrossLines: true)
        while index < scalars.count {
            let start = index
            let number = try ruleNumber(at: start)
            skipSpace(acrossLines: false)
            guard take("::=") else { throw malformed("expected \"::=\" after the name \"\(names[number])\"") }
            guard bodies[number] == nil else { throw malformed("a second rule \"\(names[number])\"", at: start) }
            skipSpace(acrossLines: true)
            bodies[number] = try alternatives(isNested: false)
            guard index == scalars.count || isLineEnd else {
                throw malformed("\"\(scalars[index])\" where the rule should go on or end")
            }
            skipSpace(acrossLines: true)
        }
    }

    private mutating func alternatives(isNested: Bool) throws(GrammarError) -> [[Item]] {
        depth += 1
        defer { depth -= 1 }
        guard depth <= limits.depth else { throw .tooLarge(what: "groups within groups", limit: limits.depth) }
        var result = [try sequence(isNested: isNested)]
        while true {
            let place = index
            // A line may begin with "|".
            skipSpace(acrossLines: true)
            guard take("|") else {
                index = place
                return result
            }
            skipSpace(acrossLines: true)
            result.append(try sequence(isNested: isNested))
        }
    }

    private mutating func sequence(isNested: Bool) throws(GrammarError) -> [Item] {
        var items: [Item] = []
        while let scalar = peek() {
            let start = index
            switch scalar {
            case "\"": items.append(.literal(try literal()))
            case "[": items.append(.set(try characterClass()))
            case ".":
                index += 1
                items.append(.set(.all))
            case "(":
                index += 1
                skipSpace(acrossLines: true)
                let group = try alternatives(isNested: true)
                skipSpace(acrossLines: true)
                guard take(")") else { throw malformed("a group without an end", at: start) }
                items.append(.choice(group))
            case "*", "+", "?", "{":
                guard let last = items.popLast() else { throw malformed("nothing for \"\(scalar)\" to repeat") }
                let (least, most) = try bounds()
                items.append(.repeated(last, least: least, most: most))
            case "<", "!": items.append(try token())
            case _ where Self.isNamed(scalar): items.append(.rule(try ruleNumber(at: start)))
            default: return items
            }
            skipSpace(acrossLines: isNested)
        }
        return items
    }

    private mutating func bounds() throws(GrammarError) -> (Int, Int?) {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        let start = index
        index += 1
        skipSpace(acrossLines: false)
        guard let least = try number() else { throw malformed("expected a number after \"{\"") }
        skipSpace(acrossLines: false)
        var most: Int? = least
        if take(",") {
            skipSpace(acrossLines: false)
            most = try number()
            skipSpace(acrossLines: false)
        }
        guard take("}") else { throw malformed("a repeat without an end", at: start) }
        if let most, most < least { throw malformed("a repeat from \(least) down to \(most)", at: start) }
        return (least, most)
    }

    private mutating func number(most: Int? = nil) throws(GrammarError) -> Int? {
        var value: Int?
        while let scalar = peek(), ("0"..."9").contains(scalar) {
            value = (value ?? 0) * 10 + Int(scalar.value - 0x30)
            if let most, value ?? 0 > most {
                value = most
            } else if most == nil, value ?? 0 > limits.states {
                throw .tooLarge(what: "repeats", limit: limits.states)
            }
            index += 1
        }
        return value
    }

    /// `<text>` or `<[number]>`, optionally after `!`.
    private mutating func token() throws(GrammarError) -> Item {
        let start = index
        let isNegated = take("!")
        guard peek() == "<" else { throw malformed("expected a token after \"!\"", at: start) }
        let found: Int32
        if take("<[") {
            guard let value = try number(most: tree.vocabularySize), take("]>") else {
                throw malformed("expected the number of a token as in \"<[1000]>\"", at: start)
            }
            guard value < tree.vocabularySize else {
                throw malformed("the number of a token that the vocabulary does not have", at: start)
            }
            found = Int32(value)
        } else {
            var text = ""
            while let scalar = peek(), scalar != ">", !scalar.isLineEnd, text.utf8.count < Self.longestToken {
                text.unicodeScalars.append(scalar)
                index += 1
            }
            guard take(">") else { throw malformed("a token without an end", at: start) }
            text += ">"
            guard let token = tokens[text] ?? tree.token(text) else {
                throw malformed("\"\(text.prefix(40))\" is not a token of the vocabulary", at: start)
            }
            tokens[text] = token
            found = token
        }
        // "Any other" never includes tokens that end the text.
        guard isNegated || !tree.isEnd(found) else {
            throw malformed("a token that ends the text, which comes where the grammar ends", at: start)
        }
        usesTokens = true
        return .token(found, isNegated: isNegated)
    }

    private mutating func ruleNumber(at start: Int) throws(GrammarError) -> Int {
        var name = ""
        while let scalar = peek(), Self.isNamed(scalar) {
            name.unicodeScalars.append(scalar)
            index += 1
        }
        guard !name.isEmpty else { throw malformed("expected the name of a rule") }
        if let known = numbers[name] { return known }
        guard names.count < limits.rules else { throw .tooLarge(what: "rules", limit: limits.rules) }
        numbers[name] = names.count
        names.append(name)
        places.append(start)
        return names.count - 1
    }

    // MARK: Characters

    private mutating func literal() throws(GrammarError) -> [UInt8] {
        let start = index
        index += 1
        var bytes: [UInt8] = []
        while let scalar = peek(), scalar != "\"" {
            guard !scalar.isLineEnd else { break }
            bytes += UTF8.encode(try character()).map(Array.init) ?? []
        }
        guard take("\"") else { throw malformed("a literal without an end", at: start) }
        return bytes
    }

    private mutating func characterClass() throws(GrammarError) -> ScalarSet {
        let start = index
        index += 1
        let isNegated = take("^")
        var ranges: [ClosedRange<UInt32>] = []
        while let scalar = peek(), scalar != "]" {
            guard !scalar.isLineEnd else { break }
            let place = index
            let low = try character().value
            var high = low
            if peek() == "-", index + 1 < scalars.count, scalars[index + 1] != "]" {
                index += 1
                high = try character().value
            }
            guard low <= high else { throw malformed("a range that runs backwards", at: place) }
            ranges.append(low...high)
        }
        guard take("]") else { throw malformed("a class without an end", at: start) }
        let set = ScalarSet(ranges)
        return isNegated ? set.inverted : set
    }

    private mutating func character() throws(GrammarError) -> Unicode.Scalar {
        let start = index
        guard let scalar = peek() else { throw malformed("the grammar ends within a text") }
        index += 1
        guard scalar == "\\" else { return scalar }
        guard let escape = peek() else { throw malformed("an escape of nothing", at: start) }
        index += 1
        let digits: Int
        switch escape {
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "\\", "\"", "[", "]", "-", "^", "'", "/", ".": return escape
        case "x": digits = 2
        case "u": digits = 4
        case "U": digits = 8
        default: throw malformed("an unknown escape \"\\\(escape)\"", at: start)
        }
        var value: UInt64 = 0
        for _ in 0..<digits {
            guard let scalar = peek(), scalar.isASCII, let digit = Character(scalar).hexDigitValue else {
                throw malformed("an escape with fewer than \(digits) digits", at: start)
            }
            value = value << 4 | UInt64(digit)
            index += 1
        }
        guard let value = UInt32(exactly: value), let result = Unicode.Scalar(value) else {
            throw malformed("an escape that gives no character", at: start)
        }
        return result
    }

    // MARK: Text

    private static func isNamed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "-", "_": true
        default: false
        }
    }

    private var isLineEnd: Bool { index < scalars.count && scalars[index].isLineEnd }

    private func peek() -> Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    private mutating func take(_ text: String) -> Bool {
        guard scalars[index...].starts(with: text.unicodeScalars) else { return false }
        index += text.unicodeScalars.count
        return true
    }

    private mutating func skipSpace(acrossLines: Bool) {
        while let scalar = peek() {
            if scalar == "#" {
                while let scalar = peek(), !scalar.isLineEnd { index += 1 }
            } else if scalar == " " || scalar == "\t" || acrossLines && scalar.isLineEnd {
                index += 1
            } else {
                return
            }
        }
    }

    private func malformed(_ problem: String, at position: Int? = nil) -> GrammarError {
        .malformed(.gbnf, position: position ?? index, problem: problem)
    }
}

extension Unicode.Scalar {
    fileprivate var isLineEnd: Bool { self == "\n" || self == "\r" }
}

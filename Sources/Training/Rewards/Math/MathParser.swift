/// Reads an answer in LaTeX, or as people write it.
struct MathParser {
    private var tokens: [MathToken]
    private var place = 0
    private var depth = 0

    /// Nil if the text is not a formula.
    static func parse(_ latex: String) -> MathExpression? {
        guard let all = MathToken.all(MathText.cleaned(latex)), !all.isEmpty else { return nil }
        let words = all.compactMap { token in if case .text(let text) = token { text } else { nil } }
        if words.count == all.count {
            let text = MathText.plain(words.joined(separator: " "))
            return text.isEmpty ? nil : .text(text)
        }
        var parser = MathParser(tokens: MathText.withoutUnits(all))
        guard let found = parser.answer(), parser.place == parser.tokens.count else { return nil }
        return found
    }

    private init(tokens: [MathToken]) { self.tokens = tokens }

    private var next: MathToken? { place < tokens.count ? tokens[place] : nil }

    private mutating func take(_ token: MathToken) -> Bool {
        guard next == token else { return false }
        place += 1
        return true
    }

    private mutating func take(commands names: String...) -> Bool {
        guard case .command(let name)? = next, names.contains(name) else { return false }
        place += 1
        return true
    }

    // MARK: lists and relations

    private mutating func answer() -> MathExpression? {
        guard let items = list(), !items.isEmpty else { return nil }
        return items.count == 1 ? items[0] : .set(items)
    }

    private mutating func list() -> [MathExpression]? {
        guard let first = relation() else { return nil }
        var items = [first]
        while true {
            if take(.sign(",")) || take(.sign(";")) {
                if case .text(let word)? = next, ["and", "or"].contains(MathText.plain(word)) { place += 1 }
            } else if case .text(let word)? = next, ["and", "or"].contains(MathText.plain(word)) {
                place += 1
            } else {
                return items
            }
            guard let item = relation() else { return nil }
            items.append(item)
        }
    }

    private static let relations: [String: String] = [
        "le": "≤", "leq": "≤", "leqslant": "≤", "ge": "≥", "geq": "≥", "geqslant": "≥", "ne": "≠", "neq": "≠",
        "lt": "<",
        "gt": ">", "in": "∈", "approx": "=", "equiv": "=",
    ]

    private mutating func relation() -> MathExpression? {
        guard let first = union() else { return nil }
        var sign: String?, last = first
        while true {
            var found: String?
            switch next {
            case .sign(let mark)? where ["=", "<", ">"].contains(mark): found = String(mark)
            case .command(let name)?: found = Self.relations[name]
            default: break
            }
            guard let found else { break }
            place += 1
            guard let right = union() else { return nil }
            if let sign, sign != "=" || found != "=" {
                // a < x < b
                guard sign != "=", found != "=" else { return nil }
                return .set([.relation(sign, first, last), .relation(found, last, right)])
            }
            (sign, last) = (found, right)
        }
        guard let sign else { return first }
        return sign == "∈" ? last : .relation(sign, first, last)
    }

    private mutating func union() -> MathExpression? {
        guard let first = sum() else { return nil }
        var parts = [first]
        while take(commands: "cup") {
            guard let part = sum() else { return nil }
            parts.append(part)
        }
        return parts.count == 1 ? first : .union(parts)
    }

    // MARK: arithmetic

    private mutating func sum() -> MathExpression? {
        depth += 1
        defer { depth -= 1 }
        guard depth < 64 else { return nil }
        var terms: [MathExpression] = [], isNegative = takeMinus()
        if !isNegative { _ = take(.sign("+")) }
        if take(commands: "pm") {
            guard let term = product() else { return nil }
            return .plusMinus(.number(0), term)
        }
        while true {
            guard let term = product() else { return nil }
            terms.append(isNegative ? Self.negative(term) : term)
            if take(.sign("+")) {
                isNegative = false
            } else if takeMinus() {
                isNegative = true
            } else if take(commands: "pm", "mp") {
                guard let other = product() else { return nil }
                return .plusMinus(terms.count == 1 ? terms[0] : .sum(terms), other)
            } else {
                return terms.count == 1 ? terms[0] : .sum(terms)
            }
        }
    }

    private mutating func takeMinus() -> Bool { take(.sign("-")) || take(commands: "minus") }

    private static func negative(_ x: MathExpression) -> MathExpression {
        switch x {
        case .number(let value): .number(-value)
        case .infinity(let isNegative): .infinity(isNegative: !isNegative)
        default: .product([.number(-1), x])
        }
    }

    private mutating func product() -> MathExpression? {
        guard var result = factor() else { return nil }
        while true {
            if take(.sign("*")) || take(commands: "times", "cdot", "ast") {
                guard let right = signedFactor() else { return nil }
                result = .product([result, right])
            } else if take(.sign("/")) || take(commands: "div") {
                guard let right = signedFactor() else { return nil }
                result = .quotient(result, right)
            } else if beginsFactor {
                // 1\frac{1}{2} is one and a half.
                let isWhole = if case .number(let value) = result { value == value.rounded() } else { false }
                let isFraction = isWhole && isNumericFraction
                guard let right = factor() else { return nil }
                result = isFraction ? .sum([result, right]) : .product([result, right])
            } else {
                return result
            }
        }
    }

    private mutating func signedFactor() -> MathExpression? {
        guard takeMinus() else { return factor() }
        return factor().map(Self.negative)
    }

    private var beginsFactor: Bool {
        switch next {
        case .number?, .letter?: true
        case .sign(let mark)?: mark == "(" || mark == "{"
        case .command(let name)?:
            ["frac", "dfrac", "tfrac", "cfrac", "sqrt", "pi", "infty", "binom", "dbinom"].contains(name)
                || Self.functions[name] != nil || Self.greek.contains(name)
        default: false
        }
    }

    /// Whether a fraction of two numbers comes next.
    private var isNumericFraction: Bool {
        guard case .command(let name)? = next, name.hasSuffix("frac") else { return false }
        var index = place + 1, numbers = 0
        while index < tokens.count, numbers < 2 {
            switch tokens[index] {
            case .sign("{"), .sign("}"): break
            case .number: numbers += 1
            default: return false
            }
            index += 1
        }
        return numbers == 2 || numbers == 1 && index == tokens.count
    }

    private mutating func factor() -> MathExpression? {
        guard var result = atom() else { return nil }
        while true {
            if take(.sign("^")) {
                if take(commands: "circ") { continue }
                if case .sign("{")? = next, place + 2 < tokens.count, tokens[place + 1] == .command("circ"),
                    tokens[place + 2] == .sign("}")
                {
                    place += 3
                    continue
                }
                guard let power = argument(signed: true) else { return nil }
                result = .power(result, power)
            } else if take(commands: "circ") || take(commands: "%") || take(.sign("%")) {
                // Degrees are a unit; so is the percent sign if both sides have it, which is checked before.
                continue
            } else if take(.sign("!")) {
                result = .function("factorial", result)
            } else if take(.sign("_")) {
                guard case .symbol(let name) = result, let index = argument() else {
                    // The base of a number (its subscript) is ignored: only digits are compared.
                    guard case .number = result, argument() != nil else { return nil }
                    continue
                }
                result = .symbol("\(name)_\(index)")
            } else {
                return result
            }
        }
    }

    /// The argument of a command or a power: a group in braces, or one token.
    private mutating func argument(signed: Bool = false) -> MathExpression? {
        if take(.sign("{")) {
            guard let inner = answer(), take(.sign("}")) else { return nil }
            return inner
        }
        if signed, takeMinus() { return argument().map(Self.negative) }
        // \frac12 is a half: a digit each.
        if case .number(let digits)? = next, digits.count > 1, !digits.contains("."), let first = digits.first {
            tokens[place] = .number(String(digits.dropFirst()))
            return Double(String(first)).map { .number($0) }
        }
        return atom()
    }

    private static let functions: [String: String] = [
        "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc", "arcsin": "arcsin",
        "arccos": "arccos", "arctan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "ln": "ln",
        "log": "log",
        "exp": "exp",
    ]
    private static let greek: Set = [
        "alpha", "beta", "gamma", "delta", "epsilon", "theta", "lambda", "mu", "nu", "rho", "sigma", "tau", "phi",
        "varphi",
        "omega", "chi", "psi", "eta", "zeta", "kappa", "xi",
    ]

    private mutating func atom() -> MathExpression? {
        guard let token = next else { return nil }
        place += 1
        switch token {
        case .number(let digits): return Double(digits).map { .number($0) }
        case .letter(let letter): return .symbol(String(letter))
        case .text(let text): return .text(MathText.plain(text))
        case .sign("("): return bracket(includesLow: false)
        case .sign("["): return bracket(includesLow: true)
        case .sign("{"):
            guard let inner = answer(), take(.sign("}")) else { return nil }
            return inner
        case .sign("|"):
            guard let inner = sum(), take(.sign("|")) else { return nil }
            return .function("abs", inner)
        case .sign: return nil
        case .command(let name): return command(name)
        }
    }

    private mutating func bracket(includesLow: Bool) -> MathExpression? {
        guard let items = list() else { return nil }
        let includesHigh = take(.sign("]"))
        guard includesHigh || take(.sign(")")) else { return nil }
        if items.count == 1 { return includesLow == includesHigh ? items[0] : nil }
        if items.count == 2, includesLow || includesHigh {
            return .interval(items[0], items[1], includesLow: includesLow, includesHigh: includesHigh)
        }
        return includesLow == includesHigh ? .tuple(items) : nil
    }

    private mutating func command(_ name: String) -> MathExpression? {
        switch name {
        case "frac", "dfrac", "tfrac", "cfrac":
            guard let top = argument(), let bottom = argument() else { return nil }
            return .quotient(top, bottom)
        case "sqrt":
            var root = MathExpression.number(2)
            if take(.sign("[")) {
                guard let index = sum(), take(.sign("]")) else { return nil }
                root = index
            }
            return argument().map { .power($0, .quotient(.number(1), root)) }
        case "binom", "dbinom", "tbinom":
            guard let n = argument(), let k = argument() else { return nil }
            let rest = MathExpression.sum([n, .product([.number(-1), k])])
            return .quotient(
                .function("factorial", n), .product([.function("factorial", k), .function("factorial", rest)]))
        case "pi": return .symbol("π")
        case "infty": return .infinity(isNegative: false)
        case "emptyset", "varnothing": return .set([])
        case "mathbb", "mathcal":
            guard let inner = argument(), case .symbol(let letter) = inner else { return nil }
            return .text("set " + letter)
        case "{":
            if take(commands: "}") { return .set([]) }
            guard let items = list(), take(commands: "}") else { return nil }
            return .set(items)
        case "lfloor", "lceil":
            guard let inner = sum(), take(commands: name == "lfloor" ? "rfloor" : "rceil") else { return nil }
            return .function(name == "lfloor" ? "floor" : "ceil", inner)
        case "|", "vert", "lvert":
            guard let inner = sum(), take(commands: "|", "vert", "rvert") else { return nil }
            return .function("abs", inner)
        case "boxed", "fbox": return argument()
        case "begin": return matrix()
        default: break
        }
        if Self.greek.contains(name) { return .symbol(name) }
        guard let function = Self.functions[name] else { return nil }
        return applied(function)
    }

    /// \sin^2 x, \log_2 8, \ln(x).
    private mutating func applied(_ name: String) -> MathExpression? {
        var power: MathExpression?, base: MathExpression?
        while true {
            if take(.sign("^")) {
                power = argument(signed: true)
                if power == nil { return nil }
            } else if take(.sign("_")) {
                base = argument()
                if base == nil { return nil }
            } else {
                break
            }
        }
        guard let inner = factor() else { return nil }
        var result = MathExpression.function(name, inner)
        // Without a base, the natural logarithm, as in most answers.
        if name == "log", let base { result = .quotient(result, .function("log", base)) }
        guard let power else { return result }
        if power == .number(-1), ["sin", "cos", "tan"].contains(name) { return .function("arc" + name, inner) }
        return .power(result, power)
    }

    /// \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}
    private mutating func matrix() -> MathExpression? {
        func skipName(_ parser: inout MathParser) -> Bool {
            guard parser.take(.sign("{")) else { return false }
            while case .letter? = parser.next { parser.place += 1 }
            return parser.take(.sign("}"))
        }
        guard skipName(&self) else { return nil }
        var rows: [[MathExpression]] = [[]]
        while true {
            guard let entry = sum() else { return nil }
            rows[rows.count - 1].append(entry)
            if take(.sign("&")) { continue }
            if take(commands: "\\") {
                if next == .command("end") { break }
                rows.append([])
                continue
            }
            break
        }
        guard take(commands: "end"), skipName(&self) else { return nil }
        return .matrix(rows)
    }
}

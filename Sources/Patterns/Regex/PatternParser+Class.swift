/// `[…]`
extension PatternParser {
    /// Sets joined by `&&` are intersected; a nested set is added to the union.
    mutating func characterClass() throws(PatternError) -> ScalarSet {
        let start = index
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.deepestNesting else {
            throw PatternError(.tooLarge("nested deeper than \(Self.deepestNesting)"), at: index)
        }
        index += 1
        let isNegated = take("^")
        var intersection: ScalarSet?
        var members: [ScalarSet] = []
        // A bracket that would close an empty class is a member.
        if next == "]", dialect != .ecma262 {
            guard scalars[(index + 1)...].contains("]") else { throw malformed("a class without members", at: start) }
            index += 1
            members.append(try range(from: ScalarSet(0x5D), at: index - 1))
        }
        while !take("]") {
            guard let scalar = next else { throw malformed("a class without an end", at: start) }
            if scalar == "&", peek(1) == "&", dialect != .ecma262 {
                index += 2
                let sofar = ScalarSet(union: members)
                intersection = intersection?.intersection(sofar) ?? sofar
                members.removeAll()
            } else if scalar == "[", dialect != .ecma262 {
                members.append(try peek(1) == ":" ? named() : characterClass())
            } else {
                let place = index
                members.append(try range(from: try member(), at: place))
            }
        }
        var set = ScalarSet(union: members)
        if let intersection { set = intersection.intersection(set) }
        if flags.ignoresCase { set = CaseFolding.closure(of: set) }
        return isNegated ? set.inverted : set
    }

    /// A scalar, or the set of an escape.
    private mutating func member() throws(PatternError) -> ScalarSet {
        let start = index
        guard let scalar = next else { throw malformed("a class without an end") }
        guard scalar == "\\" else {
            if dialect == .tiktoken, peek(1) == scalar, scalar == "-" || scalar == "~" {
                throw unsupported("\"\(scalar)\(scalar)\" in a class", at: start)
            }
            index += 1
            return ScalarSet(scalar.value)
        }
        index += 1
        if take("b") { return ScalarSet(0x08) }
        if let set = try escapedSet(from: start) { return set }
        return ScalarSet(try escapedScalar(from: start))
    }

    /// The rest of `a-z` after its first member; a `-` at the end of a class is a member.
    private mutating func range(from first: ScalarSet, at start: Int) throws(PatternError) -> ScalarSet {
        guard next == "-", let after = peek(1), after != "]" else { return first }
        guard let low = first.onlyScalar, after != "[" || dialect == .ecma262 else {
            throw malformed("a range of what is not one character", at: start)
        }
        index += 1
        guard let high = try member().onlyScalar else {
            throw malformed("a range of what is not one character", at: start)
        }
        guard low <= high else { throw malformed("a range that runs backwards", at: start) }
        return ScalarSet([low...high])
    }

    /// `[:alpha:]`
    private mutating func named() throws(PatternError) -> ScalarSet {
        let start = index
        index += 2
        let isNegated = take("^")
        var name = ""
        while let scalar = next, scalar != ":", scalar != "]" {
            name.unicodeScalars.append(scalar)
            index += 1
        }
        guard take(text: ":]") else { throw malformed("a class's name without an end", at: start) }
        guard var set = ScalarSet.named(name) else { throw unsupported("the class [:\(name):]", at: start) }
        // In bracket notation, punctuation includes symbols.
        if name == "punct", let symbols = ScalarSet.named("s") { set = set.union(symbols) }
        return isNegated ? set.inverted : set
    }
}

/// `\…`
extension PatternParser {
    mutating func escape() throws(PatternError) -> PatternNode {
        let start = index
        index += 1
        switch next {
        case "A": return assertion(.textStart)
        case "z": return assertion(.textEnd)
        case "Z": return assertion(dialect == .ecma262 ? .textEnd : .textEndOrFinalNewline)
        case "b": return assertion(.wordBoundary)
        case "B": return assertion(.notWordBoundary)
        default: break
        }
        // A class keeps its case, even if case is ignored.
        if let set = try escapedSet(from: start) { return .one(set) }
        return one(ScalarSet(try escapedScalar(from: start)))
    }

    private mutating func assertion(_ kind: PatternNode.Assertion) -> PatternNode {
        index += 1
        return .assertion(kind)
    }

    /// The set of an escape for several scalars; nil, without consuming input, if the escape is one scalar.
    mutating func escapedSet(from start: Int) throws(PatternError) -> ScalarSet? {
        guard let scalar = next else { throw malformed("an escape of nothing", at: start) }
        let set: ScalarSet
        switch scalar {
        case "h" where dialect == .ecma262, "H" where dialect == .ecma262: return nil
        case "s" where dialect == .ecma262: set = .ecmaSpace
        case "S" where dialect == .ecma262: set = ScalarSet.ecmaSpace.inverted
        case "d" where dialect == .ecma262: set = .asciiDigits
        case "D" where dialect == .ecma262: set = ScalarSet.asciiDigits.inverted
        case "w" where dialect == .ecma262: set = .asciiWord
        case "W" where dialect == .ecma262: set = ScalarSet.asciiWord.inverted
        case "s": set = .whiteSpace
        case "S": set = ScalarSet.whiteSpace.inverted
        case "d": set = .digits
        case "D": set = ScalarSet.digits.inverted
        case "w": set = .word
        case "W": set = ScalarSet.word.inverted
        case "h": set = .hexDigits
        case "H": set = ScalarSet.hexDigits.inverted
        case "p", "P": return try property(from: start)
        default: return nil
        }
        index += 1
        return set
    }

    private mutating func property(from start: Int) throws(PatternError) -> ScalarSet {
        var isNegated = next == "P"
        index += 1
        var name = ""
        if take("{") {
            if take("^") { isNegated.toggle() }
            while let scalar = next, scalar != "}" {
                name.unicodeScalars.append(scalar)
                index += 1
            }
            guard take("}") else { throw malformed("a property without an end", at: start) }
            if dialect == .ecma262, let sign = name.firstIndex(of: "=") {
                let kind = name[..<sign]
                guard ["Script", "sc", "General_Category", "gc"].contains(kind) else {
                    throw unsupported("the property \"\(name)\"", at: start)
                }
                name = String(name[name.index(after: sign)...])
            }
        } else {
            // In one engine \pL is a property, in the other the text "pL".
            guard dialect == .tiktoken, let scalar = next else {
                throw unsupported("\\\(isNegated ? "P" : "p") without braces", at: start)
            }
            name.unicodeScalars.append(scalar)
            index += 1
        }
        guard let set = ScalarSet.named(name) else { throw unsupported("the property \"\(name)\"", at: start) }
        return isNegated ? set.inverted : set
    }

    mutating func escapedScalar(from start: Int) throws(PatternError) -> UInt32 {
        guard let scalar = next else { throw malformed("an escape of nothing", at: start) }
        index += 1
        switch scalar {
        case "n": return 0x0A
        case "r": return 0x0D
        case "t": return 0x09
        case "f": return 0x0C
        case "v": return 0x0B
        case "a": return 0x07
        case "e": return 0x1B
        case "0" where !isDigit(next): return 0
        case "x": return try hexadecimal(2, shortest: 1, from: start)
        case "u" where dialect == .ecma262 && next != "{": return try codeUnits(from: start)
        case "u": return try hexadecimal(4, shortest: 4, from: start)
        case "c" where dialect == .ecma262:
            guard let letter = next, letter.isASCII, letter.properties.isAlphabetic else {
                throw malformed("a control character without its letter", at: start)
            }
            index += 1
            return letter.value & 31
        case "U" where dialect == .tiktoken: return try hexadecimal(8, shortest: 8, from: start)
        default:
            // Punctuation and non-ASCII characters are literals; escaped letters and digits may get a meaning in other
            // engines.
            let isNamed = scalar.value < 0x80 && (scalar.properties.isAlphabetic || isDigit(scalar))
            if isNamed { throw unsupported("\\\(scalar)", at: start) }
            return scalar.value
        }
    }

    /// `\uD83D\uDE00` is one character.
    private mutating func codeUnits(from start: Int) throws(PatternError) -> UInt32 {
        func unit(at place: Int) -> UInt32? {
            var value: UInt32 = 0
            for offset in 0..<4 {
                guard place + offset < scalars.count, scalars[place + offset].isASCII,
                    let digit = Character(scalars[place + offset]).hexDigitValue
                else { return nil }
                value = value << 4 | UInt32(digit)
            }
            return value
        }
        guard let first = unit(at: index) else { throw malformed("an escape that gives no character", at: start) }
        index += 4
        if (0xD800...0xDBFF).contains(first), next == "\\", peek(1) == "u", let second = unit(at: index + 2),
            (0xDC00...0xDFFF).contains(second)
        {
            index += 6
            return 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
        }
        guard Unicode.Scalar(first) != nil else { throw unsupported("half of a surrogate pair", at: start) }
        return first
    }

    private func isDigit(_ scalar: Unicode.Scalar?) -> Bool { scalar.map { ("0"..."9").contains($0) } ?? false }

    /// Exactly this many digits, or any number in braces.
    private mutating func hexadecimal(_ longest: Int, shortest: Int, from start: Int) throws(PatternError) -> UInt32 {
        let isBraced = take("{")
        var value: UInt32 = 0
        var count = 0
        while let digit = next.flatMap({ $0.isASCII ? Character($0).hexDigitValue : nil }) {
            guard count < (isBraced ? 8 : longest) else { break }
            value = value << 4 | UInt32(digit)
            count += 1
            index += 1
        }
        guard count >= (isBraced ? 1 : shortest), !isBraced || take("}"), Unicode.Scalar(value) != nil else {
            throw malformed("an escape that gives no character", at: start)
        }
        return value
    }
}

/// The classes of ECMA-262.
extension ScalarSet {
    static let lineTerminators = ScalarSet([0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029])
    static let asciiDigits = ScalarSet([0x30...0x39])
    static let asciiWord = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
    static let ecmaSpace = ScalarSet([
        0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F...0x202F,
        0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
    ])
}

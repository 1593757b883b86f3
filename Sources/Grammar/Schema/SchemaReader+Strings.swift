import MartletPatterns

/// Languages of unescaped strings.
extension SchemaReader {
    /// The strings of one shape.
    mutating func language(_ shape: StringShape) throws(GrammarError) -> ByteAutomaton {
        var result = ByteAutomaton.anyText
        for language in shape.languages { result = try result.intersection(language, budget) }
        for language in shape.excluded { result = try result.subtracting(language, budget) }
        guard shape.least > 0 || shape.most != nil else { return result }
        if shape.least > shape.most ?? shape.least { return .none }
        return try result.intersection(Self.lengths(shape, budget), budget)
    }

    /// The strings among the values of a schema, for property names.
    mutating func language(_ conjunction: SchemaConjunction) throws(GrammarError) -> ByteAutomaton {
        if let known = languages[conjunction] { return known }
        var network = ByteNetwork(budget)
        for shape in try shapes(conjunction) {
            switch shape {
            case .string(let shape): try network.add(language(shape), from: network.start, to: network.end)
            case .literals(let values):
                for value in values.compactMap(\.string) {
                    try network.add(bytes: value.utf8, from: network.start, to: network.end)
                }
            default: break
            }
        }
        let result = try network.automaton(budget).trimmed
        languages[conjunction] = result
        return result
    }

    private static func lengths(_ shape: StringShape, _ budget: GrammarBudget) throws(GrammarError)
        -> ByteAutomaton
    {
        guard max(shape.least, shape.most ?? 0) <= budget.limits.states else {
            throw .tooLarge(what: "characters to count", limit: budget.limits.states)
        }
        var network = ByteNetwork(budget)
        try network.repeat(least: shape.least, most: shape.most, from: network.start, to: network.end) {
            (network, first, last) throws(GrammarError) in try network.add(.all, from: first, to: last)
        }
        return try network.automaton(budget)
    }
}

extension ByteNetwork {
    /// A quoted string; only the length of its content may be constrained: every character may be escaped in any way
    /// JSON allows.
    mutating func addString(least: Int, most: Int?, from first: Int, to last: Int) throws(GrammarError) {
        guard max(least, most ?? 0) <= limits.states else {
            throw .tooLarge(what: "characters to count", limit: limits.states)
        }
        let begin = try state()
        let end = try state()
        add(.bytes(0x22, 0x22, begin), from: first)
        try self.repeat(least: least, most: most, from: begin, to: end) { (network, first, last) throws(GrammarError) in
            try network.addCharacter(from: first, to: last)
        }
        add(.bytes(0x22, 0x22, last), from: end)
    }

    /// One character of a string. Escaped surrogates come in pairs.
    private mutating func addCharacter(from first: Int, to last: Int) throws(GrammarError) {
        try add(ScalarSet([0x20...0x21, 0x23...0x5B, 0x5D...0x10FFFF]), from: first, to: last)
        let escape = try state()
        add(.bytes(0x5C, 0x5C, escape), from: first)
        for byte in "\"\\/bfnrt".utf8 { add(.bytes(byte, byte, last), from: escape) }
        let unit = try state()
        add(.bytes(0x75, 0x75, unit), from: escape)
        let three = try state()
        for (low, high) in [(0x30, 0x39), (0x41, 0x43), (0x61, 0x63), (0x45, 0x46), (0x65, 0x66)] {
            add(.bytes(UInt8(low), UInt8(high), three), from: unit)
        }
        try addDigits(3, from: three, to: last)
        // D800 to DBFF, then DC00 to DFFF.
        let surrogate = try state()
        for letter in "dD".utf8 { add(.bytes(letter, letter, surrogate), from: unit) }
        let two = try state()
        add(.bytes(0x30, 0x37, two), from: surrogate)
        try addDigits(2, from: two, to: last)
        let high = try state()
        for (low, end) in [(0x38, 0x39), (0x41, 0x42), (0x61, 0x62)] {
            add(.bytes(UInt8(low), UInt8(end), high), from: surrogate)
        }
        let pair = try state()
        try addDigits(2, from: high, to: pair)
        var place = pair
        for choices in ["\\", "u", "dD", "cCdDeEfF"] {
            let next = try state()
            for byte in choices.utf8 { add(.bytes(byte, byte, next), from: place) }
            place = next
        }
        try addDigits(2, from: place, to: last)
    }

    private mutating func addDigits(_ count: Int, from first: Int, to last: Int) throws(GrammarError) {
        var place = first
        for index in 1...count {
            let next = index == count ? last : try state()
            for (low, high) in [(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)] {
                add(.bytes(UInt8(low), UInt8(high), next), from: place)
            }
            place = next
        }
    }

    /// A quoted string whose unescaped content is accepted by the automaton: quotes, backslashes and control characters
    /// are escaped, all others are literal.
    mutating func addString(_ content: ByteAutomaton, from first: Int, to last: Int) throws(GrammarError) {
        var numbers: [Int] = []
        for _ in content.states { numbers.append(try state()) }
        add(.bytes(0x22, 0x22, numbers[0]), from: first)
        for (index, place) in content.states.enumerated() {
            if place.isFinal { add(.bytes(0x22, 0x22, last), from: numbers[index]) }
            var escape: Int?
            for range in place.ranges {
                let target = numbers[Int(range.target)]
                for (low, high) in [(UInt8(0x20), UInt8(0x21)), (0x23, 0x5B), (0x5D, 0xFF)] {
                    let first = max(low, range.low)
                    let last = min(high, range.high)
                    if first <= last { add(.bytes(first, last, target), from: numbers[index]) }
                }
                for byte in Array(UInt8(0)..<0x20) + [0x22, 0x5C] where range.low <= byte && byte <= range.high {
                    if escape == nil {
                        let next = try state()
                        escape = next
                        add(.bytes(0x5C, 0x5C, next), from: numbers[index])
                    }
                    try addEscape(of: byte, from: escape ?? numbers[index], to: target)
                }
            }
        }
    }

    /// The bytes after the backslash.
    private mutating func addEscape(of byte: UInt8, from first: Int, to last: Int) throws(GrammarError) {
        let short: [UInt8: Unicode.Scalar] = [
            0x22: "\"", 0x5C: "\\", 0x08: "b", 0x09: "t", 0x0A: "n", 0x0C: "f", 0x0D: "r",
        ]
        if let letter = short[byte] {
            add(.bytes(UInt8(letter.value), UInt8(letter.value), last), from: first)
            return
        }
        let digit = byte & 15
        let hexadecimal = digit < 10 ? [0x30 + digit] : [0x41 + digit - 10, 0x61 + digit - 10]
        for second in hexadecimal {
            try add(bytes: Array("u00".utf8) + [0x30 + byte >> 4, second], from: first, to: last)
        }
    }
}

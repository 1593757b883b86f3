extension ByteNetwork {
    mutating func add(_ alternatives: [[GBNFReader.Item]], from first: Int, to last: Int) throws(GrammarError) {
        for sequence in alternatives {
            var place = first
            for item in sequence {
                let next = try state()
                try add(item, from: place, to: next)
                place = next
            }
            add(.empty(last), from: place)
        }
    }

    private mutating func add(_ item: GBNFReader.Item, from first: Int, to last: Int) throws(GrammarError) {
        switch item {
        case .literal(let bytes): try add(bytes: bytes, from: first, to: last)
        case .set(let set): try add(set, from: first, to: last)
        case .token(let token, let isNegated): try add(TokenTree.terminal(token), isNegated, from: first, to: last)
        case .rule(let rule): add(.call(rule: rule, last), from: first)
        case .choice(let alternatives): try add(alternatives, from: first, to: last)
        case .repeated(let item, let least, let most):
            try self.repeat(least: least, most: most, from: first, to: last) {
                (network, first, last) throws(GrammarError) in try network.add(item, from: first, to: last)
            }
        }
    }

    /// The bytes of a token, or of any other token: after the first byte that differs, any bytes may follow.
    private mutating func add(
        _ terminal: [UInt8], _ isNegated: Bool, from first: Int, to last: Int
    ) throws(GrammarError) {
        guard isNegated else { return try add(bytes: terminal, from: first, to: last) }
        // All token terminals begin with the same byte.
        var place = try state()
        add(.bytes(terminal[0], terminal[0], place), from: first)
        for index in 1..<terminal.count {
            var rest = last
            for _ in (index + 1)..<terminal.count {
                let before = try state()
                add(.bytes(0, 255, rest), from: before)
                rest = before
            }
            let byte = terminal[index]
            if byte > 0 { add(.bytes(0, byte - 1, rest), from: place) }
            if byte < 255 { add(.bytes(byte + 1, 255, rest), from: place) }
            guard index + 1 < terminal.count else { return }
            let next = try state()
            add(.bytes(byte, byte, next), from: place)
            place = next
        }
    }
}

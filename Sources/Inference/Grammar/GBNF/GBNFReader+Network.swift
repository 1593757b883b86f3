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
        case .rule(let rule): add(.call(rule: rule, last), from: first)
        case .choice(let alternatives): try add(alternatives, from: first, to: last)
        case .repeated(let item, let least, let most):
            try self.repeat(least: least, most: most, from: first, to: last) {
                (network, first, last) throws(GrammarError) in try network.add(item, from: first, to: last)
            }
        }
    }
}

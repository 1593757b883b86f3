import MartletJSON

/// Arrays: states are positions and counts of matched `contains` items.
extension SchemaCompiler {
    /// For `uniqueItems` the state is the set of used values: at most this many sets.
    private static let mostSets = 1024
    /// And at most this many values: a set is a 64-bit word.
    private static let mostUnique = 64

    private struct Place: Hashable {
        var position: Int
        var counts: [Int]
    }

    mutating func add(
        _ shape: ArrayShape, to network: inout ByteNetwork, from first: Int, to last: Int
    ) throws(GrammarError) {
        let most = shape.most ?? Int.max
        if shape.least > most { return }
        let limit = reader.budget.limits.states
        guard max(shape.least, shape.most ?? 0) <= limit else { throw .tooLarge(what: "items to count", limit: limit) }
        if let pointer = shape.unique, most > 1 {
            return try addUnique(shape, pointer, to: &network, from: first, to: last)
        }
        let contained = shape.contained.filter { $0.least > 0 || $0.most != nil }
        guard contained.count <= 2 else {
            throw .unsupportedKeyword(
                "contains", pointer: contained[0].pointer, reason: "more than two of them on one array")
        }
        // Beyond this position, all positions are equivalent.
        let lastPosition = shape.most ?? max(shape.prefix.count, shape.least, 1)
        var numbers: [Place: Int] = [:]
        var order: [Place] = []
        func number(_ place: Place, _ network: inout ByteNetwork) throws(GrammarError) -> Int {
            if let known = numbers[place] { return known }
            let number = try network.state()
            numbers[place] = number
            order.append(place)
            return number
        }
        let start = try number(Place(position: 0, counts: contained.map { _ in 0 }), &network)
        try network.add(bytes: [0x5B], from: first, to: start)
        let close = try network.state()
        network.add(.bytes(0x5D, 0x5D, last), from: close)
        var next = 0
        while next < order.count {
            let place = order[next]
            let state = numbers[place] ?? start
            next += 1
            if place.position >= shape.least, zip(place.counts, contained).allSatisfy({ $0 >= $1.least }) {
                if place.position == 0 {
                    network.add(.empty(close), from: state)
                } else {
                    try addClosing(&network, state, close)
                }
            }
            guard place.position < most else { continue }
            let begin = try network.state()
            try place.position == 0 ? addOpening(&network, state, begin) : addComma(&network, state, begin)
            // Each `contains` schema either counts an item or does not.
            for choice in 0..<(1 << contained.count) {
                var item = shape.item(place.position)
                var counts = place.counts
                var isOpen = true
                for (index, wanted) in contained.enumerated() {
                    let isCounted = choice >> index & 1 == 1
                    if isCounted {
                        counts[index] += 1
                        item = item.and(wanted.items)
                        if let most = wanted.most {
                            isOpen = isOpen && counts[index] <= most
                        } else {
                            // Counts above the required number are not distinguished.
                            isOpen = isOpen && counts[index] <= wanted.least
                        }
                    } else if wanted.most != nil {
                        do throws(GrammarError) {
                            item = try negated(wanted, item)
                        } catch {
                            guard case .unsupportedKeyword("not", _, let reason) = error else { throw error }
                            throw .unsupportedKeyword("contains", pointer: wanted.pointer, reason: reason)
                        }
                    }
                }
                guard isOpen else { continue }
                let after = Place(position: min(place.position + 1, lastPosition), counts: counts)
                network.add(.call(rule: try rule(item), try number(after, &network)), from: begin)
            }
        }
    }

    private mutating func negated(
        _ contained: ArrayShape.Contained, _ item: SchemaConjunction
    ) throws(GrammarError) -> SchemaConjunction {
        guard contained.items.terms.count == 1, let term = contained.items.terms.first else { return item }
        let opposite: SchemaTerm =
            switch term {
            case .schema(let pointer): .not(pointer)
            case .not(let pointer): .schema(pointer)
            }
        _ = try reader.shapes(opposite)
        return item.and(opposite)
    }

    /// Distinct items, if there are few possible values.
    private mutating func addUnique(
        _ shape: ArrayShape, _ pointer: String, to network: inout ByteNetwork, from first: Int, to last: Int
    ) throws(GrammarError) {
        func unsupported(_ reason: String) -> GrammarError {
            .unsupportedKeyword("uniqueItems", pointer: pointer, reason: reason)
        }
        guard shape.contained.isEmpty else { throw unsupported("beside contains") }
        let most = shape.most ?? Int.max
        var values: [JSON] = []
        // By position; the last one is for all following items.
        var choices: [[Int]] = []
        for position in 0...min(shape.prefix.count, most - 1) {
            var indices: [Int] = []
            for value in try self.values(of: shape.item(position), unsupported) {
                var index = values.firstIndex { SchemaReader.areEqual($0, value) }
                if index == nil {
                    index = values.count
                    values.append(value)
                }
                if let index, !indices.contains(index) { indices.append(index) }
                guard values.count <= Self.mostUnique else {
                    throw unsupported("the items have more than \(Self.mostUnique) values")
                }
            }
            choices.append(indices)
        }
        var numbers: [UInt64: Int] = [:]
        var order: [UInt64] = []
        func number(_ used: UInt64, _ network: inout ByteNetwork) throws(GrammarError) -> Int {
            if let known = numbers[used] { return known }
            guard order.count < Self.mostSets else {
                throw unsupported(
                    "more than \(Self.mostSets) sets of items; fewer values or a lesser maxItems would do")
            }
            let number = try network.state()
            numbers[used] = number
            order.append(used)
            return number
        }
        let start = try number(0, &network)
        let close = try network.state()
        try network.add(bytes: [0x5B], from: first, to: start)
        network.add(.bytes(0x5D, 0x5D, last), from: close)
        var next = 0
        while next < order.count {
            let used = order[next], state = numbers[used] ?? start
            next += 1
            // All items are distinct, so the set determines their number.
            let count = used.nonzeroBitCount
            if count >= shape.least {
                if count == 0 {
                    network.add(.empty(close), from: state)
                } else {
                    try addClosing(&network, state, close)
                }
            }
            let free = choices[min(count, choices.count - 1)].filter { used >> $0 & 1 == 0 }
            guard count < most, !free.isEmpty else { continue }
            let begin = try network.state()
            try count == 0 ? addOpening(&network, state, begin) : addComma(&network, state, begin)
            for index in free {
                try add(values[index], to: &network, from: begin, to: number(used | 1 << index, &network))
            }
        }
    }

    /// All values that a schema allows, if they are few.
    private mutating func values(
        of conjunction: SchemaConjunction, _ unsupported: (String) -> GrammarError
    ) throws(GrammarError) -> [JSON] {
        var values: [JSON] = []
        for shape in try reader.shapes(conjunction) {
            switch shape {
            case .literals(let literals): values += literals
            case .null: values.append(.null)
            case .boolean(let value): values += value.map { [.bool($0)] } ?? [true, false]
            case .number(let number):
                guard number.kind == .integer, let low = number.low?.value, let high = number.high?.value,
                    let range = Self.range(low, high), range.count <= 2 * Self.mostUnique
                else { throw unsupported("the items are numbers without near bounds") }
                for value in range {
                    if try reader.admits(shape, .integer(value)) { values.append(.integer(value)) }
                }
            default: throw unsupported("the items are not of an enum")
            }
        }
        return values
    }

    /// The integers between two numbers; nil if they exceed 64 bits.
    private static func range(_ low: DecimalNumber, _ high: DecimalNumber) -> ClosedRange<Int64>? {
        func integer(_ number: DecimalNumber) -> Int64? {
            let text = String(decoding: number.text.prefix { $0 != 0x2E }, as: UTF8.self)
            return Int64(text).flatMap { $0.magnitude < 1 << 53 ? $0 : nil }
        }
        guard let first = integer(low), let last = integer(high), first <= last else { return nil }
        return first...last
    }
}

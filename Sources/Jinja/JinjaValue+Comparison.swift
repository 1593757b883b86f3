import MartletSystem

extension JinjaValue {
    /// Python's `==`; the cost is charged first, because large values take long to compare.
    func equals(_ other: JinjaValue, _ meter: JinjaMeter) throws(JinjaError) -> Bool {
        try meter.touch(Self.comparisonCost(self, other))
        return equals(other)
    }

    /// The maximum number of bytes read when comparing two values.
    private static func comparisonCost(_ left: JinjaValue, _ right: JinjaValue) -> Int {
        switch (left, right) {
        case (.string(let a), .string(let b)): a.bytes.count == b.bytes.count ? a.bytes.count : 0
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)), (.view(_, let a), .view(_, let b)):
            a.count == b.count ? left.weight.adding(clamped: right.weight) : 0
        case (.dict(let a), .dict(let b)): a.count == b.count ? a.weight.adding(clamped: b.weight) : 0
        case (.string(let a), _): a.bytes.count
        case (_, .string(let b)): b.bytes.count
        default: 0
        }
    }

    /// Python's `==`. Values nested too deeply to compare are unequal.
    func equals(_ other: JinjaValue, depth: Int = 0) -> Bool {
        guard depth < JinjaLimits.nesting else { return false }
        switch (self, other) {
        case (.string(let a), .string(let b)): return a.bytes == b.bytes
        case (.int(let a), .int(let b)): return a == b
        case (.undefined, .undefined), (.none, .none): return true
        case (.bool, _), (.int, _), (.float, _):
            return Self.orderNumbers(self, other) == .some(.equal)
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
            return a.count == b.count && zip(a, b).allSatisfy { $0.equals($1, depth: depth + 1) }
        case (.dict(let a), .dict(let b)):
            guard a.count == b.count else { return false }
            return a.entries.allSatisfy { entry in
                guard let value = b.value(ofHashable: entry.key) else { return false }
                return entry.value.equals(value, depth: depth + 1)
            }
        case (.range(let a), .range(let b)): return a == b
        case (.string(let a), .list), (.string(let a), .dict): return other.asText.map { $0.bytes == a.bytes } ?? false
        case (.list, .string(let b)), (.dict, .string(let b)): return asText.map { $0.bytes == b.bytes } ?? false
        case (.view(let name, let a), .view(let otherName, let b)):
            return name == otherName && name != "dict_values" && a.count == b.count
                && a.allSatisfy { item in b.contains { $0.equals(item, depth: depth + 1) } }
        default: return isSame(as: other)
        }
    }

    /// Python's `is`, for values where it is meaningful.
    func isSame(as other: JinjaValue) -> Bool {
        switch (self, other) {
        case (.none, .none): true
        case (.bool(let a), .bool(let b)): a == b
        case (.int(let a), .int(let b)): a == b
        case (.float(let a), .float(let b)): a == b
        case (.string(let a), .string(let b)): a == b
        case (.namespace(let a), .namespace(let b)): a === b
        case (.callable(let a), .callable(let b)): a === b
        case (.iterator(let a), .iterator(let b)): a === b
        case (.loop(let a), .loop(let b)): a === b
        default: false
        }
    }

    enum Order { case less, equal, greater, unordered }

    /// The order of two numbers without loss of precision; nil if one is not a number.
    static func orderNumbers(_ left: JinjaValue, _ right: JinjaValue) -> Order? {
        if let a = left.index, let b = right.index { return a < b ? .less : a > b ? .greater : .equal }
        guard let a = left.number, let b = right.number else { return nil }
        if a.isNaN || b.isNaN { return .unordered }
        if let a = left.index, abs(b) < 9.3e18 { return orderNumbers(a, b) }
        if let b = right.index, abs(a) < 9.3e18 {
            return switch orderNumbers(b, a) {
            case .less: .greater
            case .greater: .less
            case let order: order
            }
        }
        return a < b ? .less : a > b ? .greater : .equal
    }

    private static func orderNumbers(_ integer: Int64, _ double: Double) -> Order {
        guard let whole = Int64(exactly: double.rounded(.down)) else { return double > 0 ? .less : .greater }
        if integer != whole { return integer < whole ? .less : .greater }
        return double == double.rounded(.down) ? .equal : .less
    }

    /// Python's order; the cost is charged first; throws for pairs without an order.
    func order(_ other: JinjaValue, _ sign: String, _ meter: JinjaMeter) throws(JinjaError) -> Order {
        switch (self, other) {
        case (.string(let a), .string(let b)): try meter.touch(min(a.bytes.count, b.bytes.count))
        // Lists are searched for the first difference, and then the differing items are compared.
        case (.list, .list), (.tuple, .tuple):
            let levels = min(self.depth, other.depth)
            try meter.touch(Self.comparisonCost(self, other).multiplied(clampedBy: levels + 1))
            try meter.touch(min(weight, other.weight).multiplied(clampedBy: levels + 1))
        default: break
        }
        return try order(other, sign, depth: 0)
    }

    private func order(_ other: JinjaValue, _ sign: String, depth: Int) throws(JinjaError) -> Order {
        guard depth < JinjaLimits.nesting else { throw .limit("values nested too deeply to compare") }
        if let order = Self.orderNumbers(self, other) { return order }
        switch (self, other) {
        case (.string(let a), .string(let b)):
            return a.bytes == b.bytes ? .equal : a.precedes(b) ? .less : .greater
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
            for (left, right) in zip(a, b) where !left.equals(right) {
                return try left.order(right, sign, depth: depth + 1)
            }
            return a.count == b.count ? .equal : a.count < b.count ? .less : .greater
        case (.undefined(let what), _), (_, .undefined(let what)):
            throw JinjaError(.undefined, what)
        default:
            throw .type("'\(sign)' not supported between instances of '\(typeName)' and '\(other.typeName)'")
        }
    }

    /// Python's `self in container`.
    func isIn(_ container: JinjaValue, _ meter: JinjaMeter) throws(JinjaError) -> Bool {
        if case .string(let part) = self, let text = container.asText {
            if case .dict(let members) = container { return try members.value(for: self, meter) != nil }
            try meter.touch(text.bytes.count.adding(clamped: part.bytes.count))
            return text.find(part) != nil
        }
        switch container {
        case .string: throw .type("'in <string>' requires string as left operand, not \(typeName)")
        case .dict(let dictionary): return try dictionary.value(for: self, meter) != nil
        case .range(let range):
            guard let whole = index ?? number.flatMap(Int64.init(exactly:)) else { return false }
            return range.position(of: whole) != nil
        default:
            guard let items = container.items() else {
                throw .type("argument of type '\(container.typeName)' is not iterable")
            }
            try meter.step(items.count / 8)
            for item in items where try item.equals(self, meter) { return true }
            return false
        }
    }
}

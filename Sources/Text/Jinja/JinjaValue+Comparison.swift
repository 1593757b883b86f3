extension JinjaValue {
    /// Python's `==`. Values too deeply nested to compare are unequal.
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
                guard let value = try? b.value(for: entry.key) else { return false }
                return entry.value.equals(value, depth: depth + 1)
            }
        case (.range(let a), .range(let b)):
            return a.count == b.count
                && (a.count == 0 || (a.start == b.start && (a.count == 1 || a.step == b.step)))
        case (.view(let name, let a), .view(let otherName, let b)):
            return name == otherName && name != "dict_values" && a.count == b.count
                && a.allSatisfy { item in b.contains { $0.equals(item, depth: depth + 1) } }
        default: return isSame(as: other)
        }
    }

    /// Python's `is`, for the values where that has a meaning.
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

    /// The order of two numbers without loss of precision; nil when one is no number.
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

    /// Python's order; throws for pairs that have none.
    func order(_ other: JinjaValue, _ sign: String = "<", depth: Int = 0) throws(JinjaError) -> Order {
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
    func isIn(_ container: JinjaValue) throws(JinjaError) -> Bool {
        switch container {
        case .string(let text):
            guard case .string(let part) = self else {
                throw .type("'in <string>' requires string as left operand, not \(typeName)")
            }
            return text.find(part) != nil
        case .dict(let dictionary): return try dictionary.value(for: self) != nil
        case .range(let range):
            guard range.count > 0, let value = self.number, let whole = Int64(exactly: value) else { return false }
            let (offset, overflow) = whole.subtractingReportingOverflow(range.start)
            guard !overflow, offset % range.step == 0 else { return false }
            return (0..<Int64(range.count)).contains(offset / range.step)
        default:
            guard let items = container.items() else {
                throw .type("argument of type '\(container.typeName)' is not iterable")
            }
            return items.contains { $0.equals(self) }
        }
    }
}

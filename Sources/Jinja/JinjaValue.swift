/// A value of the template language, with Python's rules for truth, equality and order.
package enum JinjaValue {
    /// The value of a missing name, attribute or item; the payload describes it.
    case undefined(String)
    case none
    case bool(Bool)
    case int(Int64)
    case float(Double)
    case string(JinjaText)
    case list(JinjaList)
    case tuple(JinjaList)
    case dict(JinjaDictionary)
    case range(JinjaRange)
    /// `dict.items()`, `.keys()`, `.values()`.
    case view(String, JinjaList)
    /// The lazy results of `map`, `select`, `reverse`, …: consumed once.
    case iterator(JinjaIterator)
    case namespace(JinjaNamespace)
    case callable(JinjaCallable)
    case loop(JinjaLoop)

    package static func text(_ string: String) -> JinjaValue { .string(JinjaText(string)) }

    /// Python's name of the type, for error messages.
    var typeName: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .int: "int"
        case .float: "float"
        case .string: "str"
        case .list: "list"
        case .tuple: "tuple"
        case .dict: "dict"
        case .range: "range"
        case .view(let name, _): name
        case .iterator: "generator"
        case .namespace: "Namespace"
        case .callable: "function"
        case .loop: "LoopContext"
        }
    }

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .float(let value): value != 0
        case .string(let value): !value.isEmpty
        case .list(let values), .tuple(let values), .view(_, let values): !values.isEmpty
        case .dict(let value): value.count > 0
        case .range(let value): value.count > 0
        case .loop(let loop): loop.count > 0
        case .iterator, .namespace, .callable: true
        }
    }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }
    var isNone: Bool { if case .none = self { true } else { false } }

    /// The value as an integer where Python accepts an index: integers and booleans.
    var index: Int64? {
        switch self {
        case .int(let value): value
        case .bool(let value): value ? 1 : 0
        default: nil
        }
    }

    /// The value as a number, if it is one (including booleans).
    var number: Double? {
        switch self {
        case .int(let value): Double(value)
        case .float(let value): value
        case .bool(let value): value ? 1 : 0
        default: nil
        }
    }

    /// `len(value)`, or nil if Python has none.
    var length: Int? {
        switch self {
        case .undefined: 0
        case .string(let text): text.count
        case .list(let values), .tuple(let values), .view(_, let values): values.count
        case .dict(let value): value.count
        case .range(let value): value.count
        case .loop(let loop): loop.count
        default: nil
        }
    }

    /// The items that `for` iterates over, or nil if the value is not iterable. Drains an iterator.
    func items() -> [JinjaValue]? {
        switch self {
        case .undefined: []
        case .string(let text): text.scalars.map { .string($0) }
        case .list(let values), .tuple(let values), .view(_, let values): values.items
        case .dict(let value): value.keys
        case .range(let value): value.items
        case .iterator(let iterator): iterator.drain()
        default: nil
        }
    }
}

/// The items of a generator, each returned once.
package final class JinjaIterator {
    private var values: ArraySlice<JinjaValue>
    let depth: Int
    let weight: Int

    init(_ values: [JinjaValue]) {
        self.values = values[...]
        let list = JinjaList(values)
        depth = list.depth
        weight = list.weight
    }

    func next() -> JinjaValue? { values.popFirst() }

    func drain() -> [JinjaValue] {
        defer { values = [] }
        return Array(values)
    }
}

/// `namespace(…)`: the only mutable object of the language.
package final class JinjaNamespace {
    var members = JinjaDictionary()
}

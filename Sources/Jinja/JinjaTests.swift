/// Tests (after `is`).
enum JinjaTests {
    static let names: Set<String> = [
        "boolean", "callable", "defined", "undefined", "divisibleby", "eq", "equalto", "==", "ne", "!=", "lt",
        "lessthan", "<", "le", "<=", "gt", "greaterthan", ">", "ge", ">=", "even", "odd", "true", "false", "float",
        "integer", "number", "in", "iterable", "lower", "upper", "mapping", "none", "sameas", "sequence", "string",
        "filter", "test", "escaped",
    ]

    static func apply(
        _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments, _ meter: JinjaMeter
    ) throws(JinjaError) -> Bool {
        guard arguments.named.isEmpty || name == "divisibleby" else {
            throw .type("the test '\(name)' takes no keyword arguments")
        }
        if let comparison = comparison(name) {
            let other = try only(name, arguments)
            return try JinjaRenderer.compare(comparison, value, other, meter)
        }
        switch name {
        case "divisibleby":
            let divisor = try arguments.bind(name, ["num"], required: 1)[0] ?? .none
            return try JinjaValue.apply(.modulo, value, divisor, meter).equals(.int(0))
        case "sameas":
            try meter.touch(value.asText?.bytes.count ?? 0)
            return value.isSame(as: try only(name, arguments))
        default: break
        }
        guard arguments.positional.isEmpty else { throw .type("the test '\(name)' takes no arguments") }
        switch name {
        case "defined": return !value.isUndefined
        case "undefined": return value.isUndefined
        case "none": return value.isNone
        case "odd": return try JinjaValue.apply(.modulo, value, .int(2), meter).equals(.int(1))
        case "even": return try JinjaValue.apply(.modulo, value, .int(2), meter).equals(.int(0))
        case "lower": return try value.text(meter).isAll("islower", meter) ?? false
        case "upper": return try value.text(meter).isAll("isupper", meter) ?? false
        case "filter", "test":
            if case .list = value { throw .type("unhashable type: 'list'") }
            guard case .string(let text) = value else { return false }
            return name == "filter" ? JinjaFilters.names.contains(text.string) : names.contains(text.string)
        case "escaped": return false
        default:
            // The length of a text counts its characters, which requires reading all of them.
            if case .string = value, name == "iterable" || name == "sequence" { return true }
            return isOfKind(name, value)
        }
    }

    private static func isOfKind(_ name: String, _ value: JinjaValue) -> Bool {
        switch (name, value) {
        case ("boolean", .bool), ("string", .string), ("mapping", .dict), ("callable", .callable), ("callable", .loop),
            ("callable", .undefined):
            true
        case ("true", .bool(let flag)): flag
        case ("false", .bool(let flag)): !flag
        case ("integer", .int), ("float", .float), ("number", .int), ("number", .float), ("number", .bool): true
        case ("iterable", .loop): true
        case ("iterable", .iterator): true
        case ("iterable", _): value.length != nil
        case ("sequence", .view), ("sequence", .loop): false
        case ("sequence", _): value.length != nil
        default: false
        }
    }

    private static func only(_ name: String, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        guard arguments.positional.count == 1 else { throw .type("the test '\(name)' takes one argument") }
        return arguments.positional[0]
    }

    private static func comparison(_ name: String) -> JinjaComparison? {
        switch name {
        case "eq", "equalto", "==": .equal
        case "ne", "!=": .notEqual
        case "lt", "lessthan", "<": .less
        case "le", "<=": .lessOrEqual
        case "gt", "greaterthan", ">": .greater
        case "ge", ">=": .greaterOrEqual
        case "in": .isIn
        default: nil
        }
    }
}

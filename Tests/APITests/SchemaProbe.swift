import MartletGrammar
import MartletJSON

/// A value that a schema of the OpenAPI document describes, made to try one of its members.
struct SchemaProbe {
    var value: JSON
    /// Of the member, `messages[0].content`.
    var path: String
    /// Whether the schema forbids what stands there.
    var isWrong: Bool

    /// For each member of a schema, values that have it: one as described, and one of each type that is not.
    static func all(_ schema: JSON, _ document: JSON) -> [SchemaProbe] {
        let schema = resolved(schema, document)
        if let choices = schema["anyOf"]?.array { return choices.flatMap { all($0, document) } }
        if let items = schema["items"] {
            return all(items, document).map {
                let place = $0.path.hasPrefix("[") || $0.path.isEmpty ? "[0]" : "[0]."
                return SchemaProbe(value: [$0.value], path: place + $0.path, isWrong: $0.isWrong)
            }
        }
        guard let members = schema["properties"]?.object, case .object(let base) = valid(schema, document) else {
            return []
        }
        var probes: [SchemaProbe] = []
        func add(_ key: String, _ value: JSON, _ rest: String, isWrong: Bool) {
            var object = base
            object[key] = value
            let dot = rest.isEmpty || rest.hasPrefix("[") ? "" : "."
            probes.append(SchemaProbe(value: .object(object), path: key + dot + rest, isWrong: isWrong))
        }
        for (key, member) in members {
            for value in choices(member, document) { add(key, value, "", isWrong: false) }
            let kinds = kinds(member, document)
            let values: [(String, JSON)] = [
                ("string", "?"), ("boolean", true), ("number", 0.5), ("array", [["?": 1]]), ("object", ["?": 1]),
            ]
            for (kind, value) in values where !kinds.contains(kind) { add(key, value, "", isWrong: true) }
            for value in edges(member, document) {
                add(key, value, "", isWrong: !SchemaCheck.problems(value, member, document).isEmpty)
            }
            for probe in all(member, document) { add(key, probe.value, probe.path, isWrong: probe.isWrong) }
        }
        return probes
    }

    /// The paths of all members that a schema describes, `messages[].content`.
    static func paths(_ schema: JSON, _ document: JSON) -> Set<String> {
        let schema = resolved(schema, document)
        var paths: Set<String> = []
        for choice in schema["anyOf"]?.array ?? [] { paths.formUnion(self.paths(choice, document)) }
        if let items = schema["items"] {
            for path in self.paths(items, document) { paths.insert(path.hasPrefix("[") ? "[]" + path : "[]." + path) }
        }
        for (key, member) in schema["properties"]?.object ?? [:] {
            paths.insert(key)
            for path in self.paths(member, document) {
                paths.insert(path.hasPrefix("[") ? key + path : key + "." + path)
            }
        }
        return paths
    }

    static func resolved(_ schema: JSON, _ document: JSON) -> JSON {
        guard let name = schema["$ref"]?.string?.split(separator: "/").last else { return schema }
        return document["components"]?["schemas"]?[String(name)] ?? .null
    }

    /// One value for each alternative.
    private static func choices(_ schema: JSON, _ document: JSON) -> [JSON] {
        let schema = resolved(schema, document)
        if let alternatives = schema["anyOf"]?.array { return alternatives.flatMap { choices($0, document) } }
        if let values = schema["enum"]?.array { return values }
        return [valid(schema, document)]
    }

    /// The smallest value that a schema allows.
    static func valid(_ schema: JSON, _ document: JSON) -> JSON {
        let schema = resolved(schema, document)
        if let value = schema["const"] ?? schema["enum"]?.array?.first { return value }
        if let first = schema["anyOf"]?.array?.first { return valid(first, document) }
        switch schema["type"]?.string ?? schema["type"]?.array?.first?.string {
        case "object":
            var object = JSONObject()
            for name in schema["required"]?.array ?? [] {
                guard let name = name.string, let member = schema["properties"]?[name] else { continue }
                object[name] = valid(member, document)
            }
            return .object(object)
        case "array":
            let count = schema["minItems"]?.integer ?? 0
            return .array((0..<count).map { _ in valid(schema["items"] ?? [:], document) })
        case "string": return schema["pattern"]?.string?.hasPrefix("^-?") == true ? "5m" : "a"
        case "integer": return .integer(Int64(max(1, schema["minimum"]?.integer ?? 1)))
        case "number": return 0.5
        case "boolean": return true
        default: return .null
        }
    }

    /// Values at the bounds that a schema gives, and one beyond them.
    private static func edges(_ schema: JSON, _ document: JSON) -> [JSON] {
        let schema = resolved(schema, document)
        if let alternatives = schema["anyOf"]?.array { return alternatives.flatMap { edges($0, document) } }
        var values: [JSON] = []
        if let most = schema["maxLength"]?.integer {
            values += [most, most + 1].map { .string(String(repeating: "é", count: $0)) }
        }
        for (key, step) in [("minimum", -1), ("maximum", 1)] {
            if schema["type"]?.string == "number", let bound = schema[key]?.double {
                values += [.number(bound), .number(bound + 0.25 * Double(step))]
            } else if let bound = schema[key]?.integer {
                values.append(.integer(Int64(bound)))
                let beyond = bound.addingReportingOverflow(step)
                if !beyond.overflow { values.append(.integer(Int64(beyond.partialValue))) }
            }
        }
        if let items = schema["items"] {
            let item = valid(items, document)
            let counts = [schema["minItems"]?.integer.map { $0 - 1 }, schema["maxItems"]?.integer.map { $0 + 1 }]
            for count in counts.compactMap(\.self) where (0...4097).contains(count) {
                values.append(.array(Array(repeating: item, count: count)))
            }
        }
        return values
    }

    /// The JSON types of the values that a schema allows. An integer is a number.
    private static func kinds(_ schema: JSON, _ document: JSON) -> Set<String> {
        let schema = resolved(schema, document)
        var kinds: Set<String> = []
        for choice in schema["anyOf"]?.array ?? [] { kinds.formUnion(self.kinds(choice, document)) }
        // Of an enumeration every other value is wrong.
        guard schema["enum"] == nil else { return kinds }
        if let type = schema["type"]?.string { kinds.insert(type) }
        for type in schema["type"]?.array ?? [] { kinds.insert(type.string ?? "") }
        return kinds
    }
}

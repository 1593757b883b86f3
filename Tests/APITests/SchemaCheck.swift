import MartletGrammar
import MartletJSON

/// What a value has that a schema of the OpenAPI document does not describe, by path. Members that it does not list count.
enum SchemaCheck {
    static func problems(_ value: JSON, _ schema: JSON, _ document: JSON, at path: String = "$") -> [String] {
        let schema = SchemaProbe.resolved(schema, document)
        if let choices = schema["anyOf"]?.array {
            let all = choices.map { problems(value, $0, document, at: path) }
            return all.contains([]) ? [] : all.min { $0.count < $1.count } ?? []
        }
        var found: [String] = []
        if let constant = schema["const"], constant != value { found.append("\(path): not \(constant.text())") }
        if let values = schema["enum"]?.array, !values.contains(value) { found.append("\(path): not in enum") }
        let types = schema["type"]?.array?.compactMap(\.string) ?? schema["type"]?.string.map { [$0] }
        if let types, !types.contains(where: { isKind(value, $0) }) { found.append("\(path): \(value.kind)") }
        if let least = schema["minimum"]?.double, let number = value.double, number < least {
            found.append("\(path): \(number)")
        }
        if let most = schema["maximum"]?.double, let number = value.double, number > most {
            found.append("\(path): \(number)")
        }
        if let most = schema["maxLength"]?.integer, let text = value.string, text.unicodeScalars.count > most {
            found.append("\(path): longer than \(most)")
        }
        if let count = value.array?.count {
            if count < schema["minItems"]?.integer ?? 0 || count > schema["maxItems"]?.integer ?? .max {
                found.append("\(path): \(count) items")
            }
        }
        if let items = schema["items"] {
            for (index, item) in (value.array ?? []).enumerated() {
                found += problems(item, items, document, at: "\(path)[\(index)]")
            }
        }
        if let members = schema["properties"]?.object, let object = value.object {
            for (key, member) in object {
                if let known = members[key] {
                    found += problems(member, known, document, at: "\(path).\(key)")
                } else {
                    found.append("\(path).\(key): not described")
                }
            }
            for name in schema["required"]?.array ?? [] where object[name.string ?? ""] == nil {
                found.append("\(path).\(name.text()): missing")
            }
        }
        return found
    }

    private static func isKind(_ value: JSON, _ type: String) -> Bool {
        switch type {
        case "integer": value.integer != nil
        case "number": value.double != nil
        default: value.kind == type
        }
    }
}

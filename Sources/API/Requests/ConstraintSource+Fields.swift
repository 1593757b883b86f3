import MartletJSON
import MartletSystem

extension ConstraintSource {
    /// The constraint in any of the possible members: OpenAI's `response_format`, vLLM's `structured_outputs` and
    /// `guided_*`, llama.cpp's `grammar` and `json_schema`, SGLang's `regex` and `ebnf`. Two of them contradict each
    /// other.
    init?(_ fields: inout FieldReader) throws(APIError) {
        var found: [(name: String, source: ConstraintSource)] = []
        func add(_ name: String, _ source: ConstraintSource?) {
            if let source { found.append((name, source)) }
        }
        add("response_format", try Self.responseFormat(&fields))
        for (key, kind) in [
            ("guided_json", "json"), ("guided_regex", "regex"), ("guided_choice", "choice"),
            ("guided_grammar", "grammar"), ("grammar", "grammar"), ("json_schema", "json"), ("regex", "regex"),
            ("ebnf", "grammar"),
        ] {
            let path = fields.path(of: key)
            if let value = fields.json(key) { add(key, try Self.extension(kind, value, path)) }
        }
        for key in ["structured_outputs", "guided_decoding"] {
            guard var options = try fields.fields(key) else { continue }
            for kind in ["json", "regex", "choice", "grammar", "json_object"] {
                if let value = options.json(kind) {
                    add("\(key).\(kind)", try Self.extension(kind, value, options.path(of: kind)))
                }
            }
            try options.refuse("structural_tag")
            options.ignore("backend", "_backend", "disable_fallback")
            try options.refuse("whitespace_pattern")
            try options.refuse("disable_any_whitespace", unless: { $0.bool == false })
            try options.refuse("disable_additional_properties", unless: { $0.bool == false })
        }
        try fields.refuse("guided_whitespace_pattern")
        if found.count > 1 {
            throw .invalid(found[1].name, "cannot be combined with \(found[0].name)")
        }
        guard let source = found.first?.source else { return nil }
        self = source
    }

    private static func `extension`(_ kind: String, _ value: JSON, _ path: String) throws(APIError) -> ConstraintSource?
    {
        switch kind {
        case "json": return .jsonSchema(try schema(value, path))
        case "json_object":
            guard let flag = value.bool else { throw .invalid(path, "must be a boolean, not \(value.kind)") }
            return flag ? .jsonObject : nil
        case "choice":
            guard let items = value.array, (1...4096).contains(items.count), items.allSatisfy({ $0.string != nil })
            else {
                throw .invalid(path, "must be an array of 1 to 4096 strings")
            }
            return .choice(items.compactMap(\.string))
        default:
            guard let text = value.string else { throw .invalid(path, "must be a string, not \(value.kind)") }
            if text.isEmpty { return nil }
            return kind == "regex" ? .regex(text) : .gbnf(text)
        }
    }

    private static func responseFormat(_ fields: inout FieldReader) throws(APIError) -> ConstraintSource? {
        guard var format = try fields.fields("response_format") else { return nil }
        switch try format.required("type", format.string("type")) {
        case "text": return nil
        case "json_object":
            // llama.cpp accepts a schema here, and Hugging Face's client sends one as "value".
            var found: ConstraintSource?
            for key in ["schema", "value"] {
                guard let value = format.json(key) else { continue }
                guard found == nil else { throw format.error("value", "cannot be combined with schema") }
                found = .jsonSchema(try schema(value, format.path(of: key)))
            }
            return found ?? .jsonObject
        case "json":
            let value = try format.required("value", format.json("value"))
            return .jsonSchema(try schema(value, format.path(of: "value")))
        case "json_schema":
            if format.object["json_schema"] == nil, let value = format.json("schema") {
                return .jsonSchema(try schema(value, format.path(of: "schema")))
            }
            var definition = try format.required("json_schema", format.fields("json_schema"))
            _ = try definition.string("name")
            _ = try definition.string("description")
            _ = try definition.bool("strict")
            let value = try definition.required("schema", definition.json("schema"))
            return .jsonSchema(try schema(value, definition.path(of: "schema")))
        case "regex":
            // "value" is used by text-generation-inference and its clients.
            if let value = try format.string("value") { return .regex(value) }
            return .regex(try format.required("pattern", format.string("pattern")))
        case "grammar":
            return .gbnf(try format.required("grammar", format.string("grammar")))
        case let other:
            throw format.error(
                "type",
                "is '\(other.shown(limit: 40))'; it must be 'text', 'json_object', 'json_schema', 'regex' or 'grammar'")
        }
    }

    /// A schema as an object, a boolean, or JSON text.
    static func schema(_ value: JSON, _ path: String) throws(APIError) -> JSON {
        switch value {
        case .object, .bool: return value
        case .string(let text):
            if let parsed = try? JSON(parsing: text), parsed.object != nil || parsed.bool != nil { return parsed }
            throw .invalid(path, "is a string that is not a JSON Schema")
        default: throw .invalid(path, "must be a JSON Schema, not \(value.kind)")
        }
    }
}

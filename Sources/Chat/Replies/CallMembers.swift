import MartletGrammar
import MartletJSON

/// The syntax of call arguments in families that do not write JSON.
enum CallMembers {
    /// `<parameter=KEY>` line by line (Qwen Coder). Strings are unquoted text.
    case tags
    /// `key:value`; strings between the family's own marks, without escapes (Gemma).
    case quoted(String)
    /// `key=value` with Python literals.
    case python

    private static let annotations: Set<String> = ["description", "title", "default", "examples", "type"]
    private static let definitions = ["$defs", "definitions"]

    var separator: String {
        switch self {
        case .tags: ""
        case .quoted: ","
        case .python: ", "
        }
    }

    /// Whether a tool's name can be parsed back unchanged.
    func canSpell(_ name: String) -> Bool {
        switch self {
        case .tags: true
        case .quoted, .python: !name.utf8.contains(UInt8(ascii: ":"))
        }
    }

    /// The arguments in this syntax; nil if the schema has constraints that cannot be expressed: on the whole object,
    /// on several types at once, or on values that the family spells differently.
    func members(of schema: JSON) -> [CallGrammar.Member]? {
        let object = schema.object ?? JSONObject()
        let known = Self.annotations.union(Self.definitions)
            .union(["properties", "required", "additionalProperties", "$schema"])
        let properties = object["properties"]?.object ?? JSONObject()
        let required = Set((object["required"]?.array ?? []).compactMap(\.string))
        guard object.allSatisfy({ known.contains($0.key) }), required.allSatisfy({ properties[$0] != nil }) else {
            return nil
        }
        var members: [CallGrammar.Member] = []
        for (name, property) in properties {
            guard var member = member(name, property, in: object) else { return nil }
            member.isRequired = required.contains(name)
            members.append(member)
        }
        // Gemma's template lists them in this order.
        if case .quoted = self { members.sort { $0.opening.lowercased() < $1.opening.lowercased() } }
        return members
    }

    private func member(_ name: String, _ schema: JSON, in root: JSONObject) -> CallGrammar.Member? {
        guard let object = schema.object, let type = object["type"]?.string else { return nil }
        switch self {
        case .tags:
            guard Self.isPlain(name), let value = Self.tagged(object, type, in: root) else { return nil }
            return .init(
                opening: "<parameter=\(name)>\n", value: value, closing: "\n</parameter>\n", isRequired: false)
        case .quoted(let quote):
            guard name.utf8.allSatisfy(LiteralReader.isWord), !name.isEmpty else { return nil }
            let marks = type == "string" ? quote : ""
            guard let value = Self.bare(object, type, quote) else { return nil }
            return .init(opening: name + ":" + marks, value: value, closing: marks, isRequired: false)
        case .python:
            guard Self.isIdentifier(name), let value = Self.literal(object, type, in: root) else { return nil }
            return .init(opening: name + "=", value: value, closing: "", isRequired: false)
        }
    }

    // MARK: Values

    /// JSON of any type except strings, which are free text or one of several texts.
    private static func tagged(
        _ schema: JSONObject, _ type: String, in root: JSONObject
    ) -> CallGrammar.Value? {
        type == "string" ? text(schema, without: "</parameter>") : .json(.object(rooted(schema, in: root)))
    }

    private static func bare(_ schema: JSONObject, _ type: String, _ quote: String) -> CallGrammar.Value? {
        switch type {
        case "string": text(schema, without: quote)
        case "integer", "number": .json(.object(schema))
        case "boolean" where schema.allSatisfy { annotations.contains($0.key) }: .choice(["true", "false"])
        default: nil
        }
    }

    /// Values that JSON and Python spell alike, and booleans.
    private static func literal(
        _ schema: JSONObject, _ type: String, in root: JSONObject
    ) -> CallGrammar.Value? {
        switch type {
        case "string", "integer", "number": .json(.object(rooted(schema, in: root)))
        case "boolean" where schema.allSatisfy { annotations.contains($0.key) }: .choice(["True", "False"])
        case "array":
            switch schema["items"]?["type"]?.string {
            case "string"?, "integer"?, "number"?: .json(.object(rooted(schema, in: root)))
            default: nil
            }
        default: nil
        }
    }

    /// A string whose schema has only a type, or a list of values.
    private static func text(_ schema: JSONObject, without mark: String) -> CallGrammar.Value? {
        let rest = schema.filter { !annotations.contains($0.key) }
        if rest.isEmpty { return .text(without: mark) }
        guard rest.count == 1, rest[0].key == "enum", let texts = rest[0].value.array else { return nil }
        let choices = texts.compactMap(\.string)
        guard choices.count == texts.count, !choices.isEmpty, !choices.contains(where: { $0.contains(mark) }) else {
            return nil
        }
        return .choice(choices)
    }

    /// Referenced definitions are in the root schema.
    private static func rooted(_ schema: JSONObject, in root: JSONObject) -> JSONObject {
        var schema = schema
        for key in definitions where schema[key] == nil { schema[key] = root[key] }
        return schema
    }

    // MARK: Names

    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "<") && $0 != UInt8(ascii: ">") }
    }

    private static func isIdentifier(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy { LiteralReader.isWord($0) && $0 != 0x2D && $0 != 0x2E }
    }
}

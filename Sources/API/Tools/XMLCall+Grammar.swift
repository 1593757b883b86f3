import MartletInference
import MartletJSON

extension XMLCall {
    private static let annotations: Set<String> = ["description", "title", "default", "examples", "type"]
    private static let definitions = ["$defs", "definitions"]

    /// The parameters of a tool as they are written, each the text of a string or JSON of another type; nil where the
    /// schema says more than this can hold to: of the object as a whole, of a string, or of several types at once.
    static func members(of schema: JSON) -> [CallGrammar.Member]? {
        let object = schema.object ?? JSONObject()
        let known = annotations.union(definitions).union(["properties", "required", "additionalProperties", "$schema"])
        let properties = object["properties"]?.object ?? JSONObject()
        let required = Set((object["required"]?.array ?? []).compactMap(\.string))
        guard object.allSatisfy({ known.contains($0.key) }), required.allSatisfy({ properties[$0] != nil }) else {
            return nil
        }
        var members: [CallGrammar.Member] = []
        for (name, property) in properties {
            guard let value = value(property, in: object), isPlain(name) else { return nil }
            members.append(
                .init(
                    opening: "<parameter=\(name)>\n", value: value, closing: "\n</parameter>\n",
                    isRequired: required.contains(name)))
        }
        return members
    }

    private static func value(_ schema: JSON, in root: JSONObject) -> CallGrammar.Value? {
        guard var object = schema.object, let type = object["type"]?.string else { return nil }
        guard type == "string" else {
            // What the schema refers to stands at the root.
            for key in definitions where object[key] == nil { object[key] = root[key] }
            return .json(.object(object))
        }
        let rest = object.filter { !annotations.contains($0.key) }
        if rest.isEmpty { return .text(without: "</parameter>") }
        guard rest.count == 1, rest[0].key == "enum", let texts = rest[0].value.array else { return nil }
        let choices = texts.compactMap(\.string)
        guard choices.count == texts.count, !choices.isEmpty, !choices.contains(where: { $0.contains("</parameter>") })
        else { return nil }
        return .choice(choices)
    }

    /// A name that is read again as it was written.
    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "<") && $0 != UInt8(ascii: ">") }
    }
}

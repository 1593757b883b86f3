import MartletJSON
import MartletJinja

/// The form in which a template gets message content: a string or a list of parts. Templates support one of them, or
/// both.
enum ContentForm: CaseIterable {
    /// Always a string: text parts are joined by a line feed.
    case text
    /// Unchanged.
    case asSent
    /// Always parts: a string becomes one text part.
    case parts

    /// The form that the template's syntax tree suggests.
    init(_ use: ContentUse) {
        self = !use.readsParts ? .text : use.testsForString ? .asSent : .parts
    }

    /// Content for the template. Text parts that are passed as parts become their joined text where the template treats
    /// them as a string.
    func value(of content: JSON, text: (String) -> JinjaText) -> JinjaValue {
        switch content {
        case .string(let string):
            let whole = text(string)
            guard self == .parts else { return .string(whole) }
            return .list(JinjaList([Self.part(whole)], spelling: whole, isText: true))
        case .array(let parts):
            guard let texts = Self.texts(of: parts) else { return JinjaValue(content) }
            let whole = text(texts.joined(separator: "\n"))
            guard self != .text else { return .string(whole) }
            return .list(JinjaList(zip(parts, texts).map { Self.part($0, text($1)) }, spelling: whole))
        default: return JinjaValue(content)
        }
    }

    /// The texts, if all parts are text.
    static func texts(of parts: [JSON]) -> [String]? {
        var texts: [String] = []
        for part in parts {
            guard part["type"]?.string == "text", let text = part["text"]?.string else { return nil }
            texts.append(text)
        }
        return texts
    }

    private static func part(_ text: JinjaText) -> JinjaValue {
        var members = JinjaDictionary()
        members.set("type", .text("text"))
        members.set("text", .string(text))
        return .dict(members)
    }

    private static func part(_ json: JSON, _ text: JinjaText) -> JinjaValue {
        var members = JinjaDictionary()
        for (key, value) in json.object ?? JSONObject() {
            members.set(JinjaText(key, isData: true), key == "text" ? .string(text) : JinjaValue(value))
        }
        return .dict(members)
    }
}

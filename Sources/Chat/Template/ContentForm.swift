import MartletJSON
import MartletJinja

/// The form in which a template gets the content of messages. Content may come as a string or as parts; templates take
/// one of them, or both.
enum ContentForm: CaseIterable {
    /// A string, always: text parts are joined with a line feed.
    case text
    /// As it came.
    case asSent
    /// Parts, always: a string is one text part.
    case parts

    /// What the template's own tree asks for.
    init(_ use: ContentUse) {
        self = !use.readsParts ? .text : use.testsForString ? .asSent : .parts
    }

    /// Content as the template sees it. Text parts that are shown to it as parts still are their joined text wherever the
    /// template treats them as a string.
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

    /// The texts, where all parts are text.
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

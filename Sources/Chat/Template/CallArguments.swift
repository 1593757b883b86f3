import MartletJSON
import MartletJinja

/// The arguments of calls for templates: an object, which most templates print with `tojson`, and which is its JSON
/// text where a template treats it as a string.
enum CallArguments {
    static func value(ofCalls json: JSON) -> JinjaValue {
        guard case .array(let calls) = json else { return JinjaValue(json) }
        return .list(JinjaList(calls.map(value(ofCall:))))
    }

    private static func value(ofCall call: JSON) -> JinjaValue {
        guard let members = call.object else { return JinjaValue(call) }
        var result = JinjaDictionary()
        for (key, member) in members {
            let value: JinjaValue =
                switch (key, member) {
                case ("function", .object): value(ofCall: member)
                case ("arguments", _): value(of: member)
                default: JinjaValue(member)
                }
            result.set(JinjaText(key, isData: true), value)
        }
        return .dict(result)
    }

    private static func value(of arguments: JSON) -> JinjaValue {
        let object = ChatMessage.normalized(arguments)
        guard case .dict(var members) = JinjaValue(object) else { return JinjaValue(arguments) }
        let text = arguments.string.flatMap { $0.allSatisfy(\.isWhitespace) ? nil : JinjaText($0, isData: true) }
        var writer = JinjaJSONWriter(JinjaMeter())
        guard let text = text ?? (try? writer.write(.dict(members))) else { return .dict(members) }
        members.spell(text.asData)
        return .dict(members)
    }
}

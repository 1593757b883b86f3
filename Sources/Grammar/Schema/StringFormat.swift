/// The values of `format` that can be enforced, as regular expressions of whole strings. Rare forms of a format (quoted
/// local parts of e-mail addresses, leap seconds) are never generated.
enum StringFormat {
    /// Whether a version of JSON Schema defines the format. Undefined formats are annotations.
    static func isDefined(_ name: String) -> Bool { expressions[name] != nil || withoutExpression.contains(name) }

    /// Formats that JSON Schema defines but that have no expression here.
    private static let withoutExpression: Set<String> = [
        "regex", "idn-email", "idn-hostname", "iri", "iri-reference", "uri-template",
    ]

    static let expressions: [String: String] = [
        "date": date, "time": time, "date-time": "(" + date + ")[Tt]" + time, "duration": duration,
        "uuid": "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        "ipv4": ipv4, "ipv6": ipv6, "hostname": hostname, "email": local + "(\\." + local + ")*@" + hostname,
        "uri": scheme + ":(" + authority + "|(/?" + pathStart + ")?)" + query,
        "uri-reference": "(" + scheme + ":)?(" + authority + "|/?(" + firstSegment + "(/" + character + "*)*)?)"
            + query,
        "json-pointer": pointer, "relative-json-pointer": "(0|[1-9][0-9]*)(#|" + pointer + ")",
    ]

    private static let pointer = "(/([^~/]|~[01])*)*"

    /// All valid dates, including 29 February in leap years.
    private static let date =
        "([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
        + "|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
        + "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29"
    private static let time =
        "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
    /// Appendix A of RFC 3339.
    private static let duration: String = {
        let clock = "T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S)"
        let days = "([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)"
        return "P(\(days)(\(clock))?|\(clock)|[0-9]+W)"
    }()
    private static let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    private static let ipv4 = "\(byte)(\\.\(byte)){3}"
    private static let ipv6: String = {
        let group = "[0-9a-fA-F]{1,4}"
        let last = "(\(group):\(group)|\(ipv4))"
        var ways = ["(\(group):){6}\(last)", "::(\(group):){5}\(last)"]
        for before in 0...4 {
            ways.append("((\(group):){0,\(before)}\(group))?::(\(group):){\(4 - before)}\(last)")
        }
        ways.append("((\(group):){0,5}\(group))?::\(group)")
        ways.append("((\(group):){0,6}\(group))?::")
        return ways.joined(separator: "|")
    }()
    private static let label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    private static let hostname = "\(label)(\\.\(label)){0,7}"
    private static let local = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,64}"
    private static let character = "([a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})"
    private static let scheme = "[a-zA-Z][a-zA-Z0-9+.-]*"
    private static let authority =
        "//(([a-zA-Z0-9._~!$&'()*+,;=:-]|%[0-9a-fA-F]{2})*@)?([a-zA-Z0-9._~!$&'()*+,;=-]|%[0-9a-fA-F]{2})*(:[0-9]*)?"
        + "(/\(character)*)*"
    private static let pathStart = "\(character)+(/\(character)*)*"
    private static let firstSegment = "([a-zA-Z0-9._~!$&'()*+,;=@-]|%[0-9a-fA-F]{2})+"
    private static let query = "(\\?(\(character)|[/?])*)?(#(\(character)|[/?])*)?"
}

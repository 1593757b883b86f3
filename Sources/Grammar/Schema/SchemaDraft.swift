import MartletJSON

/// The version of JSON Schema named in `$schema`; 2020-12 if it is missing or unknown. Older versions differ in some
/// keywords:
///
/// - draft-04: `exclusiveMinimum` and `exclusiveMaximum` are booleans beside `minimum` and `maximum`;
/// - up to draft-07: keywords beside `$ref` are ignored, and `$id` (`id` in draft-04) may be a plain name, `#name`;
/// - up to 2019-09: `items` may be a list, with `additionalItems` for the items after it.
enum SchemaDraft: Int, Comparable, Sendable {
    case draft4 = 4
    case draft6 = 6
    case draft7 = 7
    case draft2019 = 2019
    case draft2020 = 2020

    init(_ identifier: String?) {
        let text = identifier ?? ""
        let versions: [(String, SchemaDraft)] = [
            ("draft-03/", .draft4), ("draft-04/", .draft4), ("draft-05/", .draft4), ("draft-06/", .draft6),
            ("draft-07/", .draft7), ("draft/2019-09/", .draft2019),
        ]
        self = versions.first { text.contains($0.0) }?.1 ?? .draft2020
    }

    static func < (left: SchemaDraft, right: SchemaDraft) -> Bool { left.rawValue < right.rawValue }

    /// Whether `minimum` or `maximum` excludes its own value, by a boolean beside it.
    func isExclusive(_ keyword: String, beside keywords: JSONObject) -> Bool {
        guard self == .draft4 else { return false }
        return keywords[keyword == "minimum" ? "exclusiveMinimum" : "exclusiveMaximum"]?.bool ?? false
    }

    /// Whether only `$ref` counts in a schema that has one.
    func readsOnlyReference(_ keywords: JSONObject) -> Bool { self <= .draft7 && keywords["$ref"]?.string != nil }

    /// Whether `items` may be a list of schemas by position.
    var hasItemLists: Bool { self <= .draft2019 }
}

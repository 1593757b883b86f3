import MartletJSON

/// The version of JSON Schema that a document's `$schema` names. Without one, or with one that is not known, 2020-12 is
/// meant. Older versions differ in what a few keywords say:
///
/// - draft-04: `exclusiveMinimum` and `exclusiveMaximum` are booleans beside `minimum` and `maximum`;
/// - up to draft-07: what stands beside `$ref` is ignored, and `$id` (`id` in draft-04) may be a plain name, `#name`;
/// - up to 2019-09: `items` may be a list, with `additionalItems` for what follows it.
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

    /// `minimum` or `maximum` excludes its own value, by a boolean beside it.
    func isExclusive(_ keyword: String, beside keywords: JSONObject) -> Bool {
        guard self == .draft4 else { return false }
        return keywords[keyword == "minimum" ? "exclusiveMinimum" : "exclusiveMaximum"]?.bool ?? false
    }

    /// Only `$ref` counts of a schema that has one.
    func readsOnlyReference(_ keywords: JSONObject) -> Bool { self <= .draft7 && keywords["$ref"]?.string != nil }

    /// Whether `items` may be a list of schemas by position.
    var hasItemLists: Bool { self <= .draft2019 }
}

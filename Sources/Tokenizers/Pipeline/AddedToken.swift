/// A token that is matched in the text itself, before the model encodes the rest.
public struct AddedToken: Sendable, Equatable {
    public var id: Int32
    public var content: String
    /// Whether it is a control token (`<s>`, `<|im_end|>`): decoding may skip it, and untrusted text must not produce
    /// it.
    public var isSpecial: Bool
    /// Removes the white space on its left.
    public var stripsLeft: Bool
    /// Removes the white space on its right.
    public var stripsRight: Bool
    /// Matches only between characters that are not part of a word.
    public var isSingleWord: Bool
    /// Whether it is matched in the normalised text instead of the original.
    public var isNormalized: Bool

    /// Whether untrusted text in a chat must not produce it: special tokens, and tokens that look like tags without
    /// being marked special (`</think>`, `<tool_call>`, `<|fim_prefix|>`, `[ARGS]`), except HTML elements, which people
    /// write.
    public var isMarker: Bool { isSpecial || Self.isTag(Array(content.utf8)) }

    private static func isTag(_ bytes: [UInt8]) -> Bool {
        guard bytes.count > 2, let first = bytes.first, let last = bytes.last else { return false }
        let isTag =
            (first == UInt8(ascii: "<") && last == UInt8(ascii: ">"))
            || (first == UInt8(ascii: "[") && last == UInt8(ascii: "]"))
        guard isTag, !bytes.contains(where: { $0 <= 0x20 }) else { return false }
        let name = bytes.dropFirst(bytes[1] == UInt8(ascii: "/") ? 2 : 1).dropLast()
        return first == UInt8(ascii: "[") || !elements.contains(String(decoding: name, as: UTF8.self))
    }

    private static let elements: Set<String> = [
        "a", "b", "blockquote", "body", "br", "caption", "code", "dd", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4",
        "h5", "h6", "head", "hr", "html", "i", "img", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "sup",
        "table",
        "tbody", "td", "tfoot", "th", "thead", "title", "tr", "u", "ul",
    ]

    public init(
        id: Int32, content: String, isSpecial: Bool, stripsLeft: Bool = false, stripsRight: Bool = false,
        isSingleWord: Bool = false, isNormalized: Bool = false
    ) {
        self.id = id
        self.content = content
        self.isSpecial = isSpecial
        self.stripsLeft = stripsLeft
        self.stripsRight = stripsRight
        self.isSingleWord = isSingleWord
        self.isNormalized = isNormalized
    }
}

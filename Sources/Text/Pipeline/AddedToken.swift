/// A token that is found in the text itself, before the model sees it.
public struct AddedToken: Sendable, Equatable {
    public var id: Int32
    public var content: String
    /// Whether it steers the model (`<s>`, `<|im_end|>`), so that decoding may leave it out and text from
    /// strangers must not produce it.
    public var isSpecial: Bool
    /// Takes the white space on its left with it.
    public var stripsLeft: Bool
    /// Takes the white space on its right with it.
    public var stripsRight: Bool
    /// Only between characters that are no part of a word.
    public var isSingleWord: Bool
    /// Searched for in the normalised text, not in the original.
    public var isNormalized: Bool

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

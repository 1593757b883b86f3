import MartletInference
import MartletTokenizers

/// The texts of tokens in replies.
struct TokenTexts: Sendable {
    private let tokenizer: Tokenizer
    private let spellsIDs: Bool
    private let endTokens: Set<Int32>

    init(_ model: LanguageModel, spellsIDs: Bool) {
        tokenizer = model.tokenizer
        endTokens = model.endTokens
        self.spellsIDs = spellsIDs
    }

    func isEnd(_ token: Int32) -> Bool { endTokens.contains(token) }

    func bytes(_ token: Int32) -> [UInt8] { tokenizer.bytes(of: token) ?? [] }

    /// The token's text; invalid UTF-8 becomes U+FFFD.
    func text(_ token: Int32) -> String {
        spellsIDs ? "token_id:\(token)" : String(decoding: bytes(token), as: UTF8.self)
    }

    func decoder(skipsSpecialTokens: Bool) -> StreamingDecoder {
        tokenizer.streamingDecoder(skipSpecialTokens: skipsSpecialTokens)
    }
}

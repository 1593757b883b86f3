import MartletJSON
import MartletText

/// A document as tokens.
public struct EncodedDocument: Sendable, Equatable {
    public var tokens: [Int32]
    /// For each token whether it is trained on; nil when all are.
    public var isTrained: [Bool]?
    /// How many bytes of text the tokens stand for.
    public var sourceByteCount: Int

    public init(tokens: [Int32], isTrained: [Bool]? = nil, sourceByteCount: Int) {
        self.tokens = tokens
        self.isTrained = isTrained
        self.sourceByteCount = sourceByteCount
    }
}

/// Turns documents into tokens. A text becomes the beginning-of-sequence token (where the tokenizer has texts begin
/// with one), its tokens, and the token that ends documents. Special tokens spelled in a text stay the characters
/// they are.
public struct DocumentEncoder: Sendable {
    /// What becomes of conversations.
    public enum Chats: Sendable {
        /// Their messages, as a text.
        case plainText
        /// What a chat template makes of them; tokens and, for each, whether it is trained on.
        case encoded(@Sendable ([ChatMessage], [JSON]?) throws -> (tokens: [Int32], isTrained: [Bool]))
        /// An error that says why not.
        case refused(String)
    }

    public let tokenizer: Tokenizer
    /// The token that ends a text.
    public let separator: Int32?
    public let chats: Chats

    public init(tokenizer: Tokenizer, separator: Int32?, chats: Chats = .plainText) {
        self.tokenizer = tokenizer
        self.separator = separator
        self.chats = chats
    }

    /// Whether some tokens of documents may not be trained on.
    public var makesMasks: Bool { if case .encoded = chats { true } else { false } }

    public func encode(_ document: Document) throws(DataError) -> EncodedDocument {
        if case .chat(let messages, let tools) = document.content {
            switch chats {
            case .plainText: break
            case .refused(let reason): throw DataError(.invalid, path: document.path, place: document.place, reason)
            case .encoded(let encode):
                do {
                    let (tokens, isTrained) = try encode(messages, tools)
                    let count = messages.reduce(0) { $0 + ($1.content?.utf8.count ?? 0) }
                    return EncodedDocument(tokens: tokens, isTrained: isTrained, sourceByteCount: count)
                } catch {
                    throw DataError(.malformed, path: document.path, place: document.place, "\(error)")
                }
            }
        }
        let text = document.plainText
        do throws(TokenizerError) {
            return try encode(text: text)
        } catch {
            throw DataError(.malformed, path: document.path, place: document.place, "\(error)")
        }
    }

    func encode(text: some Collection<UInt8>) throws(TokenizerError) -> EncodedDocument {
        var tokens = try tokenizer.encode(bytes: text, addSpecialTokens: false, parseSpecial: false)
        if tokenizer.addsBOS, let beginning = tokenizer.bosToken { tokens.insert(beginning, at: 0) }
        if let separator { tokens.append(separator) }
        return EncodedDocument(tokens: tokens, sourceByteCount: text.count)
    }
}

extension Tokenizer {
    /// The token to end documents with: one that vocabularies name so, else the only one that ends texts.
    public var documentEnd: Int32? {
        for name in ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"] {
            if let id = id(of: name), specialTokens.contains(id) || eosTokens.contains(id) { return id }
        }
        return eosTokens.min()
    }
}

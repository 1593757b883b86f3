import MartletChat
import MartletJSON
import MartletTokenizers

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

    /// How many of its tokens are trained on.
    public var trainedCount: Int { isTrained?.count { $0 } ?? tokens.count }
}

/// What a document became: mostly one sequence of tokens; of a conversation several, where a template renders earlier
/// turns otherwise or it was cut, and none where all of it was left out.
public struct DocumentEncoding: Sendable, Equatable {
    public var sequences: [EncodedDocument]
    /// What is to be told of it, once for each time it happened.
    public var notes: [CorpusTally.Kind]

    public init(_ sequences: [EncodedDocument], notes: [CorpusTally.Kind] = []) {
        self.sequences = sequences
        self.notes = notes
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
        /// What a chat template makes of them.
        case encoded(@Sendable ([ChatMessage], [JSON]?) throws -> DocumentEncoding)
        /// An error that says why not.
        case refused(String)
    }

    public let tokenizer: Tokenizer
    /// The token that ends a text.
    public let separator: Int32?
    public let chats: Chats

    /// Longer texts are tokenised in pieces, each cut at a line's end, so that what a tokenizer keeps of a text while it
    /// works (some fifty bytes a byte) is bounded.
    private static let largestPiece = 1 << 20

    public init(tokenizer: Tokenizer, separator: Int32?, chats: Chats = .plainText) {
        self.tokenizer = tokenizer
        self.separator = separator
        self.chats = chats
    }

    /// Whether some tokens of documents may not be trained on.
    public var makesMasks: Bool { if case .encoded = chats { true } else { false } }

    public func encode(_ document: Document) throws(DataError) -> DocumentEncoding {
        func fail(_ reason: String, _ kind: DataError.Kind = .malformed) -> DataError {
            DataError(kind, path: document.path, place: document.place, reason)
        }
        if case .chat(let messages, let tools) = document.content {
            switch chats {
            case .plainText: break
            case .refused(let reason): throw fail(reason, .invalid)
            case .encoded(let encode):
                do { return try encode(messages, tools) } catch { throw fail("\(error)") }
            }
        }
        do {
            switch document.content {
            case .text(let text): return DocumentEncoding([try encode(text: text)])
            case .chat: return DocumentEncoding([try encode(text: document.plainText)])
            case .segments(let segments):
                guard makesMasks else { throw fail(Self.noMasks) }
                return DocumentEncoding([try encode(segments)])
            case .feedback: throw fail("says which replies are good, and is no text to learn", .invalid)
            case .tokens(let tokens, let isTrained):
                guard isTrained == nil || makesMasks else { throw fail(Self.noMasks) }
                if let culprit = tokens.first(where: { $0 >= tokenizer.vocabularySize }) {
                    throw fail("has the token \(culprit), but the tokenizer has \(tokenizer.vocabularySize)")
                }
                return DocumentEncoding([EncodedDocument(tokens: tokens, isTrained: isTrained, sourceByteCount: 0)])
            }
        } catch let error as DataError {
            throw error
        } catch {
            throw fail("\(error)")
        }
    }

    private static let noMasks =
        "says which of its tokens are learnt, which plain texts cannot keep; pack with a chat template"

    func encode(text: some RandomAccessCollection<UInt8>) throws(TokenizerError) -> EncodedDocument {
        var tokens: [Int32] = []
        if tokenizer.addsBOS, let beginning = tokenizer.bosToken { tokens.append(beginning) }
        var rest = text[...]
        while !rest.isEmpty {
            let piece = rest.count > Self.largestPiece ? rest.prefix(Self.largestPiece) : rest
            let cut = piece.count < rest.count ? TextDocuments.cut(piece) : piece.count
            tokens += try tokenizer.encode(bytes: rest.prefix(cut), addSpecialTokens: false, parseSpecial: false)
            rest = rest.dropFirst(cut)
        }
        if let separator { tokens.append(separator) }
        return EncodedDocument(tokens: tokens, sourceByteCount: text.count)
    }

    private func encode(_ segments: [Document.TextSegment]) throws(TokenizerError) -> EncodedDocument {
        var tokens: [Int32] = [], isTrained: [Bool] = [], bytes = 0
        if tokenizer.addsBOS, let beginning = tokenizer.bosToken {
            tokens.append(beginning)
            isTrained.append(false)
        }
        for segment in segments {
            let own = try tokenizer.encode(
                bytes: Array(segment.text.utf8), addSpecialTokens: false, parseSpecial: false)
            tokens += own
            isTrained += Array(repeating: segment.isTrained, count: own.count)
            bytes += segment.text.utf8.count
        }
        if let separator {
            tokens.append(separator)
            isTrained.append(segments.last?.isTrained ?? false)
        }
        return EncodedDocument(tokens: tokens, isTrained: isTrained, sourceByteCount: bytes)
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

import MartletChat
import MartletJSON
import MartletTokenizers

/// A document as tokens.
public struct EncodedDocument: Sendable, Equatable {
    public var tokens: [Int32]
    /// Whether each token is trained on; nil: all are.
    public var isTrained: [Bool]?
    /// What each token counts in the loss; nil: 1 where it is trained on.
    public var weights: [Float]?
    /// The number of bytes of text that the tokens encode.
    public var sourceByteCount: Int

    public init(tokens: [Int32], isTrained: [Bool]? = nil, weights: [Float]? = nil, sourceByteCount: Int) {
        self.tokens = tokens
        self.isTrained = isTrained
        self.weights = weights
        self.sourceByteCount = sourceByteCount
    }

    /// The number of tokens that are trained on.
    public var trainedCount: Int { isTrained?.count { $0 } ?? tokens.count }
}

/// The tokens of a document: usually one sequence. A conversation can become several, if a template renders earlier
/// turns differently or the conversation is split, and none if all of it is left out.
public struct DocumentEncoding: Sendable, Equatable {
    public var sequences: [EncodedDocument]
    /// Notes for the tally, one for each occurrence.
    public var notes: [CorpusTally.Kind]

    public init(_ sequences: [EncodedDocument], notes: [CorpusTally.Kind] = []) {
        self.sequences = sequences
        self.notes = notes
    }
}

/// Tokenises documents. A text becomes the beginning-of-sequence token (if the tokenizer adds one), its tokens, and the
/// token that ends documents. Special tokens spelled in a text are encoded as ordinary characters.
public struct DocumentEncoder: Sendable {
    /// How conversations are encoded.
    public enum Chats: Sendable {
        /// Their messages as plain text.
        case plainText
        /// Rendered with a chat template.
        case encoded(@Sendable ([ChatMessage], [JSON]?) throws -> DocumentEncoding)
        /// Not at all: an error with this reason.
        case refused(String)
    }

    public let tokenizer: Tokenizer
    /// The token that ends a text.
    public let separator: Int32?
    public let chats: Chats

    /// Longer texts are tokenised in pieces that end at line ends, which limits the temporary memory of the tokenizer,
    /// about fifty bytes for each byte of text.
    private static let largestPiece = 1 << 20

    public init(tokenizer: Tokenizer, separator: Int32?, chats: Chats = .plainText) {
        self.tokenizer = tokenizer
        self.separator = separator
        self.chats = chats
    }

    /// Whether documents can have tokens that are not trained on.
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
            case .feedback: throw fail("contains feedback on replies, not a text to train on", .invalid)
            case .tokens(let tokens, let isTrained, let weights):
                guard isTrained == nil || makesMasks else { throw fail(Self.noMasks) }
                if let culprit = tokens.first(where: { $0 >= tokenizer.vocabularySize }) {
                    throw fail("has the token \(culprit), but the vocabulary has \(tokenizer.vocabularySize) tokens")
                }
                return DocumentEncoding([
                    EncodedDocument(tokens: tokens, isTrained: isTrained, weights: weights, sourceByteCount: 0)
                ])
            }
        } catch let error as DataError {
            throw error
        } catch {
            throw fail("\(error)")
        }
    }

    private static let noMasks =
        "marks which of its tokens are trained on, which plain texts cannot store; pack with a chat template"

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
        var tokens: [Int32] = [], weights: [Float] = [], bytes = 0
        if tokenizer.addsBOS, let beginning = tokenizer.bosToken {
            tokens.append(beginning)
            // Nobody is asked for it; it is of the first part, so that it makes no prompt of its own.
            weights.append(segments.first?.weight ?? 0)
        }
        for segment in segments {
            let own = try tokenizer.encode(
                bytes: Array(segment.text.utf8), addSpecialTokens: false, parseSpecial: false)
            tokens += own
            weights += Array(repeating: segment.weight, count: own.count)
            bytes += segment.text.utf8.count
        }
        if let separator {
            tokens.append(separator)
            weights.append(segments.last?.weight ?? 0)
        }
        return EncodedDocument(
            tokens: tokens, isTrained: weights.map { $0 > 0 }, weights: LossWeights.beyondMask(weights),
            sourceByteCount: bytes)
    }
}

extension Tokenizer {
    /// The token that ends documents: one with a name commonly used for it, else the only token that ends texts.
    public var documentEnd: Int32? {
        for name in ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"] {
            if let id = id(of: name), specialTokens.contains(id) || eosTokens.contains(id) { return id }
        }
        return eosTokens.min()
    }
}

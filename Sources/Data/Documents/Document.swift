import MartletChat
import MartletJSON

/// A document of a corpus, and its place.
public struct Document: Sendable, Equatable {
    public enum Content: Sendable, Equatable {
        /// The bytes of the text as in the file; usually UTF-8.
        case text([UInt8])
        /// A conversation, and the tools of its assistant. A message may have `weight`, what it counts in the loss: 0
        /// excludes a reply from training.
        case chat([ChatMessage], tools: [JSON]?)
        /// A text in segments, some of which are not trained on.
        case segments([TextSegment])
        /// Token ids, for each whether it is trained on (nil: all are), and what it counts where that is not 0 or 1.
        case tokens([Int32], isTrained: [Bool]?, weights: [Float]? = nil)
        /// Preferences or labels of replies, if requested (`CorpusOptions.feedback`).
        case feedback(Feedback)
    }

    /// A piece of a text whose tokens count the same in the loss.
    public struct TextSegment: Sendable, Equatable {
        public var text: String
        /// 0 is context.
        public var weight: Float
        public var isTrained: Bool { weight > 0 }

        public init(_ text: String, weight: Float) {
            self.text = text
            self.weight = weight
        }

        public init(_ text: String, isTrained: Bool) { self.init(text, weight: isTrained ? 1 : 0) }
    }

    public var content: Content
    public var path: String
    /// "line 3", "row 7"; nil when the document is the whole file.
    public var place: String?
    /// All columns of the record, if requested (`CorpusOptions.keepsPrompts`).
    public var record: JSON?

    public init(_ content: Content, path: String, place: String? = nil) {
        self.content = content
        self.path = path
        self.place = place
    }

    /// "a.jsonl: line 3", for messages.
    public var origin: String { place.map { "\(path): \($0)" } ?? path }

    /// The bytes that identify a document when it is assigned to a split: the text, the tokens, or the messages as
    /// JSON.
    public var identity: [UInt8] {
        switch content {
        case .text(let bytes): bytes
        case .chat(let messages, _): Array(JSON.array(messages.map(\.json)).text().utf8)
        case .segments: plainText
        case .tokens(let tokens, _, _):
            tokens.flatMap { token in withUnsafeBytes(of: token.littleEndian) { Array($0) } }
        case .feedback(let feedback): Array(feedback.json.text().utf8)
        }
    }

    /// The text; of a chat the contents of its messages, separated by empty lines. Empty for token ids.
    public var plainText: [UInt8] {
        switch content {
        case .text(let bytes): bytes
        case .chat(let messages, _):
            Array(messages.compactMap(\.content).filter { !$0.isEmpty }.joined(separator: "\n\n").utf8)
        case .segments(let segments): Array(segments.map(\.text).joined().utf8)
        case .tokens, .feedback: []
        }
    }

    /// Whether there is nothing to train on.
    public var isEmpty: Bool {
        switch content {
        case .text(let bytes): bytes.isEmpty
        case .chat(let messages, _): messages.isEmpty
        case .segments(let segments): segments.allSatisfy(\.text.isEmpty)
        case .tokens(let tokens, _, _): tokens.isEmpty
        case .feedback(let feedback): feedback.isEmpty
        }
    }

    /// The approximate size in memory, in bytes.
    var byteCount: Int {
        switch content {
        case .text(let bytes): bytes.count
        case .chat(let messages, _): messages.reduce(0) { $0 + ($1.content?.utf8.count ?? 0) + 64 }
        case .segments(let segments): segments.reduce(0) { $0 + $1.text.utf8.count + 64 }
        case .tokens(let tokens, _, let weights): tokens.count * (weights == nil ? 5 : 9)
        case .feedback(let feedback): feedback.json.text().utf8.count
        }
    }
}

/// The result of reading one record.
enum CorpusRecord {
    case document(Document, notes: [CorpusTally.Kind])
    /// There is nothing to train on, which is not an error.
    case leftOut(CorpusTally.Kind, at: String)
    case bad(DataError)
}

/// Reads the records of one file in order.
protocol DocumentReader: AnyObject {
    /// The next record; nil at the end.
    /// - Throws: `DataError` when the file cannot be read further.
    func next() throws(DataError) -> CorpusRecord?
}

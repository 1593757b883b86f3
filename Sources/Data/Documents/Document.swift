import MartletJSON
import MartletText

/// One document of a corpus, and where it was read.
public struct Document: Sendable, Equatable {
    public enum Content: Sendable, Equatable {
        /// Text as the file has it; usually UTF-8.
        case text([UInt8])
        /// A conversation, and the functions its assistant could call.
        case chat([ChatMessage], tools: [JSON]?)
    }

    public var content: Content
    public var path: String
    /// "line 3", "row 7"; nil when the document is the whole file.
    public var place: String?

    public init(_ content: Content, path: String, place: String? = nil) {
        self.content = content
        self.path = path
        self.place = place
    }

    /// What tells documents apart for a split: the text, or the messages as JSON.
    public var identity: [UInt8] {
        switch content {
        case .text(let bytes): bytes
        case .chat(let messages, _): Array(JSON.array(messages.map(\.json)).text().utf8)
        }
    }

    /// The text; of a chat what its messages say, with empty lines between.
    public var plainText: [UInt8] {
        switch content {
        case .text(let bytes): bytes
        case .chat(let messages, _):
            Array(messages.compactMap(\.content).filter { !$0.isEmpty }.joined(separator: "\n\n").utf8)
        }
    }
}

/// Reads the documents of one file in order.
protocol DocumentReader: AnyObject {
    func next() throws(DataError) -> Document?
}

/// Packs documents into windows in the order they come, as training packs rows: whole ones where they fit, each attending
/// to itself alone, its positions counted from 0.
///
/// ```swift
/// var documents = DocumentWindows(length: 512, limit: 128)
/// for text in ["Once upon a time.", "The end."] where !documents.isFull {
///     documents.add(try tokenizer.encode(text))
/// }
/// let windows = try documents.finish(name: "stories")
/// ```
///
/// A document of more than `length` tokens is cut into pieces of so many, each a sequence of its own.
public struct DocumentWindows: Sendable {
    /// Tokens of a window at most.
    public let length: Int
    /// Windows at most; nil for no limit.
    public let limit: Int?
    private var windows: [TextWindows.Window] = []
    private var tokens: [Int32] = []
    private var sequences: [Range<Int>] = []
    private var scored: [Int] = []

    public init(length: Int, limit: Int? = nil) {
        precondition(length >= 2, "a window holds at least two tokens")
        (self.length, self.limit) = (length, limit)
    }

    /// Whether there are as many windows as there may be; what is added to full ones has no effect.
    public var isFull: Bool { limit.map { windows.count >= $0 } ?? false }

    /// - Parameter isTrained: for each token whether it is trained on, and therefore scored; nil: all are. The first of a
    ///   sequence never is, since nothing stands before it.
    public mutating func add(_ document: [Int32], isTrained: [Bool]? = nil) {
        for start in stride(from: 0, to: document.count, by: length) {
            let piece = start..<min(start + length, document.count)
            if tokens.count + piece.count > length { close() }
            let first = tokens.count
            tokens += document[piece]
            sequences.append(first..<tokens.count)
            for token in piece.dropFirst() where isTrained?[token] ?? true { scored.append(first + token - start - 1) }
        }
    }

    private mutating func close() {
        if !isFull { windows.append(TextWindows.Window(tokens: tokens, sequences: sequences, scored: scored)) }
        (tokens, sequences, scored) = ([], [], [])
    }

    /// - Throws: `QuantizationError.shortText` where no token is scored.
    public func finish(name: String) throws -> TextWindows {
        var last = self
        if !last.tokens.isEmpty { last.close() }
        let result = TextWindows(method: .documents(length: length), windows: last.windows)
        guard result.scoredCount > 0 else {
            throw QuantizationError.shortText(name: name, tokens: result.tokenCount, needed: 2)
        }
        return result
    }
}

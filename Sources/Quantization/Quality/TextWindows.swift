import MartletTensor
import MartletTokenizers

/// A long text cut into windows that fit a model, or documents packed into such windows, and which of the tokens are scored.
public struct TextWindows: Sendable {
    /// How perplexity is defined.
    public enum Method: Sendable, Equatable {
        /// llama.cpp's: pieces of `length` tokens side by side, each begun with the model's first token where it has one
        /// and asks for it, of which the second half is scored. A special token's name in the text, as WikiText's `<unk>`,
        /// is read as characters.
        case chunks(length: Int)
        /// transformers' guide: windows of `length` tokens, each `stride` further than the last; the tokens that no window
        /// before has scored are scored. Names of special tokens are these.
        case strided(length: Int, stride: Int)
        /// A corpus as it is trained on: whole documents in windows of at most `length` tokens, each attending to itself
        /// alone; the tokens that are trained on are scored, but for the first of a document (`DocumentWindows`).
        case documents(length: Int)

        public var length: Int {
            switch self {
            case .chunks(let length), .strided(let length, _), .documents(let length): length
            }
        }

        fileprivate var namesSpecialTokens: Bool {
            switch self {
            case .chunks, .documents: false
            case .strided: true
            }
        }

        public var name: String {
            switch self {
            case .chunks(let length): "second half of chunks of \(length) tokens, as llama.cpp"
            case .strided(let length, let stride): "windows of \(length) tokens, stride \(stride), as transformers"
            case .documents(let length): "documents in windows of \(length) tokens, as in training"
            }
        }
    }

    public struct Window: Sendable {
        public let tokens: [Int32]
        /// The tokens that attend to each other: one range of all, or one of each document, in order.
        public let sequences: [Range<Int>]
        /// In order; row i says what token i + 1 is.
        public let scored: [Int]

        init(tokens: [Int32], scored: Range<Int>) {
            self.init(tokens: tokens, sequences: [0..<tokens.count], scored: Array(scored))
        }

        init(tokens: [Int32], sequences: [Range<Int>], scored: [Int]) {
            (self.tokens, self.sequences, self.scored) = (tokens, sequences, scored)
        }

        /// Where the sequence of a row begins.
        func begin(ofRow row: Int) -> Int { sequences.last { $0.lowerBound <= row }?.lowerBound ?? 0 }
    }

    /// Tokens of a window where nobody says otherwise: 512, or as many as the model sees.
    public static func usualLength(context: Int) -> Int { min(512, context) }

    public let method: Method
    public let windows: [Window]
    public var scoredCount: Int { windows.reduce(0) { $0 + $1.scored.count } }
    public var tokenCount: Int { windows.reduce(0) { $0 + $1.tokens.count } }

    init(method: Method, windows: [Window]) {
        (self.method, self.windows) = (method, windows)
    }

    /// A running text, which with the method of documents is one.
    /// - Parameters:
    ///   - limit: windows at most.
    /// - Throws: `QuantizationError.shortText` with what is there and what is needed.
    public init(
        _ text: String, name: String, tokenizer: Tokenizer, method: Method, limit: Int? = nil
    ) throws {
        let tokens = try tokenizer.encode(text, parseSpecial: method.namesSpecialTokens)
        self.method = method
        var windows: [Window] = []
        switch method {
        case .chunks(let length):
            guard length >= 4, tokens.count >= length else {
                throw QuantizationError.shortText(name: name, tokens: tokens.count, needed: max(length, 4))
            }
            let begin = tokenizer.addsBOS ? tokenizer.bosToken : nil
            for start in stride(from: 0, through: tokens.count - length, by: length) {
                if let limit, windows.count == limit { break }
                var chunk = Array(tokens[start..<start + length])
                if let begin { chunk[0] = begin }
                windows.append(Window(tokens: chunk, scored: length / 2..<length - 1))
            }
        case .strided(let length, let step):
            guard length >= 2, (1...length).contains(step), tokens.count >= 2 else {
                throw QuantizationError.shortText(name: name, tokens: tokens.count, needed: 2)
            }
            var done = 0
            for start in stride(from: 0, to: tokens.count, by: step) {
                if let limit, windows.count == limit { break }
                let end = min(start + length, tokens.count), new = end - done
                let last = end - start - 1
                if last > 0 {
                    windows.append(Window(tokens: Array(tokens[start..<end]), scored: max(last - new, 0)..<last))
                }
                done = end
                if end == tokens.count { break }
            }
        case .documents(let length):
            var documents = DocumentWindows(length: length, limit: limit)
            documents.add(tokens)
            windows = try documents.finish(name: name).windows
        }
        self.windows = windows
    }
}

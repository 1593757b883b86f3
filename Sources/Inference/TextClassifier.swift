import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Classifies texts, or the tokens of a text, or finds the answer to a question in a text.
///
/// ```swift
/// let model = try TextClassifier(path: "distilbert-base-uncased-finetuned-sst-2-english")
/// print(try model.classes(of: "A wonderful film.")[0])        // label and probability, the most probable first
/// ```
///
/// Several tasks may use it at a time: what it computes for one waits for what it computes for the others.
public final class TextClassifier: @unchecked Sendable {
    private let model: ReadyClassifier.Model
    public let tokenizer: Tokenizer
    /// The names of the classes.
    public let labels: [String]
    /// Whether a text may be of several classes: probabilities by the sigmoid instead of the softmax.
    public let isMultiLabel: Bool
    /// Whether a text is given a number, which is told as it is in place of a probability.
    public let isRegression: Bool
    public let contextLength: Int
    /// What of adapters' files is ignored and may matter.
    public let adapterNotes: [String]
    /// Held while `model` computes; everything else is constant.
    private let turn = Mutex(())

    /// A class, with its probability.
    public struct Class: Sendable, Equatable {
        public var label: String
        public var probability: Float
    }

    /// Neighbouring tokens of one class.
    public struct Span: Sendable, Equatable {
        public var label: String
        /// The mean of the tokens' probabilities.
        public var probability: Float
        public var text: String
    }

    public convenience init(path: String, precision: Precision = .fast) throws {
        try self.init(ModelFiles(path: path), precision: precision)
    }

    /// - Throws: `ModelError.wrongKind` for a model that is no classifier.
    public init(_ files: ModelFiles, precision: Precision = .fast) throws {
        let opened = try ReadyClassifier(files)
        model = opened.model
        try opened.prepare(precision)
        tokenizer = try files.tokenizer()
        guard tokenizer.vocabularySize <= opened.vocabularySize else {
            throw ModelError.vocabularyMismatch(model: opened.vocabularySize, tokenizer: tokenizer.vocabularySize)
        }
        (labels, adapterNotes) = (opened.labels, opened.notes)
        isRegression = opened.problem == "regression"
        isMultiLabel = !isRegression && (opened.problem == "multi_label_classification" || labels.count == 1)
        contextLength = min(opened.contextLength, try SentenceSettings(files).maximumLength ?? .max)
    }

    /// Whether it marks answers to questions.
    public var answersQuestions: Bool { if case .tokens(let model) = model { model.answersQuestions } else { false } }
    /// Whether it classifies each token.
    public var isOverTokens: Bool { if case .tokens = model { true } else { false } }

    /// The classes of a text, or of a pair of texts, the most probable first.
    /// - Throws: `ModelError.contextExceeded`; `ModelError.wrongKind` for a model over tokens.
    public func classes(of text: String, with second: String? = nil) throws -> [Class] {
        let logits = try logits(of: [(text, second)])[0]
        let shares =
            isRegression ? logits : isMultiLabel ? logits.map { 1 / (1 + expf(-$0)) } : Self.softmax(logits)
        return zip(labels, shares).map { Class(label: $0, probability: $1) }
            .sorted { $0.probability > $1.probability }
    }

    /// The logits of texts, or of pairs of texts, by labels.
    package func logits(of texts: [(String, String?)]) throws -> [[Float]] {
        guard case .texts(let model) = model else { throw wrongKind("a classifier of whole texts") }
        let pairs = try texts.map { try encoded($0.0, $0.1) }, count = labels.count
        let logits = try computed { try model(pairs.map(\.ids), types: pairs.map(\.types)) }
        return texts.indices.map { Array(logits[$0 * count..<($0 + 1) * count]) }
    }

    /// The spans of a text whose tokens are of a class other than "O". Labels that begin with "B-" start a new span, those
    /// with "I-" go on.
    public func spans(of text: String) throws -> [Span] {
        guard case .tokens(let model) = model, !model.answersQuestions else {
            throw wrongKind("a classifier of tokens")
        }
        let (ids, types) = try encoded(text, nil), count = labels.count
        let logits = try computed { try model([ids], types: [types]) }
        var spans: [(label: String, shares: [Float], places: Range<Int>)] = [], last: String?
        for (place, id) in ids.enumerated() {
            let shares = Self.softmax(Array(logits[place * count..<(place + 1) * count]))
            let best = shares.indices.max { shares[$0] < shares[$1] } ?? 0
            let name = labels[best], isStart = name.hasPrefix("B-")
            let label = isStart || name.hasPrefix("I-") ? String(name.dropFirst(2)) : name
            guard name != "O", !surrounds(id) else {
                last = nil
                continue
            }
            if label == last, !isStart || continuesWord(id) {
                spans[spans.count - 1].shares.append(shares[best])
                spans[spans.count - 1].places = spans[spans.count - 1].places.lowerBound..<place + 1
            } else {
                spans.append((label, [shares[best]], place..<place + 1))
            }
            last = label
        }
        return try spans.map { span in
            Span(
                label: span.label, probability: span.shares.reduce(0, +) / Float(span.shares.count),
                text: try self.text(of: span.places, ids, from: ids.firstIndex { !surrounds($0) } ?? 0, of: text))
        }
    }

    /// The most probable answer to a question in a text: the tokens between the most probable first and last one.
    /// - Parameter longest: the most tokens of an answer.
    public func answer(to question: String, in text: String, longest: Int = 30) throws -> Span {
        guard case .tokens(let model) = model, model.answersQuestions else {
            throw wrongKind("a model that answers questions from a text")
        }
        let (ids, types) = try encoded(question, text)
        let logits = try computed { try model([ids], types: [types]) }
        let first = try contextStart(ids, question)
        let starts = Self.softmax((0..<ids.count).map { logits[2 * $0] })
        let ends = Self.softmax((0..<ids.count).map { logits[2 * $0 + 1] })
        var best = (start: first, end: first, share: -Float.infinity)
        for start in first..<ids.count where !surrounds(ids[start]) {
            for end in start..<min(start + longest, ids.count) {
                if surrounds(ids[end]) { break }
                let share = starts[start] * ends[end]
                if share > best.share { best = (start, end, share) }
            }
        }
        // Whole words.
        while best.start > first, best.start < ids.count, continuesWord(ids[best.start]) { best.start -= 1 }
        while best.end + 1 < ids.count, continuesWord(ids[best.end + 1]) { best.end += 1 }
        let span = best.start < ids.count ? best.start..<best.end + 1 : 0..<0
        return Span(
            label: "answer", probability: max(best.share, 0),
            text: try self.text(of: span, ids, from: first, of: text))
    }

    /// Where the second text of a pair begins: behind the question and the special tokens after it.
    private func contextStart(_ ids: [Int32], _ question: String) throws -> Int {
        let asked = try tokenizer.encode(question, addSpecialTokens: false).count
        var place = ids.firstIndex { !surrounds($0) } ?? 0
        place += asked
        while place < ids.count, surrounds(ids[place]) { place += 1 }
        return min(place, ids.count)
    }

    private func encoded(_ text: String, _ second: String?) throws -> (ids: [Int32], types: [Int32]) {
        let pair: (ids: [Int32], types: [Int32])
        if let second {
            pair = try tokenizer.encode(text, with: second)
        } else {
            let ids = try tokenizer.encode(text)
            pair = (ids, [Int32](repeating: 0, count: ids.count))
        }
        guard pair.ids.count <= contextLength else {
            throw ModelError.contextExceeded(tokens: pair.ids.count, limit: contextLength)
        }
        return pair
    }

    private func computed(_ logits: () throws -> Tensor) throws -> [Float] {
        try turn.withLock { _ throws -> [Float] in try logits().toArray(as: Float.self) }
    }

    /// Whether a token stands around texts. The one of unknown words is a part of a text.
    private func surrounds(_ id: Int32) -> Bool {
        id != tokenizer.unknownToken && tokenizer.specialTokens.contains(id)
    }

    /// The text of a span. Where it has unknown words, it is as `text` has it, whose tokens are those of `ids` from `start`.
    private func text(of span: Range<Int>, _ ids: [Int32], from start: Int, of text: String) throws -> String {
        let tokens = Array(ids[span]), hasUnknown = tokens.contains { $0 == tokenizer.unknownToken }
        let own = ids[start...].prefix { !surrounds($0) }
        if hasUnknown, let places = try TokenPlaces(own, of: text, tokenizer) {
            return places.text(of: span.lowerBound - start..<span.upperBound - start)
        }
        return try tokenizer.decode(tokens, skipSpecialTokens: !hasUnknown).trimmed
    }

    /// Whether a token goes on with the word before it, as WordPiece marks it.
    private func continuesWord(_ id: Int32) -> Bool { tokenizer.token(id)?.hasPrefix("##") ?? false }

    private func wrongKind(_ wanted: String) -> ModelError {
        let kind =
            answersQuestions
            ? "a model that answers questions from a text"
            : isOverTokens ? "a classifier of tokens" : "a classifier of whole texts"
        return .wrongKind(path: "the model", kind: kind, wanted: wanted)
    }

    static func softmax(_ logits: [Float]) -> [Float] {
        let top = logits.max() ?? 0, weights = logits.map { expf($0 - top) }
        let total = weights.reduce(0, +)
        return weights.map { $0 / total }
    }
}

extension String {
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

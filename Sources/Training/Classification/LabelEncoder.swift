import MartletData
import MartletInference
import MartletModels
import MartletTokenizers

/// Makes tokens and targets of labelled texts.
struct LabelEncoder {
    private let tokenizer: Tokenizer
    /// Tokens of a text at most.
    private(set) var limit: Int
    private let path: String
    /// What stands around a text.
    private let before, behind: [Int32]
    private let sentences: SentenceTokenizer

    /// A row, and what of its text is not in it.
    struct Encoded {
        var row: LabelledData.Row
        /// Whether something of its text was cut.
        var isCut = false
        /// Words that the vocabulary has no tokens for, whose tags are therefore lost.
        var wordsWithoutTokens = 0
    }

    /// - Parameter spec: of the model, as it is planned.
    init(_ model: ModelFiles, _ spec: DecoderConfiguration) throws {
        sentences = try SentenceTokenizer(
            model, contextLength: spec.contextLength, vocabularySize: spec.vocabularySize)
        tokenizer = sentences.tokenizer
        limit = sentences.contextLength
        path = model.path
        let bare = try tokenizer.encode("a", addSpecialTokens: false), framed = try tokenizer.encode("a")
        let start = framed.indices.first { framed[$0...].starts(with: bare) } ?? 0
        before = Array(framed[..<start])
        behind = Array(framed[min(framed.count, start + bare.count)...])
    }

    /// - Throws: `TrainingError` for a length that the model does not take, or that leaves no room.
    mutating func limit(to length: Int) throws(TrainingError) {
        guard length <= limit else {
            throw TrainingError(
                .configuration,
                "context_length \(length) is more than the \(limit) tokens that \(path) takes of a text")
        }
        guard length > before.count + behind.count + 1 else {
            throw TrainingError(
                .configuration, "context_length \(length) leaves no room for a text between the tokens around it")
        }
        limit = length
    }

    /// - Throws: `DataError` naming file, row and column.
    func row(
        _ one: LabelShape.Labelled, _ task: ClassificationOptions.Task, _ names: LabelNames
    ) throws(DataError) -> Encoded {
        if task == .tokens { return try words(one, names) }
        do {
            var row = LabelledData.Row(tokens: [], types: []), isCut = false
            if let pair = one.pair {
                let both = try tokenizer.encode(one.text, with: pair)
                (row.tokens, row.types) = (both.ids, both.types)
                if both.ids.count > limit {
                    (row.tokens, row.types) = try cut(both, one.text, pair)
                    isCut = true
                }
            } else {
                let whole = try tokenizer.encode(one.text)
                row.tokens = sentences.truncated(whole, to: limit)
                isCut = row.tokens.count < whole.count
                row.types = Array(repeating: 0, count: row.tokens.count)
            }
            guard !row.tokens.isEmpty else { throw one.origin.fail(nil, "has a text without tokens") }
            switch task {
            case .regression: row.number = try one.origin.number(one.labelColumn)
            case .score:
                row.number = try one.origin.number(one.labelColumn)
                guard (0...1).contains(row.number) else {
                    throw one.origin.fail(
                        one.labelColumn,
                        "is \(row.number), and a score is from 0 to 1: divide all by the largest, or take --task "
                            + "regression")
                }
            case .single:
                let found = try one.names()
                guard found.count == 1 else {
                    throw one.origin.fail(
                        one.labelColumn, "has \(found.count) classes, expected one; take --task multi for several")
                }
                row.targets = [try names.number(found[0], one)]
            default:
                var targets: Set<Int32> = []
                for name in try one.names() { targets.insert(try names.number(name, one)) }
                row.targets = targets.sorted()
            }
            return Encoded(row: row, isCut: isCut)
        } catch let error as DataError { throw error } catch { throw one.origin.fail(nil, "\(error)") }
    }

    /// Tokens are taken from the end of the longer text, as transformers does (longest first).
    private func cut(
        _ both: (ids: [Int32], types: [Int32]), _ first: String, _ second: String
    ) throws -> (ids: [Int32], types: [Int32]) {
        let a = try tokenizer.encode(first, addSpecialTokens: false)
        let b = try tokenizer.encode(second, addSpecialTokens: false)
        func place(_ part: [Int32], from start: Int) -> Int {
            (start...max(start, both.ids.count - part.count)).first { both.ids[$0...].starts(with: part) } ?? start
        }
        let startA = place(a, from: 0), startB = place(b, from: startA + a.count)
        var keptA = a.count, keptB = b.count
        for _ in 0..<both.ids.count - limit { if keptA > keptB { keptA -= 1 } else { keptB = max(0, keptB - 1) } }
        let dropped = Set(startA + keptA..<startA + a.count).union(startB + keptB..<startB + b.count)
        let kept = both.ids.indices.filter { !dropped.contains($0) }
        return (kept.map { both.ids[$0] }, kept.map { both.types[$0] })
    }

    /// The first token of each word has its class, the others have none.
    private func words(
        _ one: LabelShape.Labelled, _ names: LabelNames
    ) throws(DataError) -> Encoded {
        let tags = try one.names()
        var tokens = before, targets = [Int32](repeating: LabelledData.ignored, count: before.count)
        var isCut = false, withoutTokens = 0
        for (index, word) in one.words.enumerated() {
            let number = try names.number(tags[index], one)
            let pieces: [Int32]
            do {
                // As a word inside a text: its space belongs to it where a vocabulary has such tokens.
                pieces = try tokenizer.encode(index == 0 ? word : " " + word, addSpecialTokens: false)
            } catch { throw one.origin.fail(nil, "word \(index + 1): \(error)") }
            guard tokens.count + pieces.count + behind.count <= limit else {
                isCut = true
                break
            }
            if pieces.isEmpty { withoutTokens += 1 }
            tokens += pieces
            for place in pieces.indices { targets.append(place == 0 ? number : LabelledData.ignored) }
        }
        tokens += behind
        targets += [Int32](repeating: LabelledData.ignored, count: behind.count)
        guard targets.contains(where: { $0 >= 0 }) else { throw one.origin.fail(nil, "has no word with tokens") }
        return Encoded(
            row: LabelledData.Row(tokens: tokens, types: Array(repeating: 0, count: tokens.count), targets: targets),
            isCut: isCut, wordsWithoutTokens: withoutTokens)
    }
}

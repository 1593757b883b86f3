import MartletData
import MartletJSON

/// Finds texts and their labels in records, by the names that data sets give their columns.
struct LabelShape {
    static let wanted =
        "a row has a text (also sentence, content, review, premise and hypothesis, query and document, …) and a label (also class, category, "
        + "sentiment, score, …), or tokens and tags of equal number; other names are told with "
        + "--map text=…,pair=…,label=… or --map tokens=…,tags=…"

    private static let texts = [
        "text", "sentence", "content", "review", "comment", "sentence1", "text1", "premise", "question1", "question",
        "query", "prompt", "title", "messages",
    ]
    private static let pairs = [
        "text_pair", "pair", "sentence2", "text2", "hypothesis", "question2", "completion", "answer", "response",
        "passage", "document",
    ]
    private static let labels = [
        "label", "labels", "class", "category", "sentiment", "target", "intent", "topic", "score", "rating", "stars",
    ]
    private static let words = ["tokens", "words"]
    private static let tags = ["ner_tags", "tags", "labels", "pos_tags", "chunk_tags", "tag"]

    /// A record as it was written.
    struct Labelled {
        var text = "", pair: String?
        /// Of a row of words.
        var words: [String] = []
        /// The label, or a list of them.
        var label: JSON
        var origin: PlacedRecord
        var labelColumn: String
    }

    private let columns: RowColumns
    private let task: ClassificationOptions.Task?

    init(_ map: String?, _ task: ClassificationOptions.Task?) throws(TrainingError) {
        columns = try RowColumns(map, roles: ["text", "pair", "label", "tokens", "tags"])
        self.task = task
        guard let task else { return }
        for role in task == .tokens ? ["text", "pair", "label"] : ["tokens", "tags"] where columns.maps(role) {
            throw TrainingError(.configuration, "map: \(role) is not read by task \(task.rawValue)")
        }
    }

    /// - Returns: the record, and which columns were taken: "text = sentence, label = label".
    /// - Throws: `DataError` naming file, row and column.
    func read(_ record: PlacedRecord) throws(DataError) -> (Labelled, told: String) {
        let values = record.columns
        let words = columns.column("tokens", values, names: Self.words)
        let tags = columns.column("tags", values, names: Self.tags)
        let isOfWords = words.map { list(values[$0]) != nil } ?? false && tags.map { list(values[$0]) != nil } ?? false
        if task == .tokens || task == nil && isOfWords && !["text", "pair", "label"].contains(where: columns.maps) {
            guard let words, let tags, let found = list(values[words]), let marks = list(values[tags]) else {
                throw record.fail(
                    nil, "has no lists of words and tags; its columns are \(record.listing). \(Self.wanted)")
            }
            guard found.count == marks.count else {
                throw record.fail(tags, "has \(marks.count) entries for \(found.count) words")
            }
            var texts: [String] = []
            for (index, word) in found.enumerated() {
                guard let text = word.string, !text.isEmpty else {
                    throw record.fail(words, "entry \(index + 1) is \(word.kind), expected a word")
                }
                texts.append(text)
            }
            guard !texts.isEmpty else { throw record.fail(words, "is empty") }
            return (
                Labelled(words: texts, label: .array(marks), origin: record, labelColumn: tags),
                "tokens = \(words), tags = \(tags)"
            )
        }
        guard let text = columns.column("text", values, names: Self.texts) else {
            throw record.fail(nil, "has no text; its columns are \(record.listing). \(Self.wanted)")
        }
        let pair = columns.column("pair", values, names: Self.pairs.filter { $0 != text })
        guard
            let label = columns.column("label", values, names: Self.labels.filter { $0 != text && $0 != pair }),
            let value = values[label], !value.isNull
        else { throw record.fail(nil, "has no label; its columns are \(record.listing). \(Self.wanted)") }
        let isChat = values[text]?.array != nil
        // Of a conversation the question, and the reply as the second text.
        var second: String?
        if let column = pair ?? (isChat ? text : nil) { second = try record.text(column, .assistant) }
        return (
            Labelled(
                text: try record.text(text, .user), pair: second, label: value, origin: record, labelColumn: label),
            "text = \(text)" + (pair.map { ", pair = \($0)" } ?? (isChat ? " with its reply" : ""))
                + ", label = \(label)"
        )
    }

    /// A list, also as JSON in a text, as tables hold it.
    private func list(_ json: JSON?) -> [JSON]? {
        if let array = json?.array { return array }
        guard let text = json?.string, text.hasPrefix("[") else { return nil }
        return (try? JSON(parsing: text))?.array
    }
}

extension LabelShape.Labelled {
    /// The names of its labels: one, or those of a list.
    func names() throws(DataError) -> [String] {
        if let entries = label.array {
            var names: [String] = []
            for (index, entry) in entries.enumerated() {
                guard let name = Self.name(entry) else {
                    throw origin.fail(labelColumn, "entry \(index + 1) is \(entry.text().prefix(40)), expected a class")
                }
                names.append(name)
            }
            return names
        }
        guard let name = Self.name(label) else {
            throw origin.fail(labelColumn, "is \(label.text().prefix(60)), expected a class")
        }
        return [name]
    }

    private static func name(_ json: JSON) -> String? {
        switch json {
        case .string(let text): text.isEmpty ? nil : text
        case .integer(let number): String(number)
        case .bool(let value): value ? "true" : "false"
        case .number(let number): Int(exactly: number).map { String($0) }
        default: nil
        }
    }

    /// Whether it is a number with a fraction.
    var isFraction: Bool {
        guard let number = label.double ?? label.string.flatMap(Double.init) else { return false }
        return number.isFinite && Int(exactly: number) == nil
    }
    var isNumber: Bool { (label.double ?? label.string.flatMap(Double.init))?.isFinite ?? false }
}

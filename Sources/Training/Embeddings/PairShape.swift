import MartletData
import MartletJSON

/// Finds anchors, positives, negatives and scores in records, by the names that data sets give their columns.
struct PairShape {
    static let wanted =
        "a row has an anchor and a positive (also query and passage, question and answer, sentence1 and sentence2, "
        + "instruction and output, prompt and chosen, or messages), negatives where there are some, or a score; "
        + "other names are told with --map anchor=…,positive=…,negative=…,score=…"

    /// The texts of a row.
    struct Texts: Equatable {
        var anchor, positive: String
        var negatives: [String] = []
        var score: Double?
    }

    /// Which columns were taken as what.
    struct Reading: Equatable {
        var anchor, positive: String
        var negatives: [String] = []
        var score: String?

        /// "anchor = question, positive = answer".
        var told: String {
            ([("anchor", anchor), ("positive", positive)] + negatives.map { ("negative", $0) }
                + (score.map { [("score", $0)] } ?? [])).map { "\($0.0) = \($0.1)" }.joined(separator: ", ")
        }
    }

    private static let anchors = [
        "anchor", "query", "question", "sentence1", "sentence_1", "text1", "text_1", "sentence_A", "premise", "prompt",
        "instruction", "problem", "title", "messages", "conversations",
    ]
    private static let positives = [
        "positive", "positives", "pos", "passage", "document", "answer", "response", "sentence2", "sentence_2", "text2",
        "text_2", "sentence_B", "hypothesis", "chosen", "output", "completion", "solution", "entailment", "body",
    ]
    private static let negatives = [
        "negative", "negatives", "neg", "hard_negative", "hard_negatives", "rejected", "contradiction",
    ]
    private static let scores = ["score", "similarity", "similarity_score", "relatedness_score", "label"]

    private let columns: RowColumns

    init(_ map: String?) throws(TrainingError) {
        columns = try RowColumns(map, roles: ["anchor", "positive", "negative", "score"])
    }

    /// - Throws: `DataError` for a record that lacks a side, or in which one is no text.
    func read(_ record: PlacedRecord) throws(DataError) -> (rows: [Texts], reading: Reading) {
        let values = record.columns
        guard let anchor = columns.column("anchor", values, names: Self.anchors) else {
            throw record.fail(nil, "has no anchor; its columns are \(record.listing). \(Self.wanted)")
        }
        let isConversation = values[anchor]?.array != nil
        // A conversation holds both sides, unless the record has others beside it.
        guard
            let positive = columns.column("positive", values, names: Self.positives.filter { $0 != anchor })
                ?? (isConversation ? anchor : nil)
        else { throw record.fail(nil, "has no positive; its columns are \(record.listing). \(Self.wanted)") }
        var reading = Reading(anchor: anchor, positive: positive)
        var asked = try record.text(anchor, .user)
        if anchor == "instruction", let more = values["input"]?.string, !more.isEmpty { asked += "\n" + more }
        var negatives: [String] = []
        for column in negativeColumns(values, besides: [anchor, positive]) {
            reading.negatives.append(column)
            negatives += try texts(record, column)
        }
        var score: Double?
        if let column = columns.column("score", values, names: Self.scores) {
            reading.score = column
            score = try record.number(column)
        }
        let positives = try texts(record, positive)
        return (
            positives.map { Texts(anchor: asked, positive: $0, negatives: negatives, score: score) }, reading
        )
    }

    /// "negative", "negative_1", "negative_2", ….
    private func negativeColumns(_ values: JSONObject, besides taken: [String]) -> [String] {
        if columns.maps("negative") { return columns.column("negative", values, names: []).map { [$0] } ?? [] }
        return values.map(\.key).filter { name in
            guard !taken.contains(name), values[name].map({ !$0.isNull }) ?? false else { return false }
            let bare = name.reversed().drop { $0.isNumber }.drop { $0 == "_" || $0 == "-" }.reversed()
            return Self.negatives.contains(name) || Self.negatives.contains(String(bare))
        }
    }

    /// The texts of a column: one, or a list of them.
    private func texts(_ record: PlacedRecord, _ column: String) throws(DataError) -> [String] {
        guard let list = record.columns[column]?.array, list.contains(where: { $0.string != nil }) else {
            return [try record.text(column, .assistant)]
        }
        var found: [String] = []
        for (index, entry) in list.enumerated() {
            guard let text = entry.string, text.contains(where: { !$0.isWhitespace }) else {
                throw record.fail(column, "entry \(index + 1) is \(entry.kind), expected a text that is not empty")
            }
            found.append(text)
        }
        return found
    }
}

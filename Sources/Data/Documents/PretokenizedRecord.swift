import MartletJSON

/// A record of token ids, as training programs store them: `input_ids`, `labels` with -100 for tokens that are not
/// trained on, and an `attention_mask` with 0 for padding.
struct PretokenizedRecord {
    private(set) var content: Document.Content?

    private static let ignored = -100

    init(_ record: JSONObject, _ reader: RecordReader) throws(DataError) {
        guard let ids = try Self.numbers(record, "input_ids", reader), !ids.isEmpty else { return }
        let labels = try Self.numbers(record, "labels", reader)
        let attention = try Self.numbers(record, "attention_mask", reader)
        for (field, values) in [("labels", labels), ("attention_mask", attention)] {
            guard let values, values.count != ids.count else { continue }
            throw reader.fail(field, "has \(values.count) entries for \(ids.count) tokens")
        }
        var tokens: [Int32] = [], isTrained: [Bool] = []
        for (index, id) in ids.enumerated() {
            if let attention, attention[index] == 0 { continue }
            guard id >= 0, let token = Int32(exactly: id) else {
                throw reader.fail("input_ids", "entry \(index + 1) is \(id), which is not a token id")
            }
            if let labels, labels[index] != id, labels[index] != Self.ignored {
                throw reader.fail(
                    "labels", "entry \(index + 1) is \(labels[index]), expected the token's own id \(id) or -100")
            }
            tokens.append(token)
            isTrained.append(labels.map { $0[index] != Self.ignored } ?? true)
        }
        guard !tokens.isEmpty else { return }
        guard isTrained.contains(true) else { throw reader.fail("labels", "are all -100: there is nothing to learn") }
        content = .tokens(tokens, isTrained: labels == nil ? nil : isTrained)
    }

    private static func numbers(
        _ record: JSONObject, _ field: String, _ reader: RecordReader
    ) throws(DataError) -> [Int]? {
        guard let value = record[field], !value.isNull else { return nil }
        guard let entries = reader.list(value) else {
            throw reader.fail(field, "is \(value.kind), expected a list of numbers")
        }
        var numbers: [Int] = []
        numbers.reserveCapacity(entries.count)
        for (index, entry) in entries.enumerated() {
            guard let number = entry.integer ?? entry.bool.map({ $0 ? 1 : 0 }) else {
                throw reader.fail(field, "entry \(index + 1) is \(entry.kind), expected a whole number")
            }
            numbers.append(number)
        }
        return numbers
    }
}

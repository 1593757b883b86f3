import MartletJSON

/// A record of token ids, as training programs store them: `input_ids`, `labels` with -100 for tokens that are not
/// trained on, an `attention_mask` with 0 for padding, and `weights`, what each token counts in the loss.
struct PretokenizedRecord {
    private(set) var content: Document.Content?

    private static let ignored = -100

    init(_ record: JSONObject, _ reader: RecordReader) throws(DataError) {
        guard let ids = try Self.numbers(record, "input_ids", reader), !ids.isEmpty else { return }
        let labels = try Self.numbers(record, "labels", reader)
        let attention = try Self.numbers(record, "attention_mask", reader)
        let given = try Self.weights(record, reader)
        for (field, count) in [
            ("labels", labels?.count), ("attention_mask", attention?.count), ("weights", given?.count),
        ] {
            guard let count, count != ids.count else { continue }
            throw reader.fail(field, "has \(count) entries for \(ids.count) tokens")
        }
        var tokens: [Int32] = [], weights: [Float] = []
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
            weights.append(labels?[index] == Self.ignored ? 0 : given?[index] ?? 1)
        }
        guard !tokens.isEmpty else { return }
        guard weights.contains(where: { $0 > 0 }) else {
            throw reader.fail(
                labels == nil ? "weights" : "labels",
                "are all \(labels == nil ? "0" : "-100, or of weight 0"): there is nothing to learn")
        }
        content = .tokens(
            tokens, isTrained: labels == nil && given == nil ? nil : weights.map { $0 > 0 },
            weights: LossWeights.beyondMask(weights))
    }

    private static func weights(_ record: JSONObject, _ reader: RecordReader) throws(DataError) -> [Float]? {
        guard let value = record["weights"], !value.isNull else { return nil }
        guard let entries = reader.list(value) else {
            throw reader.fail("weights", "is \(value.kind), expected a list of numbers")
        }
        var weights: [Float] = []
        for (index, entry) in entries.enumerated() {
            guard let weight = entry.double, LossWeights.accepts(weight) else {
                throw reader.fail("weights", "entry \(index + 1) is \(entry.text()), expected 0 (context) or more")
            }
            weights.append(Float(weight))
        }
        return weights
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

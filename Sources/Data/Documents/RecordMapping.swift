import MartletFormats
import MartletJSON

/// How a record (a JSON object, or a row of a table) becomes a document: by a named field, by a map of columns, or by
/// the names of its columns (`RecordShape`).
struct RecordMapping: Sendable {
    var field: String?
    var columns = ColumnMap()
    var keepsPrompts = false
    /// Whether records stay as they are.
    var keepsRows = false
    var feedback = FeedbackReading.ignored
    var tags = MessageTags()
    /// The system prompt of conversations that have none.
    var system: String?

    /// The mapping for a table with these columns: a single column whose name has no other meaning is the text.
    func among(_ names: [String]) -> RecordMapping {
        guard !keepsRows, field == nil, columns.isEmpty, names.count == 1, !RecordShape.knows(names[0]) else {
            return self
        }
        var mapping = self
        mapping.field = names[0]
        return mapping
    }

    /// The columns of a table to read: those that the shape of its rows uses.
    func used(among names: [String], path: String) throws(DataError) -> [String] {
        let columns = columns.among(keepsPrompts: keepsPrompts, names.contains)
        for (_, column) in columns.columns where !names.contains(column) {
            throw DataError(.missing, path: path, field: column, "is not a column; there are \(Self.listing(names))")
        }
        if keepsPrompts || keepsRows || feedback != .ignored { return names }
        guard let shape = RecordShape(field: field, map: columns, has: names.contains) else {
            throw DataError(
                .missing, path: path,
                "no column is known to hold text; there are \(Self.listing(names)). Name one with --field, or several "
                    + "with --map, such as prompt=question,response=solution")
        }
        if let field = shape.main, !names.contains(field) {
            throw DataError(.missing, path: path, field: field, "is not a column; there are \(Self.listing(names))")
        }
        return names.filter { shape.columns.contains($0) || Self.media.contains($0) }
    }

    /// Columns of what is no text: records that have something there are refused.
    static let media: Set<String> = ["images", "videos", "audios"]

    private static func listing(_ names: [String]) -> String {
        guard !names.isEmpty else { return "none" }
        return names.prefix(12).map { FormatError.quote($0) }.joined(separator: ", ")
            + (names.count > 12 ? ", …" : "")
    }

    /// The record as a document or as feedback, or its error.
    func record(_ json: JSON, path: String, place: String) -> CorpusRecord {
        var reader = RecordReader(path: path, place: place, tags: tags)
        reader.system = system
        if keepsRows {
            guard json.object != nil else { return .bad(reader.fail(nil, "is \(json.kind), expected an object")) }
            var document = Document(.text([]), path: path, place: place)
            document.record = json
            return .document(document, notes: [])
        }
        do throws(DataError) {
            guard let content = try content(json, &reader) else {
                return .leftOut(reader.omission ?? .emptyText, at: "\(path): \(place)")
            }
            var document = Document(content, path: path, place: place)
            if keepsPrompts { document.record = json }
            let arguments = json["chat_template_kwargs"]?.object?.isEmpty == false
            return .document(document, notes: reader.notes + (arguments ? [.templateArguments] : []))
        } catch {
            return .bad(error)
        }
    }

    private func content(_ json: JSON, _ reader: inout RecordReader) throws(DataError) -> Document.Content? {
        guard let record = json.object else {
            if case .string(let text) = json, field == nil, columns.isEmpty {
                return text.isEmpty ? nil : .text(Array(text.utf8))
            }
            throw reader.fail(nil, "is \(json.kind), expected an object")
        }
        for name in Self.media.sorted() {
            switch record[name] {
            case nil, .null?, .string("")?, .string("[]")?, .array([])?: continue
            default:
                throw reader.fail(
                    name, "is what the record is about beside its text, and only text is learnt: leave such records out"
                )
            }
        }
        let columns = columns.among(keepsPrompts: keepsPrompts) { record[$0] != nil }
        // Null members are used only if no others determine the shape.
        let shape =
            RecordShape(field: field, map: columns) { record[$0].map { !$0.isNull } ?? false }
            ?? RecordShape(field: field, map: columns) { record[$0] != nil }
        if feedback != .ignored {
            if let found = try reader.feedback(record, shape) { return .feedback(found) }
            if reader.omission != nil { return nil }
            guard feedback == .whereThere else {
                throw reader.fail(
                    nil,
                    "says nothing about replies: expected chosen and rejected, a reply with a label (true or false), or "
                        + "completions with labels; there are \(Self.listing(record.keys)). Map columns, as "
                        + "prompt=question,chosen=better,rejected=worse")
            }
        }
        if keepsPrompts, let field = promptAlone(record, shape, columns) {
            return try reader.promptAlone(
                record, RecordShape(prompt: field, map: columns) { record[$0].map { !$0.isNull } ?? false })
        }
        guard let shape else { throw reader.fail(nil, Self.refusal(record)) }
        if let main = shape.main, record[main] == nil {
            throw reader.fail(main, "is missing; there are \(Self.listing(record.keys))")
        }
        return try reader.content(record, shape)
    }

    /// The column of a prompt without a reply.
    private func promptAlone(_ record: JSONObject, _ shape: RecordShape?, _ columns: ColumnMap) -> String? {
        if let mapped = columns[.prompt] { return columns[.response] == nil ? mapped : nil }
        // Where records are shown as what they are, a text of its own is what one is.
        guard shape == nil || shape?.kind == .free && field == nil && feedback != .whereThere else { return nil }
        return ["prompt", "question", "problem", "instruction", "query", "input"].first {
            record[$0].map { !$0.isNull } ?? false
        }
    }

    private static func refusal(_ record: JSONObject) -> String {
        if record["prompt"] != nil, record["completions"] != nil {
            return
                "is a prompt with steps and labels, for a reward model; text, messages or a prompt with its response "
                + "is expected"
        }
        if record["prompt"] != nil, record["completion"] == nil {
            return "is a prompt without a response: there is nothing to learn"
        }
        return
            "holds no document: expected text, messages, conversations, instruction and output, question and answer, "
            + "or prompt and completion; there \(record.isEmpty ? "are no fields" : "are " + listing(record.keys)). Name "
            + "the field that holds the text, or map columns"
    }
}

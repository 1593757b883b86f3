import MartletData
import MartletFormats
import MartletJSON
import MartletSystem

/// Which columns of a record hold what, by their names or by a map as `anchor=question,positive=answer`.
struct RowColumns {
    /// By role.
    private var given: [String: String] = [:]
    private let roles: [String]

    /// - Parameters:
    ///   - map: pairs of role and column with commas between them; nil finds columns by their names.
    ///   - roles: those that there are.
    /// - Throws: `TrainingError` for what is no role, or no pair.
    init(_ map: String?, roles: [String]) throws(TrainingError) {
        self.roles = roles
        for part in map?.split(separator: ",", omittingEmptySubsequences: false) ?? [] {
            let sides = part.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " } }
            guard sides.count == 2, !sides[1].isEmpty else {
                throw TrainingError(
                    .configuration,
                    "map: \(String(part).quoted()) is not role=column; roles are \(roles.joined(separator: ", "))"
                )
            }
            guard roles.contains(sides[0]) else {
                throw TrainingError(
                    .configuration,
                    "map: there is no role \(sides[0].quoted()); roles are \(roles.joined(separator: ", "))")
            }
            guard given.updateValue(sides[1], forKey: sides[0]) == nil else {
                throw TrainingError(.configuration, "map: \(sides[0]) is given twice")
            }
        }
    }

    /// The column of a role: that of the map, else the first of these names that the record has a value for.
    func column(_ role: String, _ record: JSONObject, names: [String]) -> String? {
        if let column = given[role] { return column }
        return names.first { record[$0].map { !$0.isNull } ?? false }
    }

    /// Whether the map says where a role is.
    func maps(_ role: String) -> Bool { given[role] != nil }
}

/// A record with its columns, and where it stands.
struct PlacedRecord {
    let columns: JSONObject
    /// "pairs.jsonl: line 3".
    let origin: String
    let path: String
    let place: String?

    func fail(_ column: String?, _ reason: String) -> DataError {
        DataError(.malformed, path: path, place: place, field: column, reason)
    }

    /// The names of its columns, for an error.
    var listing: String {
        let names = columns.map(\.key)
        return names.isEmpty
            ? "none" : names.prefix(12).map { $0.quoted() }.joined(separator: ", ") + (names.count > 12 ? ", …" : "")
    }

    /// Who says a text of a conversation.
    enum Speaker {
        /// The last of the user's texts before the reply.
        case user
        /// The assistant's text.
        case assistant
    }

    /// The text of a column: a text, a number, a message, or of a list of messages what one of both says.
    func text(_ column: String, _ speaker: Speaker) throws(DataError) -> String {
        guard let text = Self.text(columns[column] ?? .null, speaker) else {
            let kind = columns[column]?.kind ?? "missing"
            throw fail(column, "is \(kind), expected a text or messages")
        }
        guard text.contains(where: { !$0.isWhitespace }) else { throw fail(column, "is empty") }
        return text
    }

    static func text(_ json: JSON, _ speaker: Speaker) -> String? {
        switch json {
        case .string(let text): return text
        case .integer, .number: return json.text()
        case .object:
            return (json["content"] ?? json["value"] ?? json["text"])?.string
        case .array(let entries):
            guard entries.allSatisfy({ $0.object != nil }) else { return nil }
            let roles = entries.map { ($0["role"] ?? $0["from"])?.string ?? "" }
            let replies = ["assistant", "gpt", "bot", "model"], askers = ["user", "human"]
            switch speaker {
            case .assistant:
                guard let place = roles.firstIndex(where: replies.contains) else { return nil }
                return text(entries[place], speaker)
            case .user:
                let end = roles.firstIndex(where: replies.contains) ?? entries.count
                guard let place = roles[..<end].lastIndex(where: askers.contains) else { return nil }
                return text(entries[place], speaker)
            }
        default: return nil
        }
    }

    /// A number, also as tables write it.
    func number(_ column: String) throws(DataError) -> Double {
        let value = columns[column] ?? .null
        let number = value.double ?? value.bool.map { $0 ? 1 : 0 } ?? value.string.flatMap(Double.init)
        guard let number, number.isFinite else {
            throw fail(column, "is \(value.text().prefix(60)), expected a number")
        }
        return number
    }
}

/// The rows of files, one after the other, with what becomes of those that cannot be used.
struct PlacedRecords {
    let corpus: Corpus

    /// - Parameter onBadRecord: hears of each record that is passed over, where the policy is to report.
    init(_ chat: ConversationOptions, onBadRecord: @escaping (DataError) -> Void) throws {
        var options = CorpusOptions()
        options.keepsRows = true
        options.badRecords = chat.badRecords
        options.split = chat.split
        options.subset = chat.subset
        options.largestCount = chat.mostRecords
        corpus = try Corpus(chat.data, options: options)
        corpus.onBadRecord = onBadRecord
    }

    /// Gives each record to `body`; an error of it is one of the record.
    func forEach(_ body: (PlacedRecord) throws(DataError) -> Void) throws {
        while let document = try corpus.nextDocument() {
            guard let columns = document.record?.object else { continue }
            let record = PlacedRecord(
                columns: columns, origin: document.origin, path: document.path, place: document.place)
            do throws(DataError) { try body(record) } catch { try corpus.passOver(error) }
        }
    }
}

extension TrainingError {
    /// Where nothing is left of the rows.
    static func nothingLeft(of paths: [String], _ tally: CorpusTally, wanted: String) -> TrainingError {
        let why = tally.entries.map(\.description).joined(separator: "; ")
        return TrainingError(
            .data,
            "\(paths.joined(separator: ", ")): no row can be learnt from\(why.isEmpty ? "" : " (\(why))"); \(wanted)")
    }
}

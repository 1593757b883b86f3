import MartletData
import MartletFormats
import MartletJSON
import MartletTensor

extension WorldDocument {
    /// One line of a JSONL file: `text`, `messages`, or a question with its check.
    public var json: JSON {
        func list(_ messages: [WorldMessage]) -> JSON {
            .array(messages.map { ["role": .string($0.role), "content": .string($0.content)] })
        }
        switch kind {
        case .text: return ["text": .string(text)]
        case .chat: return ["messages": list(messages)]
        case .questions, .arithmetic:
            guard let question else { return ["messages": list(messages)] }
            var members: [JSONObject.Element] = [
                (key: "id", value: .string("\(split.rawValue)/\(kind.rawValue)/\(index)")),
                (key: "category", value: .string(question.category)),
                (key: "language", value: .string(language.rawValue)),
                (key: "messages", value: list(question.prompt)),
                (key: "reply", value: .string(question.reply)),
                (key: "check", value: .string(question.check.name)),
                (key: "expected", value: .string(question.check.expected)),
            ]
            if case .mentions(_, let others) = question.check {
                members.append((key: "without", value: .array(others.map { .string($0) })))
            }
            return .object(JSONObject(members))
        }
    }
}

extension WorldQuestion {
    /// Parses a question from one line of a file.
    public init(_ json: JSON, path: String, place: String) throws(DataError) {
        func string(_ json: JSON, _ field: String) throws(DataError) -> String {
            guard let value = json[field]?.string else {
                throw DataError(.malformed, path: path, place: place, field: field, "expected a string")
            }
            return value
        }
        category = try string(json, "category")
        guard let language = WorldLanguage(rawValue: try string(json, "language")) else {
            throw DataError(.malformed, path: path, place: place, field: "language", "expected en or zh")
        }
        self.language = language
        prompt = []
        for message in json["messages"]?.array ?? [] {
            prompt.append(WorldMessage(role: try string(message, "role"), content: try string(message, "content")))
        }
        guard prompt.last?.role == "user" else {
            throw DataError(
                .malformed, path: path, place: place, field: "messages", "expected messages up to the user's")
        }
        reply = try string(json, "reply")
        let expected = try string(json, "expected")
        switch try string(json, "check") {
        case "exact": check = .exact(expected)
        case "mentions": check = .mentions(expected, without: (json["without"]?.array ?? []).compactMap(\.string))
        case "number":
            guard let number = Int(expected) else {
                throw DataError(.malformed, path: path, place: place, field: "expected", "expected a whole number")
            }
            check = .number(number)
        case let other:
            throw DataError(
                .malformed, path: path, place: place, field: "check",
                "expected exact, mentions or number, found \(FormatError.quote(other))")
        }
    }
}

/// How many documents to write.
public enum WorldAmount: Sendable, Equatable {
    case documents(Int)
    /// Write documents until their estimated tokens reach this number.
    case tokens(Int)
}

extension World {
    /// Writes documents from index 0 on: to `.jsonl` one per line, to `.txt` with a line `<|endoftext|>` after each
    /// (plain text only).
    ///
    /// - Returns: the number of documents and their estimated tokens.
    @discardableResult
    public func write(
        _ amount: WorldAmount, split: WorldSplit, kind: WorldKind, to path: String
    ) throws(DataError) -> (documents: Int, tokens: Int) {
        let plain = path.hasSuffix(".txt")
        guard plain || path.hasSuffix(".jsonl") else {
            let whole = path.hasSuffix("/") || Folder.isFolder(path)
            let example = (path.hasSuffix("/") ? path : whole ? path + "/" : path) + (whole ? "world.jsonl" : ".jsonl")
            throw DataError(
                .invalid, path: path,
                "expected a file that ends in .jsonl or .txt, such as \(FormatError.quote(example))")
        }
        guard !plain || kind == .text else {
            throw DataError(.invalid, path: path, "\(kind.rawValue) documents have messages, which need a .jsonl file")
        }
        let limit =
            switch amount {
            case .documents(let count), .tokens(let count): count
            }
        guard limit > 0 else {
            throw DataError(.invalid, path: path, "expected a number of at least 1, found \(limit)")
        }
        var documents = 0, tokens = 0
        do throws(FileError) {
            try AtomicFile.write(path) { (file) throws(FileError) in
                while true {
                    switch amount {
                    case .documents(let count): if documents >= count { return }
                    case .tokens(let count): if tokens >= count { return }
                    }
                    let document = document(documents, split: split, kind: kind)
                    try file.write(
                        plain ? Array((document.text + "\n<|endoftext|>\n").utf8) : document.json.bytes() + [0x0A])
                    documents += 1
                    tokens += document.estimatedTokens
                }
            }
        } catch {
            throw DataError(error)
        }
        return (documents, tokens)
    }
}

extension WorldQuestion {
    /// The questions of a file written by `World.write`, one JSON object per line.
    public static func read(_ path: String) throws(DataError) -> [WorldQuestion] {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try Folder.read(path)
        } catch {
            throw DataError(error)
        }
        var questions: [WorldQuestion] = []
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
        where !line.isEmpty {
            let json: JSON
            do throws(JSONError) {
                json = try JSON(parsing: Array(line))
            } catch {
                throw DataError(.malformed, path: path, place: "line \(index + 1)", error.description)
            }
            questions.append(try WorldQuestion(json, path: path, place: "line \(index + 1)"))
        }
        return questions
    }
}

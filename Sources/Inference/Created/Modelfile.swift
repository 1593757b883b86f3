import MartletChat
import MartletJSON
import MartletSystem

/// A Modelfile, in ollama's format: lines of `INSTRUCTION value`, values over several lines between `"""`.
///
/// ```
/// FROM smollm2
/// PARAMETER temperature 0.1
/// PARAMETER stop "\n\n"
/// SYSTEM """You answer in one sentence."""
/// ```
public struct Modelfile: Sendable {
    /// An error and its line.
    public struct Problem: Error, Sendable, Equatable, CustomStringConvertible {
        public var file: String
        public var line: Int
        public var reason: String
        public var description: String { "\(file), line \(line): \(reason)" }
    }

    /// The instructions in their order; names in upper case.
    public private(set) var instructions: [(line: Int, name: String, value: String)] = []
    let file: String

    static let names = ["FROM", "PARAMETER", "SYSTEM", "TEMPLATE", "MESSAGE", "LICENSE", "ADAPTER"]

    /// - Throws: `Problem`.
    public init(_ text: String, file: String) throws(Problem) {
        self.file = file
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map {
            $0.hasSuffix("\r") ? $0.dropLast() : $0
        }[...]
        var number = 0
        while let first = lines.popFirst() {
            number += 1
            let line = first.drop { $0 == " " || $0 == "\t" }
            if line.isEmpty || line.hasPrefix("#") { continue }
            let start = number
            let word = line.prefix { !$0.isWhitespace }
            let name = word.uppercased()
            guard Self.names.contains(name) else {
                throw Problem(
                    file: file, line: start,
                    reason:
                        "\(String(word).quoted(limit: 40)) is no instruction; expected one of \(Self.names.joined(separator: ", "))"
                        + (Spelling.nearest(to: name, among: Self.names).map { " (did you mean \($0)?)" } ?? ""))
            }
            var value = String(line.dropFirst(word.count).drop { $0 == " " || $0 == "\t" })
            var prefix = ""
            // The role or the parameter's name precedes the text.
            if name == "MESSAGE" || name == "PARAMETER" {
                let head = value.prefix { !$0.isWhitespace }
                prefix = head + " "
                value = String(value.dropFirst(head.count).drop { $0 == " " || $0 == "\t" })
            }
            if value.hasPrefix("\"\"\"") {
                var rest = String(value.dropFirst(3))
                while !rest.hasSuffix("\"\"\"") {
                    guard let next = lines.popFirst() else {
                        throw Problem(file: file, line: start, reason: "\(name) opens \"\"\" and nothing closes it")
                    }
                    number += 1
                    rest += "\n" + next
                }
                value = String(rest.dropLast(3))
            } else {
                value = Self.unquoted(value)
            }
            instructions.append((start, name, prefix + value))
        }
    }

    /// The created model.
    /// - Parameter locate: where the files of the model after `FROM` are.
    /// - Throws: `Problem`, and what `locate` throws.
    public func model(locate: (String) throws -> String) throws -> CreatedModel {
        guard let from = instructions.first(where: { $0.name == "FROM" }) else {
            throw Problem(file: file, line: 1, reason: "there is no FROM: which model is it made of?")
        }
        let path = try locate(from.value)
        // Settings of a created base model are inherited, unless they are set again.
        let isMade = path.hasSuffix(CreatedModel.suffix)
        var made = isMade ? try CreatedModel(file: path) : CreatedModel(from: from.value, path: path)
        for (line, name, value) in instructions {
            func problem(_ reason: String) -> Problem { Problem(file: file, line: line, reason: reason) }
            switch name {
            case "FROM":
                guard value == from.value else { throw problem("FROM stands there twice") }
            case "ADAPTER":
                guard made.adapter == nil || isMade else { throw problem("ADAPTER stands there twice") }
                made.adapter = value
            case "SYSTEM": made.system = value
            case "TEMPLATE":
                // Ollama's templates are in Go's template language.
                guard !value.contains("{{ .") && !value.contains("{{.") && !value.contains("{{- .") else {
                    throw problem(
                        "a TEMPLATE in Go's language is not understood; expected Jinja, as in tokenizer_config.json")
                }
                made.template = value
            case "LICENSE": made.licences.append(value)
            case "MESSAGE":
                let role = value.prefix { $0 != " " }
                guard ["system", "user", "assistant"].contains(role) else {
                    throw problem(
                        "MESSAGE \(String(role).quoted(limit: 40)); expected system, user or assistant and a text")
                }
                made.messages.append(ChatMessage(role: String(role), content: String(value.dropFirst(role.count + 1))))
            default:
                let key = String(value.prefix { $0 != " " }), text = String(value.dropFirst(key.count + 1))
                let number = Int64(text).map { JSON.integer($0) } ?? Double(text).map { JSON.number($0) }
                if key == "stop" {
                    made.parameters[key] = .array((made.parameters[key]?.array ?? []) + [.string(text)])
                } else {
                    made.parameters[key] =
                        number ?? (text == "true" || text == "false" ? .bool(text == "true") : .string(text))
                }
                do { _ = try made.options(over: GenerationOptions()) } catch { throw problem("\(error)") }
            }
        }
        return made
    }

    /// A value without the quotes around it; `\n`, `\"` and `\\` are read within them.
    private static func unquoted(_ text: String) -> String {
        let trimmed = String(text.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
        guard trimmed.count >= 2, trimmed.hasPrefix("\""), trimmed.hasSuffix("\"") else { return trimmed }
        var result = "", escaped = false
        for character in trimmed.dropFirst().dropLast() {
            if escaped {
                result += character == "n" ? "\n" : character == "t" ? "\t" : String(character)
                escaped = false
            } else if character == "\\" {
                escaped = true
            } else {
                result.append(character)
            }
        }
        return escaped ? result + "\\" : result
    }

    /// A text as a Modelfile writes it.
    static func quoted(_ text: String) -> String {
        if text.contains("\n") { return "\"\"\"\(text)\"\"\"" }
        guard text.contains("\"") || text.contains("\\") || text.hasPrefix(" ") || text.hasSuffix(" ") else {
            return text
        }
        return "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
    }
}

import ArgumentParser
import Martlet
import MartletVerbs

/// The man page: what `--help` says of every verb, in one document.
struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual",
        abstract: "Print the man page: the manual of all verbs.",
        discussion: """
            Examples:
              martlet manual | man -l -
              martlet manual > martlet.1
            """)

    func run() throws {
        let help = try JSON(parsing: Array(MartletCommand._dumpHelp().utf8))
        guard let root = help["command"].map(CommandManual.init) else { return }
        Terminal.show(root.manPage)
    }
}

/// One verb of the program, as its `--help` describes it.
private struct CommandManual {
    var name: String
    var abstract: String
    var discussion: String
    var arguments: [Argument]
    var subcommands: [CommandManual]

    /// A flag, an option or a positional argument.
    struct Argument {
        /// As it is typed: `-n, --new <new>`.
        var spelling: String
        var help: String
    }

    init(_ json: JSON) { self.init(json, under: "") }

    private init(_ json: JSON, under parent: String) {
        let name = [parent, json["commandName"]?.string ?? ""].filter { !$0.isEmpty }.joined(separator: " ")
        self.name = name
        abstract = json["abstract"]?.string ?? ""
        discussion = json["discussion"]?.string ?? ""
        arguments = (json["arguments"]?.array ?? []).filter { $0["shouldDisplay"]?.bool != false }
            .compactMap(Argument.init)
        subcommands = (json["subcommands"]?.array ?? [])
            .filter { $0["shouldDisplay"]?.bool != false && $0["commandName"]?.string != "help" }
            .map { CommandManual($0, under: name) }
    }

    /// This verb and all below it.
    var all: [CommandManual] { [self] + subcommands.flatMap(\.all) }
}

extension CommandManual.Argument {
    init?(_ json: JSON) {
        let value = json["valueName"]?.string ?? "value"
        let names = (json["names"]?.array ?? []).compactMap { entry -> String? in
            guard let name = entry["name"]?.string else { return nil }
            return entry["kind"]?.string == "long" ? "--\(name)" : "-\(name)"
        }
        switch json["kind"]?.string {
        case "positional": spelling = "<\(value)>"
        case "flag": spelling = names.joined(separator: ", ")
        case "option": spelling = names.joined(separator: ", ") + " <\(value)>"
        default: return nil
        }
        // The two options that every verb has: listed once, at the top.
        if names.contains("--help") || names.contains("--version") { return nil }
        help = json["abstract"]?.string ?? ""
        if let standard = json["defaultValue"]?.string, !standard.isEmpty { help += " (default: \(standard))" }
    }
}

extension CommandManual {
    /// In the `man` macros of troff (groff_man(7)).
    var manPage: String {
        var text = ".TH MARTLET 1\n.SH NAME\nmartlet \\- \(Self.roff(abstract))\n"
        text += ".SH SYNOPSIS\n.B martlet\n.I verb\n[options]\n.SH DESCRIPTION\n\(Self.roff(discussion))\n"
        text += ".PP\nEvery verb answers\n.BR \\-\\-help .\n"
        for command in all.dropFirst() {
            text += ".SH \(Self.roff(command.name.uppercased()))\n\(Self.roff(command.abstract))\n"
            text += Self.body(command.discussion)
            for argument in command.arguments {
                text += ".TP\n.B \(Self.roff(argument.spelling))\n\(Self.roff(argument.help))\n"
            }
        }
        return text
    }

    /// Paragraphs are filled to the reader's width. What is indented, examples and tables, keeps its lines.
    private static func body(_ text: String) -> String {
        var result = "", keepsLines = false
        for line in text.split(separator: "\n") {
            let isIndented = line.hasPrefix("  ")
            if isIndented != keepsLines { result += isIndented ? ".nf\n" : ".fi\n" }
            keepsLines = isIndented
            let lines = isIndented ? fitting(String(line)) : [String(line)]
            result += (isIndented ? "" : ".PP\n") + lines.map { roff($0) + "\n" }.joined()
        }
        return result + (keepsLines ? ".fi\n" : "")
    }

    /// What is left of 80 columns beside the margins of `man`.
    private static let columns = 70

    /// A line that stays as it is cut where it is too long, at spaces outside quotation marks. A command goes on after a
    /// backslash, as the shell reads it.
    private static func fitting(_ line: String) -> [String] {
        guard line.count > columns else { return [line] }
        var words: [String] = [], isQuoted = false
        for part in line.split(separator: " ", omittingEmptySubsequences: false) {
            if isQuoted || part.isEmpty, let last = words.popLast() {
                words.append("\(last) \(part)")
            } else {
                words.append(String(part))
            }
            if part.count(where: { $0 == "\"" }) % 2 == 1 { isQuoted.toggle() }
        }
        var lines: [String] = []
        for word in words {
            if let last = lines.last, last.count + word.count + 3 <= columns {
                lines[lines.endIndex - 1] = "\(last) \(word)"
            } else {
                lines.append(lines.isEmpty ? word : "      \(word)")
            }
        }
        let comment = lines.firstIndex { $0.contains("# ") } ?? lines.endIndex - 1
        guard line.hasPrefix("  martlet ") else { return lines }
        // A comment ends with its line.
        return lines.enumerated().map {
            $0 < comment ? "\($1) \\" : $0 > comment ? "      # \($1.drop { $0 == " " })" : $1
        }
    }

    /// Backslashes and hyphens are escaped; a line must not begin with a control character.
    private static func roff(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var line = line.replacing("\\", with: "\\e").replacing("-", with: "\\-")
            if line.hasPrefix(".") || line.hasPrefix("'") { line = "\\&" + line }
            return line
        }.joined(separator: "\n")
    }
}

import MartletCatalog
import MartletSystem

/// What is wrong with the words of a command line, in one sentence, and where help is.
struct UsageSentence {
    /// The parser's message in one line, and the command whose help has examples.
    private let message: String
    private let help: String
    /// What the help says of the option that is wrong.
    private let meaning: String?

    /// - Parameter whole: the parser's whole text, which alone names the verb: "See 'martlet run --help' for more
    ///   information."
    init(_ message: String, _ whole: String) {
        var line = message.split(whereSeparator: \.isNewline).map { $0.drop { $0 == " " } }.joined(separator: " ")
        if line.hasSuffix(".") { line.removeLast() }
        self.message = line
        // "Help:  --port <port>  Port to listen on; 0 lets the system choose."
        let said = whole.split(whereSeparator: \.isNewline).first { $0.hasPrefix("Help:") }
        meaning = said.flatMap { text in text.firstRange(of: ">  ").map { text[$0.upperBound...] } }
            .map { text in String(text.prefix { $0 != ";" && $0 != ":" && $0 != "." }) }
        help = whole.components(between: "See '", and: "'") ?? "martlet --help"
    }

    /// - Parameters:
    ///   - meant: the flag of a verb that a name means which other programs have for it.
    ///   - takes: whether the parser takes the first text in the place of the second.
    ///   - fits: whether the words are those of a verb with it in the place of the second.
    func text(
        _ meant: (_ name: String, _ verb: String) -> String?, takes: (_ text: String, _ wrong: String) -> Bool,
        fits: (_ text: String, _ wrong: String) -> Bool
    ) -> String {
        if let word = message.components(between: "Unexpected argument '", and: "'") {
            // What there is of this name is data, and what there is not is a text.
            let flags = Folder.exists(word) ? ["--data"] : ["--text", "--data"]
            if let flag = flags.first(where: { fits("\($0)=\(word)", word) }) {
                let shown = word.contains(where: \.isWhitespace) ? "\"\(word)\"" : word
                return "\(message). Did you mean \(flag) \(shown)? `\(help)` has examples"
            }
        }
        if let name = message.components(between: "Unknown option '", and: "'") {
            if name.contains(where: \.isWhitespace) {
                return "\(name.quoted(limit: 40)) begins with -, as options do: put -- before such a text; "
                    + "`\(help)` has examples"
            }
            // The parser does not count these among its options.
            let own = name == "-v" ? "--version" : Spelling.nearest(to: name, among: ["--help", "--version"])
            if let near = own, !message.hasSuffix("?") {
                return "Unknown option '\(name)'. Did you mean '\(near)'? `\(help)` has examples"
            }
            if ["--threads", "--num-threads", "--n-threads", "-t"].contains(name) {
                return "Unknown option '\(name)'; MARTLET_THREADS=N in the environment says how many threads compute"
            }
            if ["--params", "--parameters", "--num-params"].contains(name), help.hasPrefix("martlet train") {
                return "Unknown option '\(name)'; --depth sets every size, and `martlet plan --params 100M` says "
                    + "which has about so many parameters; `\(help)` has examples"
            }
            // An option of a run by a name that other programs have for it is none that the parser knows.
            if let verb = help.split(separator: " ").dropFirst().first, let flag = meant(name, String(verb)) {
                return "Unknown option '\(name)'. Did you mean '\(flag)'? `\(help)` has examples"
            }
        }
        if let option = message.components(between: "Missing value for '", and: " ") {
            return "\(message) (one that begins with - is written \(option)=VALUE); `\(help)` has examples"
        }
        return "\(message)\(expected(takes))\(message.hasSuffix("?") ? "" : ";") `\(help)` has examples"
    }

    /// What would be right in the place of a value that is refused. The parser does not say what kind an option takes, so
    /// it is asked whether it would take others.
    private func expected(_ takes: (String, String) -> Bool) -> String {
        // Where values have names, the parser lists them.
        guard !message.contains("Please provide"), let value = message.components(between: "The value '", and: "'")
        else {
            return ""
        }
        let said = meaning.map { " (\($0))" } ?? ""
        guard takes("1", value) else { return said }
        if takes("0.5", value) {
            // A size such as 4GiB says in its help how it is written.
            return Double(value) == nil ? meaning.map { " (expected a number: \($0))" } ?? " (expected a number)" : said
        }
        guard let number = Double(value) else {
            return meaning.map { " (expected a whole number: \($0))" } ?? " (expected a whole number)"
        }
        if number < 0 { return " (expected a whole number from 0)" }
        if number >= 0x1p63 { return " (too large)" }
        guard let whole = Int(exactly: number) else { return " (expected a whole number)" }
        return " (expected a whole number, as \(whole))"
    }

    /// The words with numbers below 0 joined to the options before them, so that the parser takes `--temp -1` for an
    /// option with its value and not for two options.
    static func joiningNumbers(_ words: [String]) -> [String] {
        let end = words.firstIndex(of: "--") ?? words.endIndex
        var joined: [String] = []
        for word in words[..<end] {
            if let before = joined.last, isOption(before), isBelowZero(word) {
                joined[joined.endIndex - 1] += "=" + word
            } else {
                joined.append(word)
            }
        }
        return joined + words[end...]
    }

    /// `--temp` or `-n`, without a value.
    private static func isOption(_ word: String) -> Bool {
        guard word.hasPrefix("-"), !word.contains("="), !isBelowZero(word) else { return false }
        return word.hasPrefix("--") || word.count == 2
    }

    private static func isBelowZero(_ word: String) -> Bool {
        guard word.hasPrefix("-"), let second = word.dropFirst().first, second.isNumber || second == "." else {
            return false
        }
        return Double(word) != nil
    }
}

extension String {
    fileprivate func components(between start: String, and end: Character) -> String? {
        guard let place = ranges(of: start).last?.upperBound else { return nil }
        return self[place...].firstIndex(of: end).map { String(self[place..<$0]) }
    }
}

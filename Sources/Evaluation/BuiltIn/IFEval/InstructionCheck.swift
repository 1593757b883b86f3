import MartletJSON
import MartletSystem

/// One of IFEval's 25 instructions with its settings.
///
/// Where the published program asks other packages, this one decides by itself: languages by script, letters and common
/// words, sentences by their marks. Everything else is checked as there, regular expressions included.
package struct InstructionCheck {
    private let name: String
    private let settings: JSONObject
    private let prompt: String

    private static let names: Set<String> = [
        "keywords:existence", "keywords:frequency", "keywords:forbidden_words", "keywords:letter_frequency",
        "language:response_language", "length_constraints:number_sentences", "length_constraints:number_paragraphs",
        "length_constraints:number_words", "length_constraints:nth_paragraph_first_word",
        "detectable_content:number_placeholders", "detectable_content:postscript",
        "detectable_format:number_bullet_lists", "detectable_format:constrained_response",
        "detectable_format:number_highlighted_sections", "detectable_format:multiple_sections",
        "detectable_format:json_format", "detectable_format:title", "combination:two_responses",
        "combination:repeat_prompt", "startend:end_checker", "startend:quotation",
        "change_case:capital_word_frequency", "change_case:english_capital", "change_case:english_lowercase",
        "punctuation:no_comma",
    ]

    /// - Throws: `EvaluationError` for an instruction that is not known.
    package init(_ name: String, _ settings: JSONObject, prompt: String) throws(EvaluationError) {
        guard Self.names.contains(name) else {
            let near = Spelling.nearest(to: name, among: Self.names.sorted())
            throw EvaluationError(
                "ifeval", field: "instruction_id_list",
                "\(name.quoted()) is no instruction that is checked" + (near.map { "; did you mean \($0)?" } ?? ""))
        }
        (self.name, self.settings, self.prompt) = (name, settings, prompt)
    }

    private func text(_ key: String) throws(EvaluationError) -> String {
        guard let text = settings[key]?.string else { throw missing(key) }
        return text
    }

    private func texts(_ key: String) throws(EvaluationError) -> [String] {
        guard let list = settings[key]?.array?.compactMap(\.string), !list.isEmpty else { throw missing(key) }
        return list
    }

    private func number(_ key: String) throws(EvaluationError) -> Int {
        guard let number = settings[key]?.integer else { throw missing(key) }
        return number
    }

    private func missing(_ key: String) -> EvaluationError {
        EvaluationError("ifeval", field: "kwargs", "\(name) needs \(key)")
    }

    /// "less than" or "at least" so many.
    private func holds(_ count: Int, _ relation: String, _ limit: String) throws(EvaluationError) -> Bool {
        let limit = try number(limit)
        return try text(relation) == "less than" ? count < limit : count >= limit
    }

    private func matches(_ pattern: String, _ reply: String) throws(EvaluationError) -> Int {
        do { return try PythonRegex(pattern).findAll(reply).count } catch {
            throw EvaluationError("ifeval", field: "kwargs", "\(pattern.quoted()) is no regular expression")
        }
    }

    package func isFollowed(by reply: String) throws(EvaluationError) -> Bool {
        switch name {
        case "keywords:existence":
            for word in try texts("keywords") where try matches("(?i)" + word, reply) == 0 { return false }
            return true
        case "keywords:frequency":
            return try holds(matches("(?i)" + text("keyword"), reply), "relation", "frequency")
        case "keywords:forbidden_words":
            for word in try texts("forbidden_words") where try matches("(?i)\\b\(word)\\b", reply) > 0 { return false }
            return true
        case "keywords:letter_frequency":
            let letter = try text("letter").lowercased()
            let count = reply.lowercased().unicodeScalars.count { String($0) == letter }
            return try holds(count, "let_relation", "let_frequency")
        case "language:response_language":
            guard let found = LanguageGuess.language(of: reply) else { return true }
            return try found == text("language")
        case "length_constraints:number_sentences":
            return try holds(Self.sentences(reply), "relation", "num_sentences")
        case "length_constraints:number_paragraphs": return try hasParagraphs(reply)
        case "length_constraints:number_words":
            return try holds(matches("\\w+", reply), "relation", "num_words")
        case "length_constraints:nth_paragraph_first_word": return try beginsParagraph(reply)
        case "detectable_content:number_placeholders":
            return try matches("\\[.*?\\]", reply) >= number("num_placeholders")
        case "detectable_content:postscript": return try hasPostscript(reply)
        case "detectable_format:number_bullet_lists":
            let stars = try matches("(?m)^\\s*\\*[^\\*].*$", reply), dashes = try matches("(?m)^\\s*-.*$", reply)
            return try stars + dashes == number("num_bullets")
        case "detectable_format:constrained_response":
            return ["My answer is yes.", "My answer is no.", "My answer is maybe."].contains { reply.contains($0) }
        case "detectable_format:number_highlighted_sections": return try isHighlighted(reply)
        case "detectable_format:multiple_sections":
            return try matches("\\s?\(text("section_spliter"))\\s?\\d+\\s?", reply) >= number("num_sections")
        case "detectable_format:json_format": return Self.isJSON(reply)
        case "detectable_format:title":
            let titles = (try? PythonRegex("<<[^\\n]+>>").findAll(reply)) ?? []
            return titles.contains { match in
                !(match.first ?? "").filter { $0 != "<" && $0 != ">" }.spaceTrimmed.isEmpty
            }
        case "combination:two_responses": return Self.hasTwoResponses(reply)
        case "combination:repeat_prompt":
            let repeated = settings["prompt_to_repeat"]?.string ?? prompt
            return reply.spaceTrimmed.lowercased().hasPrefix(repeated.spaceTrimmed.lowercased())
        case "startend:end_checker":
            let end = try text("end_phrase").spaceTrimmed.lowercased()
            return Self.without("\"", reply.spaceTrimmed).lowercased().hasSuffix(end)
        case "startend:quotation":
            let reply = reply.spaceTrimmed
            return reply.count > 1 && reply.hasPrefix("\"") && reply.hasSuffix("\"")
        case "change_case:capital_word_frequency":
            let words = (try? PythonRegex("[\\w'-]+").findAll(reply)) ?? []
            return try holds(
                words.count { Self.isCase($0[0], upper: true) }, "capital_relation", "capital_frequency")
        case "change_case:english_capital":
            return Self.isCase(reply, upper: true) && LanguageGuess.language(of: reply) ?? "en" == "en"
        case "change_case:english_lowercase":
            return Self.isCase(reply, upper: false) && LanguageGuess.language(of: reply) ?? "en" == "en"
        default: return !reply.contains(",")
        }
    }

    // MARK: - Checks of more than a line

    private func hasParagraphs(_ reply: String) throws(EvaluationError) -> Bool {
        let marked = ((try? PythonRegex("\\s?\\*\\*\\*\\s?"))?.replacing(in: reply, with: "\u{0}")) ?? reply
        let parts = marked.split(separator: "\u{0}", omittingEmptySubsequences: false)
        var count = parts.count
        for (index, part) in parts.enumerated() where String(part).spaceTrimmed.isEmpty {
            guard index == 0 || index == parts.count - 1 else { return false }
            count -= 1
        }
        return try count == number("num_paragraphs")
    }

    private func beginsParagraph(_ reply: String) throws(EvaluationError) -> Bool {
        let parts = reply.replacing(all: "\n\n", with: "\u{0}").split(
            separator: "\u{0}", omittingEmptySubsequences: false
        ).map { String($0).spaceTrimmed }
        let count = parts.count { !$0.isEmpty }, place = try number("nth_paragraph")
        guard (1...max(count, 1)).contains(place), place <= count, !parts[place - 1].isEmpty else { return false }
        let word = parts[place - 1].unicodeScalars.split(whereSeparator: \.isPythonSpace).first.map { String($0) } ?? ""
        let first = String(word.drop { $0 == "'" }.drop { $0 == "\"" }.prefix { !".,?!'\"".contains($0) }).lowercased()
        let wanted = try text("first_word").lowercased(), paragraphs = try number("num_paragraphs")
        return count == paragraphs && first == wanted
    }

    private func hasPostscript(_ reply: String) throws(EvaluationError) -> Bool {
        let marker = try text("postscript_marker")
        let pattern =
            switch marker {
            case "P.P.S": "(?m)\\s*p\\.\\s?p\\.\\s?s.*$"
            case "P.S.": "(?m)\\s*p\\.\\s?s\\..*$"
            default: "(?m)\\s*\(marker.lowercased()).*$"
            }
        return try matches(pattern, reply.lowercased()) > 0
    }

    private func isHighlighted(_ reply: String) throws(EvaluationError) -> Bool {
        var count = 0
        for pattern in ["\\*[^\\n\\*]*\\*", "\\*\\*[^\\n\\*]*\\*\\*"] {
            let found = (try? PythonRegex(pattern).findAll(reply)) ?? []
            count += found.count { !Self.without("*", $0[0]).spaceTrimmed.isEmpty }
        }
        return try count >= number("num_highlights")
    }

    /// A text without a character at its ends.
    private static func without(_ mark: Character, _ text: String) -> String {
        var text = text[...]
        while text.first == mark { text.removeFirst() }
        while text.last == mark { text.removeLast() }
        return String(text)
    }

    private static func isJSON(_ reply: String) -> Bool {
        var text = reply.spaceTrimmed
        for fence in ["```json", "```Json", "```JSON", "```"] where text.hasPrefix(fence) {
            text.removeFirst(fence.count)
        }
        if text.hasSuffix("```") { text.removeLast(3) }
        return (try? JSON(parsing: text.spaceTrimmed)) != nil
    }

    private static func hasTwoResponses(_ reply: String) -> Bool {
        let parts = reply.replacing(all: "******", with: "\u{0}").split(
            separator: "\u{0}", omittingEmptySubsequences: false
        ).map { String($0).spaceTrimmed }
        for (index, part) in parts.enumerated() where part.isEmpty && index != 0 && index != parts.count - 1 {
            return false
        }
        let texts = parts.filter { !$0.isEmpty }
        return texts.count == 2 && texts[0] != texts[1]
    }

    /// `str.isupper()`, `str.islower()`: at least one letter with case, and none of the other case.
    static func isCase(_ text: String, upper: Bool) -> Bool {
        var hasLetter = false
        for scalar in text.unicodeScalars {
            if upper ? scalar.properties.isLowercase : scalar.properties.isUppercase { return false }
            if upper ? scalar.properties.isUppercase : scalar.properties.isLowercase { hasLetter = true }
        }
        return hasLetter
    }

    /// Sentences end with a mark and a space, or with the text; initials, numbers and common abbreviations end none.
    static func sentences(_ text: String) -> Int {
        let short: Set<String> = [
            "mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "e.g", "i.e", "jr", "sr", "inc", "ltd", "co", "no",
        ]
        var count = 0, hasWords = false
        for word in text.unicodeScalars.split(whereSeparator: \.isPythonSpace).map({ String($0) }) {
            hasWords = true
            let bare = word.trimmingMarks
            guard let last = bare.last, ".!?".contains(last) else { continue }
            let stem = bare.dropLast().lowercased()
            if last == ".", short.contains(stem) || (stem.count == 1 && stem.first?.isLetter == true) { continue }
            count += 1
            hasWords = false
        }
        return count + (hasWords ? 1 : 0)
    }
}

extension String {
    /// Without quotes and brackets behind it.
    fileprivate var trimmingMarks: Substring {
        var text = self[...]
        while let last = text.last, "\"')]”’*".contains(last) { text.removeLast() }
        return text
    }
}

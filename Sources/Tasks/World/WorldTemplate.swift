/// The two languages of the world.
public enum WorldLanguage: String, Sendable, CaseIterable {
    case english = "en"
    case chinese = "zh"
}

/// The forms of a word in a sentence: `{T.a}` is "a red ball", `{P.at}` "in the garden".
package enum WordForm: Int, Sendable, CaseIterable {
    case name, a, the, at, to, many, he, him, his, verb

    fileprivate init?(_ text: Substring) {
        guard let form = Self.allCases.first(where: { "\($0)" == text }) else { return nil }
        self = form
    }
}

/// A word in both languages with all of its forms.
package struct Word: Sendable {
    /// The English name, which identifies the word in instances of both languages.
    package let id: String
    private let english, chinese: [String]

    package init(_ english: [WordForm: String], _ chinese: [WordForm: String]) {
        func table(_ forms: [WordForm: String]) -> [String] {
            WordForm.allCases.map { forms[$0] ?? forms[.name] ?? "" }
        }
        id = english[.name] ?? ""
        self.english = table(english)
        self.chinese = table(chinese)
    }

    /// A word without other forms.
    package init(_ english: String, _ chinese: String) { self.init([.name: english], [.name: chinese]) }

    package init(_ number: Int) { self.init(String(number), String(number)) }

    package subscript(language: WorldLanguage, form: WordForm = .name) -> String {
        (language == .english ? english : chinese)[form.rawValue]
    }
}

/// A sentence with slots: `"{A} went {P.to}."`. A slot is a letter, and optionally a form.
package struct WorldTemplate: Sendable, ExpressibleByStringLiteral {
    private enum Piece: Sendable {
        case text(String)
        case slot(Character, WordForm)
    }
    private var pieces: [Piece] = []
    package let source: String

    package init(stringLiteral source: String) {
        self.source = source
        var rest = source[...]
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            if open > rest.startIndex { pieces.append(.text(String(rest[..<open]))) }
            let slot = rest[rest.index(after: open)..<close].split(separator: ".")
            // An invalid slot stays in the text, where a test finds it.
            if let key = slot.first?.first, let form = slot.count == 1 ? .name : WordForm(slot[1]) {
                pieces.append(.slot(key, form))
            } else {
                pieces.append(.text(String(rest[open...close])))
            }
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { pieces.append(.text(String(rest))) }
    }

    /// The sentence, with a capital letter at its start.
    package func filled(_ words: [Character: Word], _ language: WorldLanguage) -> String {
        var sentence = ""
        for piece in pieces {
            switch piece {
            case .text(let text): sentence += text
            case .slot(let key, let form): sentence += words[key]?[language, form] ?? "{\(key)}"
            }
        }
        return sentence.capitalizedAtStart
    }
}

extension String {
    /// The text with an ASCII letter at its start in upper case; ASCII only, so that the result is the same everywhere.
    package var capitalizedAtStart: String {
        guard let first = utf8.first, (0x61...0x7A).contains(first) else { return self }
        return String(UnicodeScalar(first - 32)) + dropFirst()
    }
}

/// Sentences with the same meaning in both languages.
package struct Wordings: Sendable {
    package let english, chinese: [WorldTemplate]

    package init(_ english: [WorldTemplate], _ chinese: [WorldTemplate]) {
        self.english = english
        self.chinese = chinese
    }

    package subscript(language: WorldLanguage) -> [WorldTemplate] { language == .english ? english : chinese }

    /// Joins sentences to a paragraph. Each Chinese sentence has its own line, because tokenizers merge a punctuation
    /// mark with the next word, and a name should be the same token at the beginning of every sentence.
    package static func paragraph(_ sentences: [String], _ language: WorldLanguage) -> String {
        sentences.joined(separator: language == .english ? " " : "\n")
    }
}

/// Spelling, counting and small tasks with words, each with one short answer.
package enum Puzzle: String, Sendable, CaseIterable {
    case spell, letters, firstLetter, list, sequence, backwards, after, repetition, reversal, odd, sort

    package func exchange(_ draw: inout WorldDraw) -> WorldExchange? {
        switch self {
        case .spell, .letters, .firstLetter: word(&draw)
        case .list, .reversal: words(&draw)
        case .sequence, .backwards: numbers(&draw)
        case .after: after(&draw)
        case .repetition: repetition(&draw)
        case .odd: odd(&draw)
        case .sort: sort(&draw)
        }
    }

    private var category: String {
        switch self {
        case .spell, .letters, .firstLetter: "letter.\(rawValue)"
        case .sequence, .backwards, .after, .sort: "number.\(rawValue)"
        case .list, .repetition, .reversal, .odd: "list.\(rawValue)"
        }
    }

    package static let wordings: [Puzzle: Wordings] = [
        .spell: Wordings(
            ["Spell the word {W}.", "How do you spell {W}?", "Spell {W} for me.", "Which letters are in {W}?"],
            ["“{W}”这个词有哪些字？", "请一个字一个字地读“{W}”。", "把“{W}”拆成单个的字。", "“{W}”怎么写？"]),
        .letters: Wordings(
            [
                "How many letters does {W} have?", "How many letters are in {W}?", "Count the letters of {W}.",
                "How long is the word {W}?",
            ],
            ["“{W}”有几个字？", "数一数“{W}”有几个字。", "“{W}”这个词有多少个字？", "“{W}”有多长？"]),
        .firstLetter: Wordings(
            [
                "What is the first letter of {W}?", "Which letter does {W} start with?",
                "What does {W} begin with?",
                "Tell me the first letter of {W}.",
            ],
            ["“{W}”的第一个字是什么？", "“{W}”以什么字开头？", "请说出“{W}”的第一个字。", "“{W}”开头是什么字？"]),
        .list: Wordings(
            ["How many words are these: {L}?", "Count the words: {L}.", "How many things are in this list: {L}?"],
            ["这里有几个词：{L}？", "数一数有几个词：{L}。"]),
        .reversal: Wordings(
            ["Say these words backwards: {L}.", "Turn this list around: {L}.", "Reverse the list: {L}."],
            ["把这些词倒过来说：{L}。", "把顺序倒过来：{L}。"]),
        .sequence: Wordings(
            ["Count from {N} to {M}.", "Please count from {N} up to {M}.", "Say the numbers from {N} to {M}."],
            ["从 {N} 数到 {M}。", "请从 {N} 数到 {M}。"]),
        .backwards: Wordings(
            ["Count down from {M} to {N}.", "Count backwards from {M} to {N}."], ["从 {M} 倒数到 {N}。", "请从 {M} 倒着数到 {N}。"]),
        .after: Wordings(
            ["What number comes after {N}?", "Which number follows {N}?", "What is the next number after {N}?"],
            ["{N} 后面是哪个数？", "{N} 的下一个数是几？", "比 {N} 大一的数是几？"]),
        .repetition: Wordings(
            ["Say the word {W} {N} times.", "Repeat the word {W} {N} times.", "Write the word {W} {N} times."],
            ["把“{W}”说{N}遍。", "请写{N}遍“{W}”。"]),
        .odd: Wordings(
            ["Which word does not fit: {L}?", "Find the odd one out: {L}.", "Which one is different: {L}?"],
            ["哪个词不一样：{L}？", "找出不同类的词：{L}。"]),
        .sort: Wordings(
            ["Sort these numbers: {L}.", "Put these numbers in order: {L}.", "Order from small to large: {L}."],
            ["把这些数从小到大排好：{L}。", "从小到大排列：{L}。"]),
    ]

    private func question(_ words: [Character: Word], _ draw: inout WorldDraw) -> String {
        guard let wordings = Self.wordings[self] else { return "" }
        return draw.random.pick(wordings[draw.language]).filled(words, draw.language)
    }

    private static func list(_ items: [String], _ language: WorldLanguage) -> String {
        items.joined(separator: language == .english ? ", " : "、")
    }

    /// The spelling of a word is a fact, so wordings are held out.
    private func word(_ draw: inout WorldDraw) -> WorldExchange? {
        let language = draw.language, english = language == .english
        let drawn = draw.instance { random in
            let word = random.pick(Lexicon.spelt), templates = Self.wordings[self]?[language] ?? []
            let i = random.below(templates.count)
            return ("\(rawValue):\(language.rawValue):\(word.id):q\(i)", (word, templates[i]))
        }
        guard let (word, template) = drawn else { return nil }
        let text = word[language], letters = text.map(String.init)
        let question = template.filled(["W": Word(text, text)], language)
        switch self {
        case .spell:
            let spelling = letters.joined(separator: english ? "-" : "、")
            return WorldExchange(
                category, question, english ? "The word \(text): \(spelling)." : "\(text)：\(spelling)。",
                .mentions(spelling, without: []))
        case .letters:
            let reply = english ? "The word \(text) has \(letters.count) letters." : "“\(text)”有\(letters.count)个字。"
            return WorldExchange(category, question, reply, .number(letters.count))
        default:
            let first = letters.first ?? ""
            let reply = english ? "The word \(text) starts with \(first)." : "“\(text)”的第一个字是\(first)。"
            return WorldExchange(category, question, reply, .exact(reply))
        }
    }

    private func words(_ draw: inout WorldDraw) -> WorldExchange? {
        let drawn = draw.instance { random in
            let words = random.sample(
                random.pick([Lexicon.animals, Lexicon.things, Lexicon.places]), random.within(2...6))
            return ("\(rawValue):" + words.map(\.id).sorted().joined(separator: ","), words)
        }
        guard var items = drawn else { return nil }
        if self == .reversal { items = Array(items.prefix(4)) }
        let language = draw.language
        let texts = items.map { $0[language] }, list = Self.list(texts, language)
        let question = question(["L": Word(list, list)], &draw)
        if self == .reversal {
            // At the beginning of a reply, a word would be a different token than in the question.
            let reply = (language == .english ? "Backwards: " : "") + Self.list(texts.reversed(), language)
            return WorldExchange(category, question, reply, .exact(reply))
        }
        let reply = language == .english ? "There are \(items.count) words." : "有\(items.count)个词。"
        return WorldExchange(category, question, reply, .number(items.count))
    }

    private func numbers(_ draw: inout WorldDraw) -> WorldExchange? {
        let drawn = draw.instance { random in
            let first = random.within(1...92), last = first + random.within(3...6)
            return ("\(rawValue):\(first):\(last)", (first, last))
        }
        guard let (first, last) = drawn else { return nil }
        let numbers = Array(first...last).map(String.init)
        let reply = Self.list(self == .sequence ? numbers : numbers.reversed(), draw.language)
        return WorldExchange(category, question(["N": Word(first), "M": Word(last)], &draw), reply, .exact(reply))
    }

    private func after(_ draw: inout WorldDraw) -> WorldExchange? {
        let language = draw.language
        let drawn = draw.instance { random in
            let number = random.within(1...99), templates = Self.wordings[self]?[language] ?? []
            let i = random.below(templates.count)
            return ("after:\(language.rawValue):\(number):q\(i)", (number, templates[i]))
        }
        guard let (number, template) = drawn else { return nil }
        return WorldExchange(
            category, template.filled(["N": Word(number)], language),
            language == .english ? "The next number is \(number + 1)." : "下一个数是 \(number + 1)。", .number(number + 1))
    }

    private func repetition(_ draw: inout WorldDraw) -> WorldExchange? {
        let language = draw.language
        let drawn = draw.instance { random in
            let word = random.pick(Lexicon.spelt), times = random.within(2...6)
            return ("repetition:\(language.rawValue):\(word.id):\(times)", (word, times))
        }
        guard let (word, times) = drawn else { return nil }
        let reply =
            (language == .english ? "I say " : "") + Self.list(Array(repeating: word[language], count: times), language)
        return WorldExchange(category, question(["W": word, "N": Word(times)], &draw), reply, .exact(reply))
    }

    private func odd(_ draw: inout WorldDraw) -> WorldExchange? {
        let drawn = draw.instance { random in
            let sorts = random.sample(
                [Lexicon.animals, Lexicon.fruits, Lexicon.colours, Lexicon.garments, Lexicon.days], 2)
            let same = random.sample(sorts[0], 3), odd = random.pick(sorts[1])
            return ("odd:" + (same + [odd]).map(\.id).sorted().joined(separator: ","), (same, odd))
        }
        guard let (same, odd) = drawn else { return nil }
        let language = draw.language
        let list = Self.list(draw.random.shuffled(same + [odd]).map { $0[language] }, language)
        return WorldExchange(
            category, question(["L": Word(list, list)], &draw),
            language == .english ? "The odd one out is \(odd[.english])." : "不一样的是\(odd[.chinese])。",
            .mentions(odd[language], without: same.map { $0[language] }))
    }

    private func sort(_ draw: inout WorldDraw) -> WorldExchange? {
        let drawn = draw.instance { random in
            let numbers = random.sample(Array(1...99), 3)
            return ("sort:" + numbers.sorted().map(String.init).joined(separator: ","), numbers)
        }
        guard let numbers = drawn else { return nil }
        let list = Self.list(numbers.map(String.init), draw.language)
        let reply = Self.list(numbers.sorted().map(String.init), draw.language)
        return WorldExchange(category, question(["L": Word(list, list)], &draw), reply, .exact(reply))
    }
}

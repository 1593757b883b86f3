/// A small synthetic world to train on: a village of two dozen people with jobs, houses and pets, stories about them,
/// sums, spelling and counting, in English and Chinese.
///
/// Documents are generated, not stored: a document depends only on the seed, the split, the kind and its index, and has
/// the same bytes on every machine. Training and validation share no instance (`WorldSplit`), but they share the
/// village: its facts are trained on, and validation asks for them in other words.
public struct World: Sendable {
    public let seed: UInt64
    /// The percentage of Chinese documents.
    public let chinese: Int
    package let village: Village
    package let book: FactBook

    public init(seed: UInt64 = 1, chinese: Int = 30) {
        self.seed = seed
        self.chinese = min(max(chinese, 0), 100)
        village = Village(seed: seed)
        book = FactBook(village)
    }

    public func document(_ index: Int, split: WorldSplit = .train, kind: WorldKind = .text) -> WorldDocument {
        let stream = UInt64(WorldKind.allCases.firstIndex(of: kind) ?? 0) << 1 | (split == .train ? 0 : 1)
        var random = WorldRandom(seed, stream, UInt64(bitPattern: Int64(index)))
        let language: WorldLanguage = random.chance(chinese) ? .chinese : .english
        var draw = WorldDraw(random: random, split: split, language: language)
        switch kind {
        case .text:
            let text = passage(&draw)
            return WorldDocument(
                index: index, split: split, kind: kind, language: language, text: text, messages: [], question: nil,
                instances: draw.instances)
        case .chat:
            return conversation(index, chat(&draw), nil, kind, draw)
        case .questions, .arithmetic:
            let (context, exchange) = kind == .questions ? question(&draw) : (nil, arithmetic(&draw))
            let prompt = [WorldMessage(role: "user", content: Self.prompt(context, exchange.question))]
            let question = WorldQuestion(
                category: exchange.category, language: language, prompt: prompt, reply: exchange.reply,
                check: exchange.check)
            let messages = prompt + [WorldMessage(role: "assistant", content: exchange.reply)]
            return conversation(index, messages, question, kind, draw)
        }
    }

    /// Questions `0..<count` of a split: a fixed set for evaluation.
    public func questions(_ count: Int, split: WorldSplit = .validation, kind: WorldKind = .questions)
        -> [WorldQuestion]
    {
        (0..<max(count, 0)).compactMap { document($0, split: split, kind: kind).question }
    }

    private func conversation(
        _ index: Int, _ messages: [WorldMessage], _ question: WorldQuestion?, _ kind: WorldKind, _ draw: WorldDraw
    ) -> WorldDocument {
        WorldDocument(
            index: index, split: draw.split, kind: kind, language: draw.language,
            text: messages.map(\.content).joined(separator: "\n"), messages: messages, question: question,
            instances: draw.instances)
    }

    private static func prompt(_ context: String?, _ question: String) -> String {
        context.map { $0 + "\n" + question } ?? question
    }

    // MARK: - Plain text

    /// Mostly stories: models learn last to look up what a story says. Several questions about one story give more
    /// training signal for the same tokens of text.
    private func passage(_ draw: inout WorldDraw) -> String {
        switch draw.random.weighted([69, 12, 5, 14]) {
        case 0:
            guard let story = Story(&draw, village: village, questions: draw.random.within(4...8)) else { return "" }
            return ([story.text] + story.exchanges.map { Self.asked($0, draw.language) }).joined(separator: "\n")
        case 1:
            var lines = [book.passage(&draw, village: village, sentences: draw.random.within(2...5))]
            for _ in 0..<draw.random.within(1...3) { lines.append(asked(book.exchange, &draw)) }
            return lines.filter { !$0.isEmpty }.joined(separator: "\n")
        case 2:
            return (0..<draw.random.within(2...4)).map { _ in asked(sum, &draw) }.joined(separator: "\n")
        default:
            return (0..<draw.random.within(2...4)).map { _ in asked(puzzle, &draw) }.joined(separator: "\n")
        }
    }

    private static func asked(_ exchange: WorldExchange, _ language: WorldLanguage) -> String {
        "\(exchange.question)\n\(exchange.reply)"
    }

    private func asked(_ make: (inout WorldDraw) -> WorldExchange?, _ draw: inout WorldDraw) -> String {
        Self.asked(make(&draw) ?? arithmetic(&draw), draw.language)
    }

    // MARK: - Single questions

    /// A problem; four replies in ten show the steps.
    private func arithmetic(_ draw: inout WorldDraw) -> WorldExchange {
        // One pair in ten is held out, so 300 attempts always find one of either split.
        Arithmetic.exchange(&draw, worked: 40)
            ?? WorldExchange("arithmetic.add", "1 + 1 = ?", "The answer is 2.", .number(2))
    }

    private func sum(_ draw: inout WorldDraw) -> WorldExchange? {
        switch draw.random.weighted([70, 15, 15]) {
        case 0: Arithmetic.exchange(&draw, worked: 50)
        case 1: Arithmetic.product(&draw)
        default: Arithmetic.comparison(&draw)
        }
    }

    private func puzzle(_ draw: inout WorldDraw) -> WorldExchange? {
        draw.random.pick(Puzzle.allCases).exchange(&draw)
    }

    private func question(_ draw: inout WorldDraw) -> (context: String?, WorldExchange) {
        switch draw.random.weighted([55, 30, 15]) {
        case 0:
            if let story = Story(&draw, village: village, questions: 1), let exchange = story.exchanges.first {
                return (story.text, exchange)
            }
        case 1: if let exchange = book.exchange(&draw) { return (nil, exchange) }
        default: if let exchange = puzzle(&draw) { return (nil, exchange) }
        }
        return (nil, arithmetic(&draw))
    }

    // MARK: - Conversations

    private func chat(_ draw: inout WorldDraw) -> [WorldMessage] {
        var messages = draw.random.chance(8) ? SmallTalk.hello(&draw) : []
        switch draw.random.weighted([65, 14, 3, 12, 3, 3]) {
        case 0:
            guard let story = Story(&draw, village: village, questions: draw.random.within(3...5)) else { break }
            for (i, exchange) in story.exchanges.enumerated() {
                messages += Self.turn(exchange, i == 0 ? story.text : nil)
            }
        case 1:
            for _ in 0..<draw.random.within(1...3) { messages += Self.turn(book.exchange(&draw) ?? arithmetic(&draw)) }
        case 2:
            for _ in 0..<draw.random.within(1...2) { messages += Self.turn(arithmetic(&draw)) }
        case 3:
            for _ in 0..<draw.random.within(1...2) { messages += Self.turn(puzzle(&draw) ?? arithmetic(&draw)) }
        case 4:
            guard let story = Story(&draw, village: village, questions: 1), let hero = story.plot.events.first?["A"]
            else { break }
            messages += Self.turn(
                WorldExchange(
                    "write", draw.random.pick(Self.requests[draw.language]).filled(["A": hero], draw.language),
                    story.text,
                    .exact(story.text)))
        default: messages += SmallTalk.phrase(&draw)
        }
        if messages.isEmpty { messages = Self.turn(arithmetic(&draw)) }
        if draw.random.chance(6) { messages += SmallTalk.farewell(&draw) }
        return messages
    }

    private static func turn(_ exchange: WorldExchange, _ context: String? = nil) -> [WorldMessage] {
        [
            WorldMessage(role: "user", content: prompt(context, exchange.question)),
            WorldMessage(role: "assistant", content: exchange.reply),
        ]
    }

    private static let requests = Wordings(
        ["Tell me a story about {A}.", "Write a short story about {A}.", "I would like to hear a story about {A}."],
        ["给我讲一个{A}的故事。", "请写一个关于{A}的小故事。", "我想听{A}的故事。"])
}

/// Greetings, thanks and farewells around questions.
package enum SmallTalk {
    /// Pairs of a user message and the reply; A is the user's name.
    private static let hellos: [WorldLanguage: [(WorldTemplate, WorldTemplate)]] = [
        .english: [
            ("Hello, I am {A}.", "Hello, {A}! How can I help you?"),
            ("Hi! My name is {A}.", "Hello, {A}! How can I help you?"),
            ("Good morning! I'm {A}.", "Good morning, {A}! How can I help you?"),
            ("{A} here. Can you help me?", "Of course, {A}! What would you like to know?"),
        ],
        .chinese: [
            ("你好，我是{A}。", "你好，{A}！有什么可以帮你的吗？"), ("你好！我叫{A}。", "你好，{A}！有什么可以帮你的吗？"),
            ("早上好！我是{A}。", "早上好，{A}！有什么可以帮你的吗？"), ("我是{A}，你能帮我吗？", "当然可以，{A}！你想知道什么？"),
        ],
    ]
    private static let thanks: [WorldLanguage: [(WorldTemplate, WorldTemplate)]] = [
        .english: [
            ("Thank you! Bye from {A}.", "You are welcome, {A}! Goodbye!"),
            ("Thanks a lot, says {A}.", "You are welcome, {A}!"),
            ("Great, {A} says goodbye.", "Goodbye, {A}!"),
        ],
        .chinese: [
            ("谢谢！{A}要走了。", "不客气，{A}！再见！"), ("非常谢谢，{A}再见。", "不客气，{A}！再见！"), ("好的，{A}先走了。", "再见，{A}！"),
        ],
    ]
    /// Phrases without slots: for training only, because they have no other instance to hold out.
    private static let phrases: [WorldLanguage: [(String, String)]] = [
        .english: [
            ("Hello!", "Hello! How can I help you?"), ("Hi!", "Hello! How can I help you?"),
            ("Good morning!", "Good morning! How can I help you?"),
            ("How are you?", "I am fine, thank you. How can I help you?"),
            ("Who are you?", "I am a small language model. I live in a little world of stories."),
            ("What are you?", "I am a small language model. I live in a little world of stories."),
            ("What can you do?", "I can answer questions about stories, people and numbers."),
            ("Thank you!", "You are welcome!"), ("Thanks!", "You are welcome!"), ("Bye!", "Goodbye!"),
            ("Goodbye!", "Goodbye!"),
        ],
        .chinese: [
            ("你好！", "你好！有什么可以帮你的吗？"), ("早上好！", "早上好！有什么可以帮你的吗？"),
            ("你好吗？", "我很好，谢谢。有什么可以帮你的吗？"), ("你是谁？", "我是一个小小的语言模型，住在一个故事世界里。"),
            ("你叫什么？", "我是一个小小的语言模型，住在一个故事世界里。"), ("你会做什么？", "我会回答关于故事、人物和数字的问题。"),
            ("谢谢！", "不客气！"), ("再见！", "再见！"),
        ],
    ]

    package static func hello(_ draw: inout WorldDraw) -> [WorldMessage] { turn(hellos, "hello", &draw) }
    package static func farewell(_ draw: inout WorldDraw) -> [WorldMessage] { turn(thanks, "bye", &draw) }

    package static func phrase(_ draw: inout WorldDraw) -> [WorldMessage] {
        guard draw.split == .train, let phrases = phrases[draw.language] else { return hello(&draw) }
        let (user, assistant) = draw.random.pick(phrases)
        return [WorldMessage(role: "user", content: user), WorldMessage(role: "assistant", content: assistant)]
    }

    private static func turn(
        _ table: [WorldLanguage: [(WorldTemplate, WorldTemplate)]], _ name: String, _ draw: inout WorldDraw
    ) -> [WorldMessage] {
        let language = draw.language, pairs = table[language] ?? []
        let drawn = draw.instance { random in
            let i = random.below(pairs.count), person = random.pick(Lexicon.people)
            return ("\(name):\(language.rawValue):\(i):\(person.id)", (pairs[i], person))
        }
        guard let (pair, person) = drawn else { return [] }
        return [
            WorldMessage(role: "user", content: pair.0.filled(["A": person], language)),
            WorldMessage(role: "assistant", content: pair.1.filled(["A": person], language)),
        ]
    }
}

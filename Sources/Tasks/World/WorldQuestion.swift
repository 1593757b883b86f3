/// One message of a conversation, with the field names of chat data and templates.
public struct WorldMessage: Sendable, Equatable {
    /// "user" or "assistant".
    public var role: String
    public var content: String

    public init(role: String, content: String) {
        self.role = role
        self.content = content
    }
}

/// The criterion for a right reply.
public enum WorldCheck: Sendable, Equatable {
    /// The reply equals this text, ignoring the case of ASCII letters, surrounding space and a final full stop.
    case exact(String)
    /// The reply contains this word, and none of the other possible words.
    case mentions(String, without: [String])
    /// The last whole number in the reply is this one, so that a reply may show its steps first.
    case number(Int)

    public func accepts(_ reply: String) -> Bool {
        switch self {
        case .exact(let text): Self.bare(reply) == Self.bare(text)
        case .mentions(let word, let others):
            Self.has(word, in: reply) && !others.contains { Self.has($0, in: reply) }
        case .number(let number): Self.lastNumber(reply) == number
        }
    }

    /// "exact", "mentions" or "number", as in question files.
    public var name: String {
        switch self {
        case .exact: "exact"
        case .mentions: "mentions"
        case .number: "number"
        }
    }

    /// The text, word or number that the reply must have.
    public var expected: String {
        switch self {
        case .exact(let text), .mentions(let text, _): text
        case .number(let number): String(number)
        }
    }

    private static func bare(_ text: String) -> [UInt8] {
        var bytes = lower(text)[...]
        let fullStop = Array("。".utf8)
        while let last = bytes.last, [0x20, 0x0A, 0x0D, 0x2E].contains(last) { bytes.removeLast() }
        if bytes.suffix(fullStop.count).elementsEqual(fullStop) { bytes.removeLast(fullStop.count) }
        while let first = bytes.first, [0x20, 0x0A, 0x0D].contains(first) { bytes.removeFirst() }
        return Array(bytes)
    }

    private static func lower(_ text: String) -> [UInt8] {
        text.utf8.map { (0x41...0x5A).contains($0) ? $0 + 32 : $0 }
    }

    /// Whether `text` contains `word` as a whole word: no ASCII letter or digit of the text continues it at either end.
    private static func has(_ word: String, in text: String) -> Bool {
        let word = lower(word), text = lower(text)
        func isWord(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) }
        guard let first = word.first, let last = word.last, text.count >= word.count else { return false }
        for start in 0...(text.count - word.count) where text[start] == first {
            let end = start + word.count
            guard text[start..<end].elementsEqual(word) else { continue }
            let opens = start == 0 || !isWord(first) || !isWord(text[start - 1])
            let closes = end == text.count || !isWord(last) || !isWord(text[end])
            if opens && closes { return true }
        }
        return false
    }

    private static func lastNumber(_ text: String) -> Int? {
        let bytes = Array(text.utf8)
        guard let last = bytes.lastIndex(where: { (0x30...0x39).contains($0) }) else { return nil }
        var start = last
        while start > 0, (0x30...0x39).contains(bytes[start - 1]) { start -= 1 }
        // "-7" is a negative number, but "15-7" ends with 7.
        if start > 0, bytes[start - 1] == 0x2D, start == 1 || bytes[start - 2] == 0x20 { start -= 1 }
        return Int(String(decoding: bytes[start...last], as: UTF8.self))
    }
}

/// A question whose answer a program can check.
public struct WorldQuestion: Sendable, Equatable {
    /// The category: "story.place", "fact.job", "arithmetic.add": the kind of source, then what is asked for.
    public var category: String
    public var language: WorldLanguage
    /// The prompt; it ends with the user's message.
    public var prompt: [WorldMessage]
    /// A model reply.
    public var reply: String
    public var check: WorldCheck

    public init(
        category: String, language: WorldLanguage, prompt: [WorldMessage], reply: String, check: WorldCheck
    ) {
        self.category = category
        self.language = language
        self.prompt = prompt
        self.reply = reply
        self.check = check
    }
}

/// A question and its answer, from which passages, chats and evaluations are made.
package struct WorldExchange: Sendable {
    package var category: String
    package var question: String
    package var reply: String
    package var check: WorldCheck

    package init(_ category: String, _ question: String, _ reply: String, _ check: WorldCheck) {
        self.category = category
        self.question = question
        self.reply = reply
        self.check = check
    }
}

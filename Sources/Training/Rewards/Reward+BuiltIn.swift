import MartletJSON
import MartletPatterns
import MartletSystem

extension Reward {
    /// The names of the built-in rewards, each with what earns 1.
    public static let builtInNames: [(name: String, meaning: String)] = [
        ("task", "what the task itself counts as right"),
        ("exact", "the reference answer, but for space around it"),
        ("number", "the last number of the reply is that of the answer"),
        ("contains", "the answer stands somewhere in the reply"),
        ("choice", "the last capital letter that stands alone is the answer's"),
        ("boxed", "the last \\boxed{…} holds the answer"),
        ("math", "the answer, as formulas are equal: fractions, roots, percent, sets, intervals, units left out"),
        ("format", "<think>…</think><answer>…</answer> and nothing else"),
        ("tag_count", "a quarter for each of <think>, </think>, <answer>, </answer> that is once on a line of its own"),
        ("json", "the reply is one JSON value"),
        ("length:N", "at most N characters, falling to 0 at twice as many"),
        ("regex:/P/", "the expression P matches somewhere in the reply"),
    ]

    /// What TRL and open-r1 call some of them.
    private static let elsewhere = [
        "accuracy": "math", "accuracy_reward": "math", "format_reward": "format", "tag_count_reward": "tag_count",
    ]

    /// - Throws: `RewardError` naming those there are.
    public static func builtIn(_ name: String) throws -> Reward {
        func compared(_ holds: @escaping (_ reply: String, _ answer: String) -> Bool) -> Reward {
            Reward(name) { request in
                guard let answer = request.answer else {
                    let asked = request.prompt.last?.content ?? ""
                    throw RewardError(
                        .problem,
                        "reward \(name) compares with a reference answer, and the problem \"\(asked.prefix(200))\" has none"
                    )
                }
                return holds(request.reply, answer) ? 1 : 0
            }
        }
        switch name {
        case "task":
            return Reward(name) { request in
                guard let check = request.check else {
                    throw RewardError(
                        .problem, "reward task is of tasks that check replies themselves; name another for a data set")
                }
                return check(request.reply)
            }
        case "exact": return compared { bare($0) == bare($1) }
        case "number": return compared { lastNumber($0) != nil && lastNumber($0) == lastNumber($1) }
        case "contains": return compared { !bare($1).isEmpty && $0.utf8.contains(bare($1).utf8) }
        case "choice": return compared { lastLetter($0) != nil && lastLetter($0) == lastLetter($1) }
        case "boxed": return compared { boxed($0).map { bare($0) } == .some(bare(boxed($1) ?? $1)) }
        case "math":
            return Reward(name) { request in
                guard let answer = request.answer else {
                    throw RewardError(
                        .problem,
                        "reward math compares with a reference answer, and the problem "
                            + "\"\((request.prompt.last?.content ?? "").prefix(200))\" has none")
                }
                return MathAnswer(answer).isGiven(in: request.reply) ? 1 : 0
            }
        case "format": return Reward(name) { isThoughtAndAnswer($0.reply) ? 1 : 0 }
        case "tag_count": return Reward(name) { tagCount($0.reply) }
        case "json": return Reward(name) { (try? JSON(parsing: bare($0.reply))) == nil ? 0 : 1 }
        default:
            if name.hasPrefix("length:"), let limit = Int(name.dropFirst(7)), (1...1 << 30).contains(limit) {
                return Reward(name) { request in
                    let over = Double(request.reply.unicodeScalars.count - limit) / Double(limit)
                    return max(0, 1 - max(0, over))
                }
            }
            if name.hasPrefix("regex:") { return try matching(name) }
            let names = builtInNames.map(\.name)
            let near = elsewhere[name] ?? Spelling.nearest(to: name, among: names)
            let meant = near.map { "did you mean \"\($0)\"? There are " }
            throw RewardError(
                .unknown,
                "there is no reward \"\(name.prefix(100))\"; \(meant ?? "there are ")"
                    + names.joined(separator: ", ") + ", and programs by their path, as ./judge.py")
        }
    }

    /// regex:/P/
    private static func matching(_ name: String) throws -> Reward {
        var pattern = name.dropFirst("regex:".count)
        if pattern.hasPrefix("/"), pattern.hasSuffix("/"), pattern.count > 1 {
            pattern = pattern.dropFirst().dropLast()
        }
        let expression: RegularExpression
        do { expression = try RegularExpression(String(pattern), .oniguruma) } catch {
            throw RewardError(.unknown, "reward \"\(name.prefix(200))\" is no regular expression: \(error)")
        }
        return Reward(name) { request in
            struct Found: Error {}
            do {
                try Array(request.reply.utf8).withUnsafeBufferPointer { bytes in
                    _ = try expression.forEachMatch(in: bytes) { _ in throw Found() }
                }
            } catch is Found { return 1 }
            return 0
        }
    }

    /// As open-r1 counts them: the newlines around a tag belong to it.
    private static func tagCount(_ reply: String) -> Double {
        let tags = ["<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>"]
        return tags.reduce(0) { $0 + (reply.ranges(of: $1).count == 1 ? 0.25 : 0) }
    }

    /// Without space around it.
    private static func bare(_ text: String) -> String {
        var part = text[...]
        while let last = part.last, last.isWhitespace { part.removeLast() }
        return String(part.drop(while: \.isWhitespace))
    }

    /// The last number, with commas between thousands and a sign taken as written: "1,234.50" is 1234.5.
    static func lastNumber(_ text: String) -> Double? {
        let bytes = Array(text.utf8)
        func isDigit(_ index: Int) -> Bool { bytes.indices.contains(index) && (0x30...0x39).contains(bytes[index]) }
        guard let last = bytes.indices.last(where: isDigit) else { return nil }
        var start = last
        while start > 0 {
            let before = bytes[start - 1]
            // A comma or a point between digits.
            guard isDigit(start - 1) || (before == 0x2C || before == 0x2E) && isDigit(start - 2) else { break }
            start -= 1
        }
        var digits = bytes[start...last].filter { $0 != 0x2C }
        // A minus sign, not a dash between words.
        if start > 0, bytes[start - 1] == 0x2D, !isDigit(start - 2) { digits.insert(0x2D, at: 0) }
        return Double(String(decoding: digits, as: UTF8.self))
    }

    private static func lastLetter(_ text: String) -> UInt8? {
        let bytes = Array(text.utf8)
        func isWord(_ index: Int) -> Bool {
            guard bytes.indices.contains(index) else { return false }
            let byte = bytes[index]
            return (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        }
        return bytes.indices.last {
            (0x41...0x5A).contains(bytes[$0]) && !isWord($0 - 1) && !isWord($0 + 1)
        }.map { bytes[$0] }
    }

    /// The contents of the last \boxed{…}, with matching braces.
    private static func boxed(_ text: String) -> String? {
        let mark = "\\boxed{"
        guard let found = text.ranges(of: mark).last else { return nil }
        var depth = 1, inner = ""
        for character in text[found.upperBound...] {
            if character == "{" { depth += 1 }
            if character == "}" {
                depth -= 1
                if depth == 0 { return inner }
            }
            inner.append(character)
        }
        return nil
    }

    private static func isThoughtAndAnswer(_ reply: String) -> Bool {
        let text = bare(reply)
        guard text.hasPrefix("<think>"), text.hasSuffix("</answer>") else { return false }
        let counts = ["<think>", "</think>", "<answer>", "</answer>"].map { text.ranges(of: $0) }
        guard counts.allSatisfy({ $0.count == 1 }) else { return false }
        let (thought, answer) = (counts[1][0], counts[2][0])
        return thought.upperBound <= answer.lowerBound
            && text[thought.upperBound..<answer.lowerBound].allSatisfy(\.isWhitespace)
    }
}

extension Collection where Element: Equatable {
    fileprivate func contains(_ other: some Collection<Element>) -> Bool {
        let all = Array(self), part = Array(other)
        guard all.count >= part.count else { return false }
        return (0...all.count - part.count).contains { all[$0..<$0 + part.count].elementsEqual(part) }
    }
}

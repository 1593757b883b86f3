import Dispatch
import MartletChat
import MartletJSON
import MartletSystem
import MartletTokenizers
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A model behind a URL that says which tokens it finds most likely, or writes replies: vLLM, llama-server, this program's own
/// server, and others with OpenAI's interface.
///
/// ```swift
/// let teacher = try RemoteTeacher(TeacherConnection(url: "http://host:8000/v1"), name: "big", top: 20)
/// let rows = try teacher.likeliest([tokens], tokenizer)[0]       // of each token but the first
/// ```
public final class RemoteTeacher: Sendable {
    /// Where a server gives the log-probabilities of a text that it did not write.
    enum Route: String, Sendable {
        /// `prompt_logprobs` of completions, as vLLM has it.
        case prompt
        /// `echo` with `logprobs`, as OpenAI's completions had it.
        case echo
    }
    /// A token that the teacher thinks possible.
    public typealias Candidate = (token: Int32, logProbability: Float)

    public let connection: TeacherConnection
    public let name: String
    /// Candidates that are asked for of each token.
    public let top: Int
    /// Requests under way at once.
    private static let atOnce = 4
    private let route = Mutex<Route?>(nil)
    private let lost = Mutex<(mass: Double, rows: Int)>((0, 0))
    private let short = Mutex<(rows: Int, fewest: Int)>((0, .max))

    /// - Parameter name: of the model there.
    public init(_ connection: TeacherConnection, name: String, top: Int = 20) {
        self.connection = connection
        self.name = name
        self.top = top
    }

    /// How much of the teacher's probability was of tokens whose text is several tokens', a mean over rows.
    public var lostProbability: Double { lost.withLock { $0.rows > 0 ? $0.mass / Double($0.rows) : 0 } }

    /// Where the server gives fewer candidates than it is asked for: the share of tokens, and how many it gives at the least. Nil
    /// where it gives them all. What is not given counts as impossible.
    public var missingCandidates: (share: Double, fewest: Int)? {
        let rows = lost.withLock { $0.rows }, short = short.withLock { $0 }
        return short.rows > 0 && rows > 0 ? (Double(short.rows) / Double(rows), short.fewest) : nil
    }

    // MARK: log-probabilities of texts

    /// Finds out how the server says what it thinks of a text, and whether its tokens are ours.
    /// - Throws: `TeacherError` where it gives no log-probabilities, or has another vocabulary.
    public func probe(_ tokens: [Int32], _ tokenizer: Tokenizer) throws(TeacherError) {
        var reasons: [String] = []
        for candidate in [Route.prompt, .echo] {
            do throws(TeacherError) {
                let answer = try connection.post("/completions", request([tokens], candidate))
                let choice = answer["choices"]?.array?.first ?? .null
                let entries = try self.entries(choice, candidate, count: tokens.count)
                try demandSameTokens(tokens, entries, choice, candidate, tokenizer)
                route.withLock { $0 = candidate }
                return
            } catch {
                guard error.kind == .noLogProbabilities || error.kind == .refused else { throw error }
                reasons.append("\(candidate == .prompt ? "prompt_logprobs" : "echo"): \(error.reason)")
            }
        }
        throw TeacherError(
            .noLogProbabilities, connection.url,
            "gives no log-probabilities of a text (\(reasons.joined(separator: "; "))); fewer candidates may be allowed "
                + "(--teacher-top 5), or let it write the replies: --level sequence")
    }

    private func request(_ sequences: [[Int32]], _ route: Route) -> JSON {
        var body = JSONObject([
            ("model", .string(name)),
            ("prompt", .array(sequences.map { .array($0.map { .integer(Int64($0)) }) })), ("temperature", 0),
            ("max_tokens", 1), ("add_special_tokens", false), ("stream", false),
        ])
        switch route {
        case .prompt: body["prompt_logprobs"] = .integer(Int64(top))
        case .echo:
            body["echo"] = true
            body["logprobs"] = .integer(Int64(top))
            body["return_tokens_as_token_ids"] = true
        }
        return .object(body)
    }

    /// One object of candidates for each token of a text; nil for the first.
    private func entries(_ choice: JSON, _ route: Route, count: Int) throws(TeacherError) -> [JSONObject?] {
        let list: [JSON]?
        switch route {
        case .prompt: list = choice["prompt_logprobs"]?.array
        case .echo: list = choice["logprobs"]?["top_logprobs"]?.array
        }
        guard let list, list.count >= count, list.dropFirst().prefix(count - 1).allSatisfy({ $0.object != nil }) else {
            throw TeacherError(.noLogProbabilities, connection.url, "not among its answer")
        }
        return list.prefix(count).map(\.object)
    }

    private func demandSameTokens(
        _ tokens: [Int32], _ entries: [JSONObject?], _ choice: JSON, _ route: Route, _ tokenizer: Tokenizer
    ) throws(TeacherError) {
        var same = 0, all = 0
        func compare(_ token: Int32, _ text: String) {
            guard let bytes = tokenizer.bytes(of: token), let own = String(validating: bytes, as: UTF8.self),
                !text.contains("\u{FFFD}"), !own.isEmpty
            else { return }
            all += 1
            func plain(_ text: String) -> String { String(text.drop { $0 == " " || $0 == "▁" || $0 == "Ġ" }) }
            if plain(own) == plain(text) || tokenizer.token(token) == text { same += 1 }
        }
        switch route {
        case .prompt:
            for entry in entries {
                for (id, value) in entry ?? [:] {
                    guard let token = Int32(id), let text = value["decoded_token"]?.string else { continue }
                    guard token >= 0, Int(token) < tokenizer.vocabularySize else {
                        all += 1
                        continue
                    }
                    compare(token, text)
                }
            }
        case .echo:
            for (token, text) in zip(tokens, choice["logprobs"]?["tokens"]?.array ?? []) {
                guard let text = text.string, !text.hasPrefix("token_id:") else { continue }
                compare(token, text)
            }
        }
        guard all < 8 || same * 10 >= all * 9 else {
            throw TeacherError(
                .malformed, connection.url,
                "\(name) has another vocabulary than the student (\(all - same) of \(all) tokens have other texts); learn "
                    + "what it writes: --level sequence")
        }
    }

    /// What the teacher finds most likely at each token but the first of each text, the likeliest first.
    /// - Throws: `TeacherError`.
    public func likeliest(
        _ sequences: [[Int32]], _ tokenizer: Tokenizer
    ) throws(TeacherError) -> [[[Candidate]]] {
        if route.withLock({ $0 }) == nil, let first = sequences.first(where: { $0.count > 1 }) {
            try probe(Array(first.prefix(64)), tokenizer)
        }
        guard let route = route.withLock({ $0 }) else { return sequences.map { _ in [] } }
        let names = route == .echo ? TokenNames(tokenizer) : nil
        let parts = stride(from: 0, to: sequences.count, by: 2).map { $0..<min($0 + 2, sequences.count) }
        let found = try Self.together(parts.count, Self.atOnce) { index throws(TeacherError) -> [[[Candidate]]] in
            let part = Array(sequences[parts[index]])
            let answer = try self.connection.post("/completions", self.request(part, route))
            let choices = (answer["choices"]?.array ?? []).sorted {
                ($0["index"]?.integer ?? 0) < ($1["index"]?.integer ?? 0)
            }
            guard choices.count == part.count else {
                throw TeacherError(
                    .malformed, self.connection.url, "gave \(choices.count) answers to \(part.count) texts")
            }
            var rows: [[[Candidate]]] = []
            for (tokens, choice) in zip(part, choices) {
                rows.append(
                    try self.entries(choice, route, count: tokens.count).dropFirst().map { entry throws(TeacherError) in
                        try self.candidates(entry ?? [:], names, tokenizer)
                    })
            }
            return rows
        }
        return found.flatMap { $0 }
    }

    private func candidates(
        _ entry: JSONObject, _ names: TokenNames?, _ tokenizer: Tokenizer
    ) throws(TeacherError) -> [Candidate] {
        var found: [Candidate] = [], lost = 0.0
        for (key, value) in entry {
            guard let number = value["logprob"]?.double ?? value.double, number.isFinite, number <= 1e-3 else {
                throw TeacherError(
                    .malformed, connection.url,
                    "a log-probability is \(value.text().prefix(60)), expected a number of 0 at most")
            }
            let token = names == nil ? Int32(key) : names?[key]
            if let token, token >= 0, Int(token) < tokenizer.vocabularySize {
                found.append((token, Float(min(0, number))))
            } else {
                lost += exp(number)
            }
        }
        self.lost.withLock { $0 = ($0.mass + lost, $0.rows + 1) }
        if entry.count < min(top, tokenizer.vocabularySize) {
            short.withLock { $0 = ($0.rows + 1, min($0.fewest, entry.count)) }
        }
        guard !found.isEmpty else {
            throw TeacherError(.malformed, connection.url, "none of its candidates is a token of the student")
        }
        found.sort { ($0.logProbability, $1.token) > ($1.logProbability, $0.token) }
        return Array(found.prefix(top))
    }

    // MARK: replies

    /// What the teacher writes to a conversation.
    /// - Returns: the text, and whether it came to an end of its own.
    /// - Throws: `TeacherError`.
    public func reply(
        _ messages: [ChatMessage], tools: [JSON]? = nil, maximumTokens: Int, temperature: Double, seed: UInt64
    ) throws(TeacherError) -> (text: String, isFinished: Bool) {
        var body = JSONObject([
            ("model", .string(name)), ("messages", .array(messages.map(\.json))),
            ("max_tokens", .integer(Int64(maximumTokens))), ("temperature", .number(temperature)),
            ("seed", .integer(Int64(seed % (1 << 31)))), ("stream", false),
        ])
        if let tools, !tools.isEmpty { body["tools"] = .array(tools) }
        let answer = try connection.post("/chat/completions", .object(body))
        guard let choice = answer["choices"]?.array?.first, let message = choice["message"],
            let text = message["content"]?.string
        else {
            throw TeacherError(.malformed, connection.url, "no message with text is in \(answer.text().prefix(200))")
        }
        return (text, choice["finish_reason"]?.string != "length")
    }

    /// Replies to many conversations, some at once, in order.
    public func replies(
        _ conversations: [[ChatMessage]], maximumTokens: Int, temperature: Double, seed: UInt64
    ) throws(TeacherError) -> [(text: String, isFinished: Bool)] {
        try Self.together(conversations.count, Self.atOnce) { index throws(TeacherError) in
            try self.reply(
                conversations[index], maximumTokens: maximumTokens, temperature: temperature,
                seed: seed &+ UInt64(index))
        }
    }

    /// Does things side by side on threads that may wait; the first failure by number is thrown.
    static func together<Value: Sendable>(
        _ count: Int, _ most: Int, _ body: @escaping @Sendable (Int) throws(TeacherError) -> Value
    ) throws(TeacherError) -> [Value] {
        let results = Results<Value>(count)
        DispatchQueue.concurrentPerform(iterations: min(most, count)) { lane in
            for index in stride(from: lane, to: count, by: most) {
                // After a failure nothing more is asked.
                guard !results.hasFailed else { return }
                do throws(TeacherError) { results.set(index, .success(try body(index))) } catch {
                    results.set(index, .failure(error))
                }
            }
        }
        return try results.all()
    }

    private final class Results<Value: Sendable>: Sendable {
        private let values: Mutex<[Result<Value, TeacherError>?]>

        init(_ count: Int) { values = Mutex(Array(repeating: nil, count: count)) }

        var hasFailed: Bool {
            values.withLock { $0.contains { if case .failure = $0 { true } else { false } } }
        }

        func set(_ index: Int, _ value: Result<Value, TeacherError>) { values.withLock { $0[index] = value } }

        func all() throws(TeacherError) -> [Value] {
            let all = values.withLock { $0 }
            var found: [Value] = []
            for case .failure(let error)? in all { throw error }
            for case .success(let value)? in all { found.append(value) }
            return found
        }
    }
}

/// Tokens by the texts that servers call them by. A text that several tokens have names none.
struct TokenNames: Sendable {
    private var ids: [String: Int32] = [:]

    init(_ tokenizer: Tokenizer) {
        var several: Set<String> = []
        for id in 0..<Int32(clamping: tokenizer.vocabularySize) {
            guard let bytes = tokenizer.bytes(of: id), let text = String(validating: bytes, as: UTF8.self) else {
                continue
            }
            if ids.updateValue(id, forKey: text) != nil { several.insert(text) }
        }
        for text in several { ids[text] = nil }
    }

    /// "token_id:12", or a text.
    subscript(_ name: String) -> Int32? {
        name.hasPrefix("token_id:") ? Int32(name.dropFirst(9)) : ids[name]
    }
}

extension RemoteTeacher {
    /// The teacher that a run's options name.
    /// - Throws: `TeacherError`; `TrainingError` for a variable that is not set.
    public convenience init(_ options: TrainingOptions, _ model: StartingModel) throws {
        let resolved = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration)
        let what = resolved.distillation
        var key: String?
        if let variable = what.teacherKeyVariable {
            guard let value = environmentVariable(variable), !value.isEmpty else {
                throw TrainingError(.configuration, "teacher_key_variable: \(variable) is not set in the environment")
            }
            key = value
        }
        self.init(
            try TeacherConnection(
                url: what.teacher ?? "", key: key, seconds: what.teacherSeconds, retries: what.teacherRetries),
            name: what.teacherName ?? "default", top: what.top ?? 20)
    }
}

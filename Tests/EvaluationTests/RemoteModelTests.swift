import Foundation
import MartletJSON
import Synchronization
import TestServers
import Testing
import TinyModels

import MartletEvaluation

/// Servers that tell log-probabilities, do not, lie, or take their time.
@Suite(.serialized) struct RemoteModelTests {
    /// A server of one model whose tokens are bytes, or words where it has no tokenizer.
    private static func server(
        hasTokenizer: Bool = true, posts: Mutexed<[JSON]> = .init([]),
        _ complete: @escaping @Sendable (JSON) -> (JSON, String)
    ) -> SocketServer {
        SocketServer { connection in
            while let request = connection.request() {
                let path = String(request.line.split(separator: " ")[1])
                let body = (try? JSON(parsing: request.body)) ?? .null
                switch path {
                case "/v1/models":
                    connection.answer(JSON.object(["data": [["id": "m", "max_model_len": 64]]]).text())
                case "/tokenize" where hasTokenizer && (body["prompt"]?.string ?? "").contains("ö"):
                    connection.answer(
                        "{\"error\": {\"message\": \"no token for ö\"}}", status: "400 Bad Request")
                case "/tokenize" where hasTokenizer:
                    let tokens = (body["prompt"]?.string ?? "").utf8.map { JSON.integer(Int64($0)) }
                    connection.answer(JSON.object(["tokens": .array(tokens)]).text())
                case _ where path.hasPrefix("/tokenizer_info") && hasTokenizer:
                    connection.answer("{\"eos_token\":\"$\"}")
                case "/apply-template" where hasTokenizer:
                    let texts = (body["messages"]?.array ?? []).compactMap { $0["content"]?.string }
                    connection.answer(JSON.object(["prompt": .string(texts.joined(separator: "|") + ">")]).text())
                case "/v1/completions", "/v1/chat/completions":
                    posts.add(body)
                    let (answer, status) = complete(body)
                    connection.answer(answer.text(), status: status)
                default: connection.answer("{}", status: "404 Not Found")
                }
            }
        }
    }

    /// What an honest server says of a prompt: −(place mod 7) / 8 for each token, the most probable at even places.
    private static func echo(_ body: JSON, change: (Int, Double) -> JSON = { .number($1) }) -> JSON {
        let prompt = body["prompt"]
        let pieces: [String]
        if let tokens = prompt?.array?.first?.array {
            pieces = tokens.map { String(UnicodeScalar(UInt8($0.integer ?? 0))) }
        } else {
            pieces = words(prompt?.string ?? "")
        }
        let values = pieces.indices.map { -Double($0 % 7 + 1) / 8 }
        return [
            "choices": [
                [
                    "index": 0, "text": .string(pieces.joined() + "!"),
                    "logprobs": [
                        "tokens": .array((pieces + ["!"]).map { .string($0) }),
                        "token_logprobs": .array(
                            values.enumerated().map { $0 == 0 ? .null : change($0, $1) } + [.number(-1)]),
                        "top_logprobs": .array(
                            values.enumerated().map { place, value -> JSON in
                                place == 0
                                    ? .null : ["x": .number(place % 2 == 0 ? value : value / 2)]
                            } + [["x": -1]]),
                    ],
                ]
            ]
        ]
    }

    /// Words with the space before them.
    private static func words(_ text: String) -> [String] {
        var words: [String] = []
        for character in text {
            if character == " " || words.isEmpty { words.append("") }
            words[words.count - 1].append(character)
        }
        return words
    }

    private static func model(_ server: SocketServer, timeout: Duration = .seconds(600)) throws -> RemoteModel {
        var options = RemoteOptions(url: server.url + "/v1/")
        (options.timeout, options.firstPause, options.retries) = (timeout, .milliseconds(5), 2)
        return try RemoteModel(options)
    }

    private static func answers(_ model: RemoteModel, _ requests: [EvaluationRequest]) throws -> [RequestAnswer] {
        var answers = [RequestAnswer?](repeating: nil, count: requests.count)
        try model.answer(requests, isCancelled: { false }) { answers[$0] = $1 }
        return try answers.map { try #require($0) }
    }

    @Test func logLikelihoodsAreSumsOverTheContinuationsTokens() throws {
        let server = Self.server { (Self.echo($0), "200 OK") }
        defer { server.stop() }
        let model = try Self.model(server)
        let found = try Self.answers(
            model, [.logLikelihood(context: "ab ", continuation: "cd"), .logLikelihood(context: "", continuation: "x")])
        // Tokens 2, 3, 4 of " cd" after "ab"; the end-of-text token before a text of its own.
        #expect(found[0] == .score(-(3.0 + 4 + 5) / 8, isGreedy: false))
        #expect(found[1] == .score(-2.0 / 8, isGreedy: false))
        #expect(model.name == "m" && model.identity["context"] == 64)
    }

    @Test func textsThatTheTokenizerRefusesAreUnanswerable() throws {
        let server = Self.server { (Self.echo($0), "200 OK") }
        defer { server.stop() }
        let found = try Self.answers(
            Self.model(server),
            [.logLikelihood(context: "zwölf", continuation: "cd"), .logLikelihood(context: "ab", continuation: "cd")])
        guard case .unanswerable(let reason) = found[0], case .score = found[1] else {
            Issue.record("\(found)")
            return
        }
        #expect(reason.contains("no token for ö"))
    }

    @Test func textsAreCutAtTheirWordsWhereThereIsNoTokenizer() throws {
        let server = Self.server(hasTokenizer: false) { (Self.echo($0), "200 OK") }
        defer { server.stop() }
        let model = try Self.model(server)
        let found = try Self.answers(
            model,
            [
                .logLikelihood(context: "one two", continuation: " three four"),
                .logLikelihood(context: "one tw", continuation: "o three"),
            ])
        #expect(found[0] == .score(-(3.0 + 4) / 8, isGreedy: false))
        #expect(found[1] == .score(-(2.0 + 3) / 8, isGreedy: false))
        #expect(model.notes.contains { $0.contains("in 1 requests a token belongs to context and continuation") })
        #expect(throws: RemoteModelError.self) { try Self.answers(model, [.rolling("a text")]) }
    }

    @Test func longTextsAreScoredInWindows() throws {
        let posts = Mutexed<[JSON]>([])
        let server = Self.server(posts: posts) { (Self.echo($0), "200 OK") }
        defer { server.stop() }
        let model = try Self.model(server)
        let text = String(repeating: "abcdefghij", count: 15)
        _ = try Self.answers(model, [.rolling(text)])
        let lengths = posts.value.compactMap { $0["prompt"]?.array?.first?.array?.count }.dropFirst(2)
        // 150 tokens in windows of 62; every request one longer than its inputs, as its last token is scored too.
        #expect(lengths.count == 3 && lengths.allSatisfy { $0 <= 63 })
    }

    @Test func serversThatLieAreNotBelieved() throws {
        func kind(
            timeout: Duration = .seconds(600), _ complete: @escaping @Sendable (JSON) -> (JSON, String)
        ) throws -> RemoteModelError.Kind? {
            let server = Self.server(complete)
            defer { server.stop() }
            // What is asked before may take longer than that on a busy machine.
            var made: RemoteModel?
            waited {
                made = try? Self.model(server, timeout: timeout)
                return made != nil
            }
            let model = try #require(made)
            do {
                _ = try Self.answers(model, [.logLikelihood(context: "ab", continuation: "cd")])
                return nil
            } catch let error as RemoteModelError { return error.kind }
        }
        #expect(try kind { (Self.echo($0), "200 OK") } == nil)
        #expect(try kind { (Self.echo($0) { _, _ in 0.5 }, "200 OK") } == .impossibleLogProbabilities)
        #expect(try kind { (Self.echo($0) { _, _ in 0.0 }, "200 OK") } == .impossibleLogProbabilities)
        #expect(
            try kind { (Self.echo($0) { $0 % 2 == 0 ? .number($1 / 4) : .number($1) }, "200 OK") }
                == .impossibleLogProbabilities)
        #expect(try kind { (Self.echo($0) { _, _ in .null }, "200 OK") } == .noLogProbabilities)
        #expect(try kind { _ in (["choices": [["text": "hello"]]], "200 OK") } == .noLogProbabilities)
        #expect(
            try kind { _ in (["choices": [["logprobs": ["token_logprobs": [-1]]]]], "200 OK") } == .noLogProbabilities)
        #expect(try kind { _ in (["error": ["message": "no"]], "401 Unauthorized") } == .refused(401))
        #expect(try kind { _ in ([:], "404 Not Found") } == .noLogProbabilities)
        #expect(try kind { _ in ([:], "500 Internal Server Error") } == .refused(500))
        #expect(try kind { _ in (["choices": []], "200 OK") } == .badAnswer)
        let isOver = Mutexed(false)
        let slow = try kind(timeout: .seconds(1)) { body in
            waited { isOver.value }
            return (Self.echo(body), "200 OK")
        }
        isOver.change { $0 = true }
        #expect(slow == .timedOut)
    }

    @Test func busyServersAreAskedAgain() throws {
        let count = Mutexed(0)
        let server = Self.server { body in
            let turn = count.change {
                $0 += 1; return $0
            }
            return turn % 2 == 1 ? ([:], "503 Service Unavailable") : (["choices": [["text": " 7\nNext"]]], "200 OK")
        }
        defer { server.stop() }
        let settings = try TaskGeneration(["until": ["\n"], "max_gen_toks": 4], delimiter: "\n\n", task: "t")
        let found = try Self.answers(try Self.model(server), [.generate("2 + 5 =", settings, turn: 0)])
        #expect(found == [.reply(" 7")])
        #expect(count.value == 2)
    }

    /// A server's likeliest verdict: by the log-likelihoods of the verdicts after what its template makes of the question.
    @Test func serversJudgeByTheLikeliestVerdict() throws {
        let scratch = try Scratch(), posts = Mutexed<[JSON]>([])
        let files = try ["left", "right"].map { name in
            try scratch.write(
                name + ".json", #"[{"instruction": "Which?", "output": "\#(name) one", "generator": "\#(name)"}]"#)
        }
        let data = try JudgedAnswers(files: files)
        // No verdict but B is likely.
        let server = Self.server(posts: posts) { body in
            let bytes = body["prompt"]?.array?.first?.array?.compactMap(\.integer) ?? []
            let isOther = bytes.suffix(2) == [93, 93] && bytes.suffix(3).first != Int(UInt8(ascii: "B"))
            return (Self.echo(body) { .number(isOther && $0 == bytes.count - 3 ? -9 : $1) }, "200 OK")
        }
        defer { server.stop() }
        var options = RemoteOptions(url: server.url + "/v1/")
        (options.contextLength, options.retries) = (1 << 16, 0)
        var judge = Judge(try RemoteModel(options))
        judge.takesLikeliest = true
        let report = try JudgeReport(judge.compare(data, "left", "right"))
        #expect((report.ties, report.turned, report.nonsense, report.firstPlaceShare) == (1, 1, 0, 0))
        let asked = posts.value.compactMap { $0["prompt"]?.array?.first?.array?.compactMap(\.integer) }
            .map { String(decoding: $0.map { UInt8(clamping: $0) }, as: UTF8.self) }
        #expect(asked.contains { $0.contains("|[Question]\nWhich?") && $0.hasSuffix(">[[A]]") })
        let plain = Self.server(hasTokenizer: false) { (Self.echo($0), "200 OK") }
        defer { plain.stop() }
        var other = Judge(try Self.model(plain))
        other.takesLikeliest = true
        #expect(throws: EvaluationError.self) { try other.compare(data, "left", "right") }
    }

    @Test func conversationsGoToTheChatRoute() throws {
        let posts = Mutexed<[JSON]>([])
        let server = Self.server(posts: posts) { _ in
            (["choices": [["message": ["role": "assistant", "content": "Seven."]]]], "200 OK")
        }
        defer { server.stop() }
        let model = try Self.model(server)
        let prompt = try model.render([.init(role: "user", content: "2 + 5?")], opensReply: true)
        let settings = try TaskGeneration(["max_gen_toks": 4], delimiter: "\n\n", task: "t")
        #expect(try Self.answers(model, [.generate(prompt, settings, turn: 0)]) == [.reply("Seven.")])
        #expect(posts.value.first?["messages"] == [["role": "user", "content": "2 + 5?"]])
    }
}

/// A value that several threads change.
final class Mutexed<Value: Sendable>: Sendable {
    private let state: Mutex<Value>
    init(_ value: Value) { state = Mutex(value) }
    var value: Value { state.withLock { $0 } }
    func change<Result: Sendable>(_ work: (inout Value) -> Result) -> Result { state.withLock { work(&$0) } }
}

extension Mutexed {
    func add<Element: Sendable>(_ element: Element) where Value == [Element] { state.withLock { $0.append(element) } }
}

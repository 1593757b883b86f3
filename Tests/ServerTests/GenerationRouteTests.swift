import Foundation
import MartletJSON
import MartletServer
import TestServers
import Testing

/// Generation over the wire.
struct GenerationRouteTests {
    private let question: JSON = [
        "model": "tiny", "messages": [["role": "user", "content": "hello"]], "max_tokens": 8, "temperature": 0,
    ]

    private func asking(_ change: (inout JSONObject) -> Void) -> JSON {
        var object = question.object ?? [:]
        change(&object)
        return .object(object)
    }

    @Test func aConversationIsAnsweredTheSameStreamedOrNot() async throws {
        try await RunningServer.with { running in
            let whole = try await running.post("/v1/chat/completions", question)
            #expect(whole.status == 200)
            let json = try whole.json()
            let text = json["choices"]?.array?.first?["message"]?["content"]?.string
            #expect(text?.isEmpty == false)
            #expect(json["usage"]?["completion_tokens"]?.integer == 8)
            let streamed = try await running.post("/v1/chat/completions", asking { $0["stream"] = true })
            #expect(streamed.fields["content-type"]?.hasPrefix("text/event-stream") == true)
            #expect(streamed.events.last == "[DONE]")
            let pieces = try streamed.events.dropLast().map { event -> String in
                try JSON(parsing: Array(event.utf8))["choices"]?.array?.first?["delta"]?["content"]?.string ?? ""
            }
            #expect(pieces.joined() == text)
        }
    }

    @Test func manyPromptsOfOneRequestComeBackInOrder() async throws {
        try await RunningServer.with { running in
            let prompts = (0..<40).map { JSON.string("text \($0)") }
            let reply = try await running.post(
                "/v1/completions", ["prompt": .array(prompts), "max_tokens": 2, "temperature": 0])
            #expect(reply.status == 200)
            let choices = try reply.json()["choices"]?.array ?? []
            #expect(choices.compactMap { $0["index"]?.integer } == Array(0..<40))
            let alone = try await running.post(
                "/v1/completions", ["prompt": prompts[17], "max_tokens": 2, "temperature": 0])
            #expect(try alone.json()["choices"]?.array?.first?["text"] == choices[17]["text"])
        }
    }

    @Test func anUnknownModelIsToldWithTheKnownOnes() async throws {
        try await RunningServer.with(["tiny", "other"]) { running in
            let reply = try await running.post("/v1/chat/completions", asking { $0["model"] = "gpt-9" })
            #expect(reply.status == 404)
            #expect(reply.errorCode == "model_not_found")
            #expect(reply.text.contains("tiny, other"))
            let none = try await running.post("/v1/chat/completions", asking { $0["model"] = nil })
            #expect(none.status == 400)
            let alias = try await running.post("/v1/chat/completions", asking { $0["model"] = "alias-of-other" })
            #expect(alias.status == 200)
        }
    }

    @Test func aClientThatGoesAwayEndsItsGeneration() async throws {
        try await RunningServer.with { running in
            let port = running.port, slowed = try await running.slowedEngine()
            for isStreamed in [true, false] {
                let body = asking {
                    $0["max_tokens"] = 900
                    $0["ignore_eos"] = true
                    $0["n"] = 8
                    $0["stream"] = .bool(isStreamed)
                }
                let bytes = RunningServer.request("POST", "/v1/chat/completions", [:], body: body.bytes())
                let cancelled = slowed.engine.statistics().finished[.cancelled] ?? 0
                try await RawSocket.away {
                    let socket = try RawSocket(port: port)
                    try socket.send(bytes)
                    if isStreamed { _ = socket.read(until: "data: ") }
                    while slowed.engine.statistics().runningRequests == 0 { usleep(1000) }
                }
                // Running, the reply would take most of two minutes more.
                let deadline = ContinuousClock.now + .seconds(60)
                while slowed.engine.statistics().runningRequests > 0, ContinuousClock.now < deadline {
                    try await Task.sleep(for: .milliseconds(5))
                }
                let statistics = slowed.engine.statistics()
                #expect(statistics.runningRequests == 0)
                #expect(statistics.finished[.cancelled] ?? 0 > cancelled, "streamed: \(isStreamed)")
            }
            slowed.letGo()
        }
    }

    @Test func aClientThatDoesNotReadIsGivenUp() async throws {
        var settings = ServerSettings()
        settings.limits.writeTime = .milliseconds(300)
        settings.limits.sendBuffer = 16 << 10
        try await RunningServer.with(settings: settings) { running in
            let port = running.port
            let body = asking {
                $0["max_tokens"] = 480
                $0["n"] = 16
                $0["stream"] = true
                $0["logprobs"] = true
                $0["top_logprobs"] = 20
            }
            let bytes = RunningServer.request("POST", "/v1/chat/completions", [:], body: body.bytes())
            let received = try await RawSocket.away {
                let socket = try RawSocket(port: port, receiveBuffer: 4096)
                try socket.send(bytes)
                // However late the machine is: nothing is read before the server has closed this connection, after which
                // the one that asks is alone.
                let deadline = ContinuousClock.now + .seconds(60)
                var wasOpen = false
                while ContinuousClock.now < deadline {
                    let asking = try RawSocket(port: port)
                    try asking.send(RunningServer.request("GET", "/metrics", [:], body: nil))
                    let isAlone = try RawReply(asking.readToEnd()).text.contains("martlet_http_connections 1\n")
                    if wasOpen, isAlone { break }
                    wasOpen = wasOpen || !isAlone
                    usleep(20_000)
                }
                return socket.readToEnd().count
            }
            // 16 x 480 tokens with 20 alternatives each are more than ten megabytes.
            #expect(received < 5_000_000)
            let other = try await running.post("/v1/chat/completions", question)
            #expect(other.status == 200)
            // Counted after the last event has left.
            let isOver = try await eventually {
                running.server.models.loaded.first?.engine?.statistics().runningRequests == 0
            }
            #expect(isOver)
        }
    }

    @Test func grammarsAreObeyedOrRefusedByName() async throws {
        try await RunningServer.with { running in
            let schema: JSON = [
                "type": "object", "properties": ["a": ["enum": [1, 2]]], "required": ["a"],
                "additionalProperties": false,
            ]
            let reply = try await running.post(
                "/v1/chat/completions",
                asking {
                    $0["max_tokens"] = 60
                    $0["response_format"] = ["type": "json_schema", "json_schema": ["name": "x", "schema": schema]]
                })
            #expect(reply.status == 200)
            let text = try reply.json()["choices"]?.array?.first?["message"]?["content"]?.string ?? ""
            let value = try JSON(parsing: Array(text.utf8))["a"]?.integer
            #expect(value == 1 || value == 2, "\(text)")
            let impossible: JSON = ["type": "array", "uniqueItems": true]
            let refused = try await running.post(
                "/v1/chat/completions",
                asking {
                    $0["response_format"] = [
                        "type": "json_schema", "json_schema": ["name": "x", "schema": impossible],
                    ]
                })
            #expect(refused.status == 400)
            #expect(refused.text.contains("uniqueItems"))
        }
    }

    @Test func aGrammarThatIsTooAmbiguousOnTheWayIsTheRequestsFault() async throws {
        // With every bracket there is one more place where the text may be.
        let grammar = #"root ::= "[" root "]"{0,3} | "[""#
        try await RunningServer.with { running in
            let tokens = try await running.post("/tokenize", ["prompt": "[", "add_special_tokens": false])
            let bracket = try #require(try tokens.json()["tokens"]?.array?.first?.integer)
            for streams in [false, true] {
                let reply = try await running.post(
                    "/v1/chat/completions",
                    asking {
                        $0["grammar"] = .string(grammar)
                        $0["logit_bias"] = .object(["\(bracket)": 100])
                        $0["max_tokens"] = 800
                        $0["stream"] = .bool(streams)
                    })
                #expect(streams || reply.status == 400)
                #expect(reply.text.contains("grammar_too_large"))
            }
        }
    }

    @Test func aFullQueueSaysWhenToComeAgain() async throws {
        var loading = ModelSettings()
        loading.engine.maximumRunning = 1
        loading.engine.maximumWaiting = 1
        try await RunningServer.with(loading: loading) { running in
            // Slowed, a reply takes 40 seconds: the first that comes back was refused.
            let slowed = try await running.slowedEngine()
            let body = asking {
                $0["max_tokens"] = 400
                $0["ignore_eos"] = true
            }
            let replies = try await withThrowingTaskGroup(of: RawReply.self) { group in
                for _ in 0..<8 { group.addTask { try await running.post("/v1/chat/completions", body) } }
                return try await group.reduce(into: [RawReply]()) {
                    $0.append($1)
                    slowed.letGo()
                }
            }
            let refused = replies.filter { $0.status == 429 }
            #expect(!refused.isEmpty)
            #expect(replies.filter { $0.status == 200 }.count + refused.count == 8)
            for reply in refused {
                #expect(Int(reply.fields["retry-after"] ?? "") != nil)
                #expect(reply.errorCode == "rate_limit_exceeded")
            }
        }
    }

    @Test func embeddingsAreOfLengthOneInBothFormats() async throws {
        try await RunningServer.with(["tiny", "encoder"]) { running in
            let reply = try await running.post("/v1/embeddings", ["model": "encoder", "input": ["a cat", "a dog"]])
            #expect(reply.status == 200)
            let vectors =
                try reply.json()["data"]?.array?.compactMap { $0["embedding"]?.array?.compactMap(\.double) } ?? []
            #expect(vectors.count == 2)
            for vector in vectors { #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-4) }
            let packed = try await running.post(
                "/v1/embeddings", ["model": "encoder", "input": "a cat", "encoding_format": "base64"])
            let text = try packed.json()["data"]?.array?.first?["embedding"]?.string ?? ""
            let floats = [UInt8](Data(base64Encoded: text) ?? Data())
            #expect(floats.count == vectors[0].count * 4)
            let wrong = try await running.post("/v1/embeddings", ["model": "tiny", "input": "a"])
            #expect(wrong.status == 400)
            #expect(wrong.errorCode == "wrong_model_kind")
            let long = try await running.post(
                "/v1/embeddings", ["model": "encoder", "input": .string(String(repeating: "a ", count: 100))])
            #expect(long.errorCode == "context_length_exceeded")
        }
    }

    @Test func documentsAreRankedByTheirLikeness() async throws {
        try await RunningServer.with(["encoder"]) { running in
            let reply = try await running.post(
                "/v1/rerank", ["query": "a cat", "documents": ["dog days", "a cat", "zebra"], "top_n": 2])
            let results = try reply.json()["results"]?.array ?? []
            #expect(results.count == 2)
            #expect(results.first?["index"]?.integer == 1)
            #expect(abs((results.first?["relevance_score"]?.double ?? 0) - 1) < 1e-4)
        }
    }

    @Test func tokensComeAndGoInBothDialects() async throws {
        try await RunningServer.with { running in
            let tokens = try await running.post("/tokenize", ["prompt": "hello"]).json()["tokens"]
            let text = try await running.post("/detokenize", ["tokens": tokens ?? []]).json()
            #expect(text["content"]?.string?.hasSuffix("hello") == true)
            #expect(text["prompt"] == text["content"])
            let prompt = try await running.post("/apply-template", ["messages": question["messages"] ?? []]).json()[
                "prompt"]
            #expect(prompt?.string?.contains("hello") == true)
        }
    }
}

import Foundation
import MartletAPI
import MartletJSON
import MartletServer
import Testing

/// What clients of other servers send without being asked, and expect.
struct ClientHabitTests {
    @Test func pathsAreFoundDespiteTheirSlashes() async throws {
        try await RunningServer.with { running in
            for path in ["//v1/models", "/v1/models/", "/v1//models", "/models", "/models/", "//health"] {
                #expect(try await running.get(path).status == 200, "\(path)")
            }
            let reply = try await running.post("//v1/completions/", ["prompt": "a", "max_tokens": 1])
            #expect(reply.status == 200)
            #expect(try await running.get("//").status == 200)
        }
    }

    /// vLLM and llama-server have most of these; a base URL is written with /v1 and without.
    @Test func whatIsOpenAIsIsThereWithoutItsVersion() async throws {
        let routes = try Server(ServerSettings(), ModelRegistry([])).routes()
        // Those of other makers are only asked for as they are written here.
        let others = ["/v1/messages", "/v1/load_lora_adapter", "/v1/unload_lora_adapter"]
        for route in routes where route.path.hasPrefix("/v1/") && !others.contains(where: route.path.hasPrefix) {
            let plain = String(route.path.dropFirst(3))
            let twin = try #require(routes.first { $0.path == plain && $0.method == route.method }, "\(route.path)")
            #expect(twin.scope == route.scope && twin.changesState == route.changesState, "\(plain)")
        }
        try await RunningServer.with(["tiny", "encoder"]) { running in
            let pair: JSON = ["model": "encoder", "text_1": "a cat", "text_2": ["a dog", "rain"]]
            let (versioned, plain) = (try await running.post("/v1/score", pair), try await running.post("/score", pair))
            let (found, wanted) = (try plain.json()["data"], try versioned.json()["data"])
            #expect(plain.status == 200 && found == wanted)
            let first = try await running.post(
                "/responses", ["model": "tiny", "input": "Hi", "max_output_tokens": 4]
            ).json()
            let id = try #require(first["id"]?.string)
            #expect(try await running.get("/responses/\(id)").json() == first)
            #expect(try await running.get("/models/tiny").json() == running.get("/v1/models/tiny").json())
        }
    }

    @Test func aPathThatIsNearlyOneIsTold() async throws {
        try await RunningServer.with { running in
            for (path, meant) in [
                ("/v1/chat/completion", "/v1/chat/completions"), ("/v1/scores", "/v1/score"),
                ("/api/tag", "/api/tags"), ("/v1/embedding", "/v1/embeddings"),
            ] {
                let reply = try await running.post(path, [:])
                #expect(reply.status == 404 && reply.text.contains("Did you mean \(meant)?"), "\(path): \(reply.text)")
            }
            let other = try await running.get("/nothing/of/the/kind")
            #expect(other.status == 404 && !other.text.contains("Did you mean"))
        }
    }

    @Test func repliesEndWhereTheContextDoes() async throws {
        try await RunningServer.with { running in
            let body: JSON = [
                "messages": [["role": "user", "content": "a"]], "max_tokens": 1_000_000, "seed": -1, "ignore_eos": true,
            ]
            let reply = try await running.post("/v1/chat/completions", body)
            #expect(reply.status == 200)
            #expect(try reply.json()["choices"]?.array?.first?["finish_reason"] == "length")
            #expect(try reply.json()["usage"]?["total_tokens"] == 1024)
            let open = try await running.post("/v1/completions", ["prompt": "a", "max_tokens": -1, "ignore_eos": true])
            #expect(try open.json()["usage"]?["total_tokens"] == 1024)
        }
    }

    @Test func refusalsHaveTheShapeTheirClientsRead() async throws {
        var settings = ServerSettings()
        settings.keys = [APIKey(secret: "sk-everything")]
        try await RunningServer.with(settings: settings) { running in
            let key = ["x-api-key": "sk-everything"]
            // Before a handler has been found, too.
            for (fields, status) in [([:], 401), (key, 404)] {
                let ollama = try await running.post(
                    "/api/chat", ["model": "none", "messages": [["role": "user", "content": "a"]]], fields)
                #expect(ollama.status == status)
                #expect(try ollama.json()["error"]?.string?.isEmpty == false)
                let messages: JSON = [
                    "model": "none", "max_tokens": 1, "messages": [["role": "user", "content": "a"]],
                ]
                let anthropic = try await running.post("/v1/messages", messages, fields)
                #expect(anthropic.status == status)
                #expect(try anthropic.json()["type"] == "error")
            }
            #expect(try await running.get("/api/nothing", key).json()["error"]?.string != nil)
            let unknown = try await running.get(
                "/v1/models/none", key.merging(["anthropic-version": "2023-06-01"]) { $1 })
            #expect(try unknown.json()["error"]?["type"] == "not_found_error")
            let generate = try await running.post("/generate", ["inputs": 5], key)
            #expect(generate.status == 422)
            #expect(try generate.json()["error_type"] == "validation")
            let embed = try await running.post("/embed", ["input": "a"], key)
            #expect(try embed.json()["error_type"] == "Validation")
        }
    }

    @Test func modelsAreListedForAnthropicsClients() async throws {
        try await RunningServer.with(["tiny", "encoder"]) { running in
            let version = ["anthropic-version": "2023-06-01"]
            let list = try await running.get("/v1/models", version).json()
            #expect(list["data"]?.array?.map { $0["type"] } == ["model", "model"])
            #expect(list["has_more"] == false && list["first_id"] == "tiny" && list["last_id"] == "encoder")
            let one = try await running.get("/v1/models/tiny", version).json()
            #expect(one["display_name"] == "tiny" && one["created_at"]?.string?.hasSuffix("Z") == true)
            #expect(try await running.get("/v1/models").json()["object"] == "list")
        }
    }

    @Test func ollamasClientsFindWhatTheyLookFor() async throws {
        try await RunningServer.with { running in
            let version = try #require(try await running.get("/api/version").json()["version"]?.string)
            #expect(version.split(separator: ".").compactMap { Int($0) }.count == 3)
            #expect(!version.hasPrefix("0.1."))
            let model = try #require(try await running.get("/api/tags").json()["models"]?.array?.first)
            let digest = try #require(model["digest"]?.string)
            #expect(digest.count == 64 && digest != String(repeating: "0", count: 64))
            #expect(model["details"]?["format"] == "safetensors")
            #expect(model["details"]?["family"]?.string?.isEmpty == false)
            #expect(model["details"]?["parameter_size"]?.string?.isEmpty == false)
            #expect(model["details"]?["quantization_level"]?.string?.isEmpty == false)
            let pulled = try await running.post("/api/pull", ["model": "tiny:latest"])
            #expect(pulled.status == 200)
            #expect(pulled.text.split(separator: "\n").last == #"{"status":"success"}"#)
            let whole = try await running.post("/api/pull", ["name": "tiny", "stream": false])
            #expect(try whole.json() == ["status": "success"])
            let missing = try await running.post("/api/pull", ["model": "other"])
            #expect(missing.status == 404)
            #expect(try missing.json()["error"]?.string?.contains("other") == true)
        }
    }

    @Test func otherServersRoutesAnswer() async throws {
        try await RunningServer.with(["tiny", "encoder"]) { running in
            let completion = try await running.post("/completion", ["prompt": "a", "n_predict": 2]).json()
            #expect(completion["stop"] == true && completion["tokens_predicted"]?.integer ?? 9 <= 2)
            let parts = try await running.post(
                "/completion", ["prompt": "a", "n_predict": 2, "stream": true, "ignore_eos": true])
            let events = try parts.events.map { try JSON(parsing: $0) }
            #expect(events.last?["stop"] == true && events.last?["stop_type"] == "limit")
            #expect(try await running.post("/infill", ["input_prefix": "a", "input_suffix": "b"]).status == 501)
            let embedding = try await running.post("/embedding", ["content": ["a", "b"]]).json()
            #expect(embedding.array?.count == 2)

            let parameters: JSON = ["max_new_tokens": 2, "details": true]
            let generated = try await running.post("/generate", ["inputs": "a", "parameters": parameters]).json()
            #expect(generated["details"]?["tokens"]?.array?.count == generated["details"]?["generated_tokens"]?.integer)
            let list = try await running.post("/", ["inputs": "a", "parameters": parameters]).json()
            #expect(list.array?.first?["generated_text"] == generated["generated_text"])
            let stream = try await running.post("/generate_stream", ["inputs": "a", "parameters": parameters])
            let last = try JSON(parsing: try #require(stream.events.last))
            #expect(last["generated_text"] == generated["generated_text"])
            #expect(try await running.get("/info").json()["max_total_tokens"] == 1024)
            #expect(try await running.get("/info?model=encoder").json()["model_type"] != nil)

            let vectors = try await running.post("/embed", ["inputs": ["a", "b"]]).json()
            #expect(vectors.array?.count == 2)
            let similar: JSON = ["inputs": ["source_sentence": "a", "sentences": ["a", "b"]]]
            let scores = try await running.post("/similarity", similar).json()
            #expect(abs((scores.array?.first?.double ?? 0) - 1) < 1e-5)
            let ranked = try await running.post("/rerank", ["query": "a", "texts": ["b", "a"]]).json()
            #expect(ranked.array?.first?["index"] == 1)
            #expect(try await running.post("/predict", ["inputs": "a"]).status == 424)
        }
    }

    @Test func responsesAreKeptAndGoneOnFrom() async throws {
        var settings = ServerSettings()
        settings.keys = try KeyFile.parse("a sk-a-key-of-a\nb sk-a-key-of-b", file: "k")
        try await RunningServer.with(settings: settings) { running in
            let mine = ["x-api-key": "sk-a-key-of-a"], others = ["x-api-key": "sk-a-key-of-b"]
            let first = try await running.post("/v1/responses", ["input": "Hi", "max_output_tokens": 4], mine).json()
            let id = try #require(first["id"]?.string)
            #expect(try await running.get("/v1/responses/\(id)", mine).json() == first)
            #expect(try await running.get("/v1/responses/\(id)", others).status == 404)
            let items = try await running.get("/v1/responses/\(id)/input_items", mine).json()
            #expect(items["data"]?.array?.first?["content"]?.array?.first?["text"] == "Hi")
            let next: JSON = ["input": "And?", "max_output_tokens": 4, "previous_response_id": .string(id)]
            let second = try await running.post("/v1/responses", next, mine).json()
            #expect(second["previous_response_id"]?.string == id)
            let alone = try await running.post("/v1/responses/input_tokens", ["input": "And?"], mine).json()
            let both = try await running.post("/v1/responses/input_tokens", next, mine).json()
            #expect(both["input_tokens"]?.integer ?? 0 > alone["input_tokens"]?.integer ?? .max)
            #expect(second["usage"]?["input_tokens"] == both["input_tokens"])
            #expect(try await running.post("/v1/responses", next, others).status == 404)
            // A stream is kept before its end is told.
            let stream: JSON = ["input": "Hi", "max_output_tokens": 4, "stream": true]
            let events = try await running.post("/v1/responses", stream, mine)
            let line = try #require(events.text.split(separator: "\n").last { $0.hasPrefix("data: ") })
            let streamed = try JSON(parsing: String(line.dropFirst(6)))["response"]?["id"]?.string ?? ""
            #expect(try await running.get("/v1/responses/\(streamed)", mine).status == 200)
            let loose: JSON = ["input": "Hi", "max_output_tokens": 4, "store": false]
            let unkept = try await running.post("/v1/responses", loose, mine).json()["id"]?.string ?? ""
            #expect(try await running.get("/v1/responses/\(unkept)", mine).status == 404)
            let gone = try await running.get("/v1/responses/\(id)", mine, method: "DELETE")
            #expect(try gone.json()["deleted"] == true)
            #expect(try await running.get("/v1/responses/\(id)", mine).status == 404)
        }
    }

    @Test func keptResponsesAreBounded() throws {
        let request = try GenerationRequest(responses: #"{"input": "Hi"}"#.utf8)
        func response(_ number: Int, _ text: String = "a") throws -> KeptResponse {
            try KeptResponse(
                [
                    "id": .string("resp_\(number)"),
                    "output": [
                        [
                            "type": "message", "role": "assistant",
                            "content": [["type": "output_text", "text": .string(text)]],
                        ]
                    ],
                ], to: request)
        }
        let kept = KeptResponses(most: 3, mostBytes: 1 << 20)
        for number in 0..<3 { kept.keep(try response(number), of: nil) }
        #expect(kept.find("resp_0", of: nil) != nil)
        kept.keep(try response(3), of: nil)
        #expect(kept.find("resp_1", of: nil) == nil && kept.find("resp_0", of: nil) != nil)
        kept.keep(try response(4, String(repeating: "a", count: 1 << 20)), of: nil)
        #expect(kept.find("resp_4", of: nil) == nil && kept.find("resp_3", of: nil) != nil)
    }

    private static let goldens = #filePath.replacing(
        "ServerTests/ClientHabitTests.swift", with: "InferenceTests/Goldens/embedding")

    /// A cross-encoder gives its own scores, and nothing is made of the vectors behind them.
    @Test func aModelThatScoresGivesItsOwnScores() async throws {
        let path = Self.goldens + "/cross"
        let golden = try JSON(parsing: Array(try Data(contentsOf: URL(fileURLWithPath: path + "/expected.json"))))
        let texts = golden["texts"]?.array ?? [], query = golden["query"] ?? .null
        let expected = golden["scores"]?.array?.compactMap(\.double) ?? []
        #expect(expected.count == 6)
        try await RunningServer.with(["encoder"], at: ["encoder": path]) { running in
            let ranked = try await running.post("/v1/rerank", ["query": query, "documents": .array(texts)]).json()
            let results = ranked["results"]?.array ?? []
            for result in results {
                let index = result["index"]?.integer ?? 0
                #expect(abs((result["relevance_score"]?.double ?? 9) - expected[index]) < 0.005)
            }
            #expect(results.count == 6)
            let other = try await running.post("/rerank", ["query": query, "texts": .array(texts)]).json()
            #expect(other.array?.map { $0["index"]?.integer } == results.map { $0["index"]?.integer })
            let scored = try await running.post("/v1/score", ["text_1": query, "text_2": .array(texts)]).json()
            for (result, score) in zip(scored["data"]?.array ?? [], expected) {
                #expect(abs((result["score"]?.double ?? 9) - score) < 0.005)
            }
            let long = JSON.string(String(repeating: " ", count: 1 << 19))
            let reply = try await running.post("/v1/rerank", ["query": long, "documents": .array(texts)])
            #expect(reply.status == 400 && reply.errorCode == "text_too_long")
            let embeddings: [(String, JSON)] = [
                ("/v1/embeddings", ["input": "a"]), ("/v1/embeddings", ["input": "a", "model": "encoder"]),
                ("/embed", ["inputs": "a"]),
            ]
            for (route, body) in embeddings {
                let status = try await running.post(route, body).status
                #expect(status == 400 || status == 422, "\(route)")
            }
        }
    }

    /// Prompts, pooling and dense layers as `martlet embed` has them; a decoder is served for its vectors.
    @Test func vectorsAreThoseOfTheModelsFiles() async throws {
        for variant in ["dense", "cls", "unnormalised", "prompted", "decoder"] {
            let own = Self.goldens + "/variants/" + variant
            let golden = try JSON(parsing: Array(try Data(contentsOf: URL(fileURLWithPath: own + "/expected.json"))))
            // A variant's files beside those of its transformer.
            let path = NSTemporaryDirectory() + "martlet-server-\(UUID().uuidString)"
            let manager = FileManager.default
            try manager.copyItem(atPath: Self.goldens + "/" + (golden["base"]?.string ?? ""), toPath: path)
            defer { try? manager.removeItem(atPath: path) }
            for file in try manager.contentsOfDirectory(atPath: own) {
                try manager.copyItem(atPath: "\(own)/\(file)", toPath: "\(path)/\(file)")
            }
            try await RunningServer.with(["encoder"], at: ["encoder": path]) { running in
                let reply = try await running.post("/v1/embeddings", ["input": golden["texts"] ?? .null]).json()
                let found = (reply["data"]?.array ?? []).map {
                    ($0["embedding"]?.array ?? []).compactMap(\.double)
                }
                let expected = (golden["vectors"]?.array ?? []).map { ($0.array ?? []).compactMap(\.double) }
                #expect(found.count == expected.count && !found.isEmpty, "\(variant)")
                for (a, b) in zip(found, expected) {
                    func product(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
                    #expect(product(a, b) / (product(a, a) * product(b, b)).squareRoot() > 0.9999, "\(variant)")
                    #expect(abs(product(a, a) - 1) < 1e-3, "\(variant)")
                }
            }
        }
    }

    @Test func picturesAndFilesAreRefusedByName() async throws {
        try await RunningServer.with { running in
            for type in ["image_url", "input_audio", "file", "video_url"] {
                let part: JSON = ["type": .string(type)]
                let body: JSON = ["messages": [["role": "user", "content": [["type": "text", "text": "a"], part]]]]
                let reply = try await running.post("/v1/chat/completions", body)
                #expect(reply.status == 400)
                let error = try reply.json()["error"]
                #expect(error?["param"] == "messages[0].content[1].type" && error?["code"] == "unsupported_parameter")
            }
            for type in ["input_image", "input_file"] {
                let item: JSON = ["role": "user", "content": [["type": .string(type)]]]
                let reply = try await running.post("/v1/responses", ["input": [item]])
                #expect(try reply.json()["error"]?["param"] == "input[0].content[0].type")
            }
            let anthropic: JSON = [
                "model": "tiny", "max_tokens": 1, "messages": [["role": "user", "content": [["type": "document"]]]],
            ]
            #expect(try await running.post("/v1/messages", anthropic).text.contains("document"))
            let ollama: JSON = ["model": "tiny", "messages": [["role": "user", "content": "a", "images": ["aGk="]]]]
            #expect(try await running.post("/api/chat", ollama).text.contains("images"))
        }
    }
}

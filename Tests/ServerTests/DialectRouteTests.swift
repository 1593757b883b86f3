import MartletJSON
import MartletServer
import TestServers
import Testing

/// The interfaces of others than OpenAI's first.
struct DialectRouteTests {
    @Test func messagesAreAnsweredAndRefusedInTheirShape() async throws {
        try await RunningServer.with { running in
            let messages: JSON = [["role": "user", "content": "hello"]]
            let reply = try await running.post(
                "/v1/messages", ["model": "tiny", "max_tokens": 8, "messages": messages])
            #expect(reply.status == 200)
            #expect(try reply.json()["type"]?.string == "message")
            let count = try await running.post("/v1/messages/count_tokens", ["model": "tiny", "messages": messages])
            #expect(try count.json()["input_tokens"]?.integer ?? 0 > 0)
            let refused = try await running.post(
                "/v1/messages", ["model": "none", "max_tokens": 8, "messages": messages])
            #expect(refused.status == 404)
            #expect(try refused.json()["type"]?.string == "error")
        }
    }

    @Test func responsesAreAnswered() async throws {
        try await RunningServer.with { running in
            let reply = try await running.post(
                "/v1/responses", ["model": "tiny", "input": "hello", "max_output_tokens": 16])
            #expect(reply.status == 200)
            #expect(try reply.json()["object"]?.string == "response")
        }
    }

    @Test func ollamasClientsFindModelsAndStreamLines() async throws {
        try await RunningServer.with { running in
            let tags = try await running.get("/api/tags").json()["models"]?.array ?? []
            #expect(tags.first?["name"]?.string == "tiny:latest")
            let reply = try await running.post(
                "/api/generate", ["model": "tiny:latest", "prompt": "hello", "options": ["num_predict": 8]])
            #expect(reply.fields["content-type"] == "application/x-ndjson")
            let lines = try reply.text.split(separator: "\n").map { try JSON(parsing: Array($0.utf8)) }
            #expect(lines.last?["done"]?.bool == true)
            #expect(lines.dropLast().allSatisfy { $0["done"]?.bool == false })
            let missing = try await running.post(
                "/api/chat", ["model": "none", "messages": [["role": "user", "content": "a"]]])
            #expect(missing.status == 404)
            #expect(try missing.json()["error"]?.string != nil)
        }
    }

    @Test func ollamasClientsGetVectorsAndSeeModels() async throws {
        try await RunningServer.with(["tiny", "encoder"]) { running in
            let two = try await running.post("/api/embed", ["model": "encoder:latest", "input": ["hello", "ring"]])
            let vectors = try two.json()["embeddings"]?.array ?? []
            #expect(vectors.count == 2)
            let one = try await running.post("/api/embeddings", ["model": "encoder", "prompt": "hello"])
            #expect(try one.json()["embedding"] == vectors.first)
            let model = try await running.post("/api/show", ["name": "tiny:latest"])
            #expect(try model.json()["details"]?["format"]?.string == "safetensors")
            let missing = try await running.post("/api/show", ["model": "none"])
            #expect(missing.status == 404)
            #expect(try missing.json()["error"]?.string != nil)
        }
    }

    @Test func whatOllamasClientsAskOfVectorsIsDone() async throws {
        try await RunningServer.with(["encoder"]) { running in
            func embed(_ members: JSON) async throws -> RawReply {
                var body: JSONObject = ["model": "encoder", "input": "hello"]
                for (key, value) in members.object ?? [:] { body[key] = value }
                return try await running.post("/api/embed", .object(body))
            }
            let long = String(repeating: "hello ring ", count: 2000)
            let whole = try await embed([:]).json()["embeddings"]?.array?.first?.array ?? []
            let short = try await embed(["dimensions": 4]).json()["embeddings"]?.array?.first?.array ?? []
            #expect(short.count == 4 && whole.count > 4)
            let length = short.reduce(0.0) { $0 + ($1.double ?? 0) * ($1.double ?? 0) }
            #expect(abs(length - 1) < 1e-5)
            #expect(try await embed(["dimensions": 0]).json()["embeddings"]?.array?.first?.array == whole)
            #expect(try await embed(["dimensions": .integer(Int64(whole.count) + 1)]).status == 400)
            // Cut unless told otherwise, by the model's length or a shorter one.
            let cut = try await embed(["input": .string(long)])
            #expect(cut.status == 200)
            #expect(try await embed(["input": .string(long), "truncate": false]).status == 400)
            let sixteen = try await embed(["input": .string(long), "options": ["num_ctx": 6, "temperature": 0.5]])
            #expect(try sixteen.json()["prompt_eval_count"]?.integer == 6)
            #expect(
                try await embed(["input": "hello ring hello ring hello", "truncate": false, "options": ["num_ctx": 3]])
                    .status == 400)
            #expect(try await embed(["options": ["num_ctx": "many"]]).status == 400)
            #expect(try await embed(["options": ["temperature": "hot"]]).status == 400)
            #expect(try await embed(["options": 3]).status == 400)
            #expect(try await embed(["keep_alive": "soon"]).status == 400)
            // Nothing to embed: the model is loaded, and nothing else.
            #expect(try await embed(["input": ""]).json()["embeddings"] == [])
            #expect(running.server.models.loaded.count == 1)
            #expect(try await embed(["keep_alive": 0]).status == 200)
            #expect(try await eventually { running.server.models.loaded.isEmpty })
            #expect(try await embed(["keep_alive": "1h"]).status == 200)
            running.server.models.unloadIdle(now: .now + .seconds(3000))
            #expect(running.server.models.loaded.count == 1)
            running.server.models.unloadIdle(now: .now + .seconds(3700))
            #expect(running.server.models.loaded.isEmpty)
        }
    }

    /// vLLM's routes beside OpenAI's.
    @Test func poolingGivesTheVectorsOfEmbeddings() async throws {
        try await RunningServer.with(["tiny", "encoder"]) { running in
            let texts: JSON = ["hello ring", "hello"]
            let vectors = try await running.post("/v1/embeddings", ["model": "encoder", "input": texts]).json()
            let pooled = try await running.post("/pooling", ["model": "encoder", "input": texts, "task": "embed"])
                .json()
            #expect(pooled["data"]?.array?.map { $0["data"] } == vectors["data"]?.array?.map { $0["embedding"] })
            #expect(pooled["usage"] == vectors["usage"] && pooled["id"]?.string?.hasPrefix("pool-") == true)
            #expect(try await running.post("/pooling", ["model": "tiny", "input": texts]).status == 400)
            // A request counts until its reply has been sent.
            #expect(try await eventually { try await running.get("/load").json() == ["server_load": 0] })
        }
    }

    @Test func llamaServersClientsSeePropertiesAndSlots() async throws {
        var loading = ModelSettings()
        loading.engine.maximumRunning = 3
        try await RunningServer.with(loading: loading) { running in
            let none = try await running.get("/slots?model=tiny")
            #expect(none.status == 200)
            #expect(try none.json() == [])
            let properties = try await running.get("/props?model=alias-of-tiny").json()
            #expect(properties["total_slots"] == 3)
            #expect(properties["chat_template"]?.string?.isEmpty == false)
            #expect(properties["default_generation_settings"]?["n_ctx"]?.integer ?? 0 > 0)
            #expect(properties["default_generation_settings"]?["params"]?["temperature"]?.double != nil)
            let slots = try await running.get("/slots").json().array ?? []
            #expect(slots.map { $0["id"] } == [0, 1, 2])
            #expect(slots.allSatisfy { $0["is_processing"] == false })
            #expect(try await running.get("/slots?fail_on_no_slot=1").status == 200)
            #expect(try await running.get("/props?model=none").status == 404)
            // What is kept of prompts is the server's matter.
            for action in ["save", "restore", "erase"] {
                let refused = try await running.post("/slots/0?action=\(action)", ["filename": "a.bin"])
                #expect(refused.status == 501, "\(action)")
                #expect(try refused.json()["error"]?["message"]?.string?.contains("GET /slots") == true)
            }
        }
    }
}

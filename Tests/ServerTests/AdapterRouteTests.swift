import Foundation
import Martlet
import MartletAPI
import MartletJSON
import MartletServer
import Testing
import TinyModels

/// Adapters served as models, loaded and unloaded while serving.
struct AdapterRouteTests {
    /// A LoRA of the tiny model that changes something.
    private static func adapter(_ folder: String, seed: UInt64) throws -> String {
        let decoder = try Checkpoint(path: folder + "/tiny").decoder()
        var configuration = AdapterConfiguration(.lora)
        (configuration.rank, configuration.alpha) = (3, 6)
        let adapter = try Adapter(configuration, of: decoder)
        var random = RandomStream(seed: seed)
        for parameter in adapter.parameters {
            let noise = try Tensor.normal(parameter.tensor.shape, mean: 0, std: 0.3, using: &random)
            try noGrad { try parameter.tensor.copy(from: noise) }
        }
        let path = "\(folder)/adapter-\(seed)"
        try PEFTFolder.write(adapter, to: path, base: folder + "/tiny")
        return path
    }

    /// A folder with an adapter is its base with it; requests of `/completion` scale adapters for themselves.
    @Test func anAdaptersFolderIsServedAndRequestsScaleAdapters() async throws {
        try await RunningServer.with(["tiny"]) { running in
            let path = try Self.adapter(running.folder, seed: 1), other = try Self.adapter(running.folder, seed: 2)
            for (name, path) in [("me", path), ("you", other)] {
                let why = try await running.server.models.serveAdapter(name, path: path)
                #expect(why == nil)
            }
            func text(_ body: JSON, _ route: String = "/completion") async throws -> String {
                var members = body.object ?? JSONObject()
                for (key, value) in ["prompt": "hello", "temperature": 0] as JSONObject { members[key] = value }
                members[route == "/completion" ? "n_predict" : "max_tokens"] = 12
                let reply = try await running.post(route, .object(members)).json()
                return reply["content"]?.string ?? reply["choices"]?.array?.first?["text"]?.string ?? reply.text()
            }
            let plain = try await text([:]), named = try await text(["model": "me"], "/v1/completions")
            let scaled = try await text(["lora": [["id": 0, "scale": 1]]])
            let half = try await text(["lora": [["id": 0, "scale": 0.5], ["id": 1]]])
            #expect(scaled == named && scaled != plain)
            #expect(try await text(["lora": [["id": 1, "scale": 0]]]) == plain)
            // What all requests get is not what this one asked for.
            _ = try await running.post("/lora-adapters", [["id": 1, "scale": 1]])
            #expect(try await text(["lora": [["id": 0, "scale": 0.5]]]) == half)
            #expect(try await text(["lora": []]) == plain)
            for (body, parameter) in [
                (["lora": [["id": 2, "scale": 1]]], "lora[0].id"),
                (["lora": [["id": 0, "scale": 1]], "model": "me"], "lora"),
            ] as [(JSON, String)] {
                var members = body.object ?? JSONObject()
                members["prompt"] = "hello"
                let reply = try await running.post("/completion", .object(members))
                let named = try reply.json()["error"]?["param"]?.string
                #expect(reply.status == 400 && named == parameter)
            }
            // By itself: its base is found by what its files say.
            let alone = try ModelRegistry([(name: "id", aliases: [], path: path)])
            let model = try #require(alone.models.first?.model)
            #expect(model.kind == .generates && model.base == running.folder + "/tiny" && model.baseName == "tiny")
            let lease = try await alone.use("id")
            #expect(lease.model.engine != nil)
        }
    }

    /// An adapter that was tuned with another chat template is talked to by it, and its base by its own.
    @Test func conversationsAreWrittenByTheAdaptersTemplate() async throws {
        try await RunningServer.with(["tiny"]) { running in
            let path = try Self.adapter(running.folder, seed: 3)
            let template = "{% for m in messages %}<<{{ m.role }}>>{{ m.content }}{% endfor %}"
            try template.write(toFile: path + "/chat_template.jinja", atomically: true, encoding: .utf8)
            let messages: JSON = [["role": "user", "content": "hello"]]
            _ = try await running.server.models.serveAdapter("me", path: path)
            func prompt(_ model: String) async throws -> String? {
                let reply = try await running.post("/apply-template", ["model": .string(model), "messages": messages])
                return try reply.json()["prompt"]?.string
            }
            func tokens(_ model: String) async throws -> (counted: Int?, used: Int?) {
                let body: JSON = ["model": .string(model), "messages": messages, "max_tokens": 1]
                let counted = try await running.post("/tokenize", body).json()["count"]?.integer
                let reply = try await running.post("/v1/chat/completions", body).json()
                return (counted, reply["usage"]?["prompt_tokens"]?.integer)
            }
            #expect(try await prompt("me") == "<<user>>hello")
            #expect(try await prompt("tiny") != "<<user>>hello")
            let own = try await tokens("me"), base = try await tokens("tiny")
            #expect(own.used != nil && own.used == own.counted && base.used == base.counted && own.used != base.used)
        }
    }

    /// Adapters count for the memory that models may take: those used longest ago are evicted, and read again when asked for.
    @Test func adaptersCountForTheMemoryLimit() async throws {
        var loading = ModelSettings()
        loading.cacheBytes = 0
        let (model, one) = try await RunningServer.with(["tiny"], loading: loading) { running in
            let path = try Self.adapter(running.folder, seed: 4)
            try await running.server.models.serveAdapter("a", path: path)
            let loaded = try #require(running.server.models.loaded.first)
            return (loaded.bytes, loaded.adapterBytes)
        }
        #expect(one > 0)
        loading.maximumMemory = model + 2 * one + one / 2
        try await RunningServer.with(["tiny"], loading: loading) { running in
            let path = try Self.adapter(running.folder, seed: 4)
            for name in ["a", "b", "c"] { try await running.server.models.serveAdapter(name, path: path) }
            let loaded = try #require(running.server.models.loaded.first)
            #expect(loaded.adapterBytes == 2 * one)
            #expect(try await running.get("/metrics").text.contains("martlet_adapter_bytes{model_name=\"tiny\"}"))
            func text(_ members: JSONObject) async throws -> String {
                var body = members
                for (key, value) in ["prompt": "hello", "temperature": 0, "n_predict": 6] as JSONObject {
                    body[key] = value
                }
                let reply = try await running.post("/completion", .object(body))
                return try reply.json()["content"]?.string ?? reply.text
            }
            let texts = [
                try await text(["model": "c"]), try await text(["model": "a"]), try await text(["model": "b"]),
            ]
            #expect(Set(texts).count == 1)
            // Requests may name any scale.
            for scale in 1...6 {
                _ = try await text(["lora": [["id": 0, "scale": .number(Double(scale) / 4)]]])
                #expect(loaded.adapterBytes <= 2 * one)
            }
            #expect(try await text(["lora": [["id": 0, "scale": 1]]]) == texts[0])
        }
        loading.maximumMemory = model + one / 2
        try await RunningServer.with(["tiny"], loading: loading) { running in
            let path = try Self.adapter(running.folder, seed: 4)
            do {
                try await running.server.models.serveAdapter("a", path: path)
                Issue.record("it was loaded")
            } catch let error as APIError {
                #expect(error.status == 503 && error.code == "insufficient_memory")
                #expect(
                    error.message.contains("The adapter 'a' needs") && error.message.contains("that models may take"))
            }
            #expect(running.server.models.adapters.all.isEmpty)
        }
    }

    @Test func adaptersAreModelsWithAParent() async throws {
        try await RunningServer.with(["tiny"]) { running in
            func text(_ model: String) async throws -> String {
                let reply = try await running.post(
                    "/v1/completions",
                    ["model": .string(model), "prompt": "hello", "max_tokens": 12, "temperature": 0])
                return try reply.json()["choices"]?.array?.first?["text"]?.string ?? reply.text
            }
            let plain = try await text("tiny"), path = try Self.adapter(running.folder, seed: 1)
            let loaded = try await running.post(
                "/v1/load_lora_adapter", ["lora_name": "me", "lora_path": .string(path)])
            #expect(loaded.status == 200 && loaded.text == "Success: LoRA adapter 'me' added successfully.")
            let list = try await running.get("/v1/models").json()["data"]?.array ?? []
            #expect(list.last?["id"] == "me" && list.last?["parent"] == "tiny" && list.first?["parent"]?.isNull == true)
            let changed = try await text("me")
            #expect(changed != plain)
            // Side by side, in one batch.
            async let one = text("me"), two = text("tiny")
            #expect(try await one == changed)
            #expect(try await two == plain)
            let again = try await running.post(
                "/v1/load_lora_adapter", ["lora_name": "me", "lora_path": .string(path)])
            #expect(again.status == 400 && again.text.contains("already been loaded"))
            let missing = try await running.post(
                "/v1/load_lora_adapter", ["lora_name": "you", "lora_path": "/nowhere"])
            #expect(missing.status == 404)
            // As llama.cpp's server: for requests of the base itself.
            let scales = try await running.get("/lora-adapters").json().array?.first
            #expect(scales?["id"] == 0 && scales?["scale"]?.double == 0)
            let set = try await running.post("/lora-adapters", [["id": 0, "scale": 1]])
            #expect(try set.json()["success"] == true)
            #expect(try await text("tiny") == changed)
            #expect(try await running.post("/lora-adapters", [["id": 3, "scale": 1]]).status == 400)
            _ = try await running.post("/lora-adapters", [])
            #expect(try await text("tiny") == plain)
            let gone = try await running.post("/v1/unload_lora_adapter", ["lora_name": "me"])
            #expect(gone.text == "Success: LoRA adapter 'me' removed successfully.")
            #expect(try await running.post("/v1/unload_lora_adapter", ["lora_name": "me"]).status == 404)
            #expect(try await running.get("/v1/models").json()["data"]?.array?.count == 1)
        }
    }

    /// A path that is loaded again is read again, under its own name and another's, and what a failed load would replace stays.
    @Test func whatLiesAtAPathNowIsWhatALoadTakes() async throws {
        try await RunningServer.with(["tiny"]) { running in
            func text(_ model: String) async throws -> String {
                let reply = try await running.post(
                    "/v1/completions",
                    ["model": .string(model), "prompt": "hello", "max_tokens": 12, "temperature": 0])
                return try reply.json()["choices"]?.array?.first?["text"]?.string ?? reply.text
            }
            func load(_ name: String, _ path: String, inPlace: Bool = false) async throws -> Int {
                try await running.post(
                    "/v1/load_lora_adapter",
                    ["lora_name": .string(name), "lora_path": .string(path), "load_inplace": .bool(inPlace)]
                ).status
            }
            let first = try Self.adapter(running.folder, seed: 1), second = try Self.adapter(running.folder, seed: 2)
            let path = running.folder + "/now", files = FileManager.default
            try files.copyItem(atPath: first, toPath: path)
            #expect(try await load("old", path) == 200)
            let old = try await text("old")
            try files.removeItem(atPath: path)
            try files.copyItem(atPath: second, toPath: path)
            #expect(try await load("new", path) == 200)
            #expect(try await load("second", second) == 200)
            let new = try await text("new")
            #expect(new != old)
            #expect(try await text("second") == new)
            #expect(try await text("old") == old)
            #expect(try await load("old", path) == 400)
            #expect(try await load("old", running.folder + "/tiny", inPlace: true) == 400)
            #expect(try await text("old") == old)
            #expect(try await load("old", path, inPlace: true) == 200)
            #expect(try await text("old") == new)
            let names = try await running.get("/lora-adapters").json().array?.compactMap { $0["task_name"]?.string }
            #expect(names == ["old", "new", "second"])
        }
    }

    /// What a run saved since it was offered takes its place, whether it shares its base or has a copy of it.
    @Test func aRunIsOfferedAgain() async throws {
        try await RunningServer.with(["tiny"]) { running in
            let first = try Self.adapter(running.folder, seed: 1), second = try Self.adapter(running.folder, seed: 2)
            let models = running.server.models
            try models.add("runs/copy", path: first)
            try await models.offerAdapter("runs/shared", path: first)
            for name in ["runs/copy", "runs/shared"] { try await models.offerAdapter(name, path: second) }
            #expect(models.models.map(\.model.name) == ["tiny", "runs/copy"])
            #expect(models.models.last?.model.path == second)
            #expect(models.adapters.all.map(\.name) == ["runs/shared"] && models.adapters.all.first?.path == second)
        }
    }

    /// Wherever models are listed, told or refused, adapters are.
    @Test func adaptersAreModelsOnEveryRoute() async throws {
        try await RunningServer.with(["tiny"]) { running in
            let path = try Self.adapter(running.folder, seed: 1)
            try await running.server.models.serveAdapter("id-v1", path: path)
            let tags = try await running.get("/api/tags").json()["models"]?.array
            #expect(tags?.compactMap { $0["name"]?.string } == ["tiny:latest", "id-v1:latest"])
            let digests = Set((tags ?? []).compactMap { $0["digest"]?.string })
            #expect(tags?.last?["details"]?["parent_model"] == "tiny" && digests.count == 2)
            let shown = try await running.post("/api/show", ["model": "id-v1:latest"]).json()
            #expect(shown["modelfile"]?.string?.contains("FROM tiny\nADAPTER ") == true)
            let unknown = try await running.post("/v1/completions", ["model": "id-v2", "prompt": "hello"])
            #expect(unknown.status == 404 && unknown.text.contains("tiny, id-v1. Did you mean 'id-v1'?"))
            let wrong = try await running.post("/v1/embeddings", ["model": "id-v1", "input": "hello"])
            #expect(wrong.status == 400 && wrong.text.contains("The model 'id-v1' generates"))
            let base = try await running.post(
                "/v1/load_lora_adapter",
                ["lora_name": "x", "lora_path": .string(path), "base_model_name": "big"])
            #expect(try base.json()["error"]?["param"] == "base_model_name")
            #expect(try await running.get("/props?model=id-v1").json()["model_alias"] == "id-v1")
        }
    }
}

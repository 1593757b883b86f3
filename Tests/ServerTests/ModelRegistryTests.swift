import Foundation
import MartletAPI
import MartletInference
import MartletJSON
import MartletServer
import Testing
import TinyModels

struct ModelRegistryTests {
    private func registry(_ settings: ModelSettings = ModelSettings()) throws -> (ModelRegistry, String) {
        let folder = try RunningServer.write(["one", "two"])
        var settings = settings
        settings.cacheBytes = 1 << 20
        return (
            try ModelRegistry(["one", "two"].map { (name: $0, aliases: [], path: "\(folder)/\($0)") }, settings), folder
        )
    }

    @Test func aModelIsLoadedOnceForAllWhoAsk() async throws {
        let (registry, _) = try registry()
        #expect(registry.loaded.isEmpty)
        let models = try await withThrowingTaskGroup(of: ModelLease.self) { group in
            for _ in 0..<8 { group.addTask { try await registry.use("one") } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(models.map { ObjectIdentifier($0.model) }).count == 1)
        #expect(registry.loaded.map(\.name) == ["one"])
        registry.stop()
    }

    @Test func anIdleModelIsUnloadedAndOneInUseIsNot() async throws {
        var settings = ModelSettings()
        settings.idleUnload = .seconds(60)
        let (registry, _) = try registry(settings)
        var lease: ModelLease? = try await registry.use("one")
        registry.unloadIdle(now: .now + .seconds(100))
        #expect(registry.loaded.count == 1)
        #expect(throws: APIError.self) { try registry.unload("one") }
        _ = lease
        lease = nil
        registry.unloadIdle(now: .now + .seconds(30))
        #expect(registry.loaded.count == 1)
        registry.unloadIdle(now: .now + .seconds(100))
        #expect(registry.loaded.isEmpty)
        let again = try await registry.use("one")
        #expect(again.model.name == "one")
        registry.stop()
    }

    @Test func whatDoesNotFitIsRefusedWithNumbers() async throws {
        var settings = ModelSettings()
        settings.maximumMemory = 1 << 20
        let (registry, _) = try registry(settings)
        do {
            _ = try await registry.use("one")
            Issue.record("it was loaded")
        } catch let error as APIError {
            #expect(error.status == 503)
            #expect(error.code == "insufficient_memory")
            #expect(error.message.contains("MiB"))
        }
    }

    @Test func theModelUsedLongestAgoMakesRoom() async throws {
        var settings = ModelSettings()
        settings.maximumMemory = 150 << 20
        let (registry, _) = try registry(settings)
        _ = try await registry.use("one")
        _ = try await registry.use("two")
        #expect(registry.loaded.map(\.name) == ["two"])
        registry.stop()
    }

    @Test func aModelWhoseFilesVanishOrChangeGoesOnBeingServed() async throws {
        try await RunningServer.with { running in
            let body: JSON = ["prompt": "hello", "max_tokens": 16, "temperature": 0]
            let before = try await running.post("/v1/completions", body).json()["choices"]
            let file = running.folder + "/tiny/model.safetensors"
            // Another model takes its place, then nothing does.
            try FileManager.default.createDirectory(atPath: running.folder + "/next", withIntermediateDirectories: true)
            var next = TinyModel()
            next.seed = 99
            try next.write(folder: running.folder + "/next")
            #expect(rename(running.folder + "/next/model.safetensors", file) == 0)
            #expect(try await running.post("/v1/completions", body).json()["choices"] == before)
            try FileManager.default.removeItem(atPath: file)
            #expect(try await running.post("/v1/completions", body).json()["choices"] == before)
            // Loaded anew, it is missed; the server goes on.
            #expect(try await running.post("/admin/models/unload", ["model": "tiny"]).status == 200)
            let missed = try await running.post("/v1/completions", body)
            #expect(missed.status == 500)
            #expect(missed.errorCode == "model_load_failed")
            #expect(!missed.text.contains(running.folder))
            #expect(try await running.get("/health").status == 200)
        }
    }

    @Test(arguments: [0, 5000, nil])
    func aModelWhoseFileIsCutShortOrWrittenToFailsAloneAndIsLoadedAnew(length: Int?) async throws {
        try await RunningServer.with(["tiny", "other", "encoder"]) { running in
            func ask(_ model: String, tokens: Int64 = 16) async throws -> RawReply {
                try await running.post(
                    "/v1/completions",
                    [
                        "model": .string(model), "prompt": "hello", "max_tokens": .integer(tokens), "temperature": 0,
                        "ignore_eos": true,
                    ])
            }
            let before = try await ask("tiny").json()["choices"]
            let vectors = try await running.post("/v1/embeddings", ["model": "encoder", "input": "hello"])
            #expect(vectors.status == 200)
            var contents: [String: Data] = [:]
            for model in ["tiny", "encoder"] {
                let file = "\(running.folder)/\(model)/model.safetensors"
                contents[file] = try Data(contentsOf: URL(filePath: file))
            }
            async let underWay = ask("tiny", tokens: 900)
            async let beside = ask("other", tokens: 900)
            for (file, bytes) in contents {
                if let length {
                    #expect(truncate(file, off_t(length)) == 0)
                } else {
                    let handle = try FileHandle(forWritingTo: URL(filePath: file))
                    try handle.seek(toOffset: UInt64(bytes.count - 64))
                    try handle.write(contentsOf: Data(repeating: 7, count: 64))
                    try handle.close()
                }
            }
            let ended = try await underWay
            #expect(ended.status == 200 || ended.errorCode == "model_file_changed" || ended.status == 500)
            #expect(try await beside.status == 200)
            let again = try await ask("tiny")
            if length != nil {
                // Too short to be a model.
                #expect(again.errorCode == "model_load_failed")
                let embedding = try await running.post("/v1/embeddings", ["model": "encoder", "input": "hello"])
                #expect(embedding.errorCode == "model_load_failed")
            } else {
                #expect(again.status == 200)
                // A file that takes the place of another is not looked for.
                for model: JSON in ["tiny", "encoder"] {
                    _ = try await running.post("/admin/models/unload", ["model": model])
                }
            }
            for (file, bytes) in contents { try bytes.write(to: URL(filePath: file), options: .atomic) }
            #expect(try await ask("tiny").json()["choices"] == before)
            #expect(
                try await running.post("/v1/embeddings", ["model": "encoder", "input": "hello"]).json()["data"]
                    == vectors.json()["data"])
        }
    }

    @Test func aReplyUnderWayEndsWithAnErrorWhenItsFileIsCutShort() async throws {
        let folder = try RunningServer.write(["one"])
        let engine = try Engine(LanguageModel(path: folder + "/one"))
        let slowed = SlowedEngine(engine)
        var request = EngineRequest(prompt: [1, 2, 3])
        request.options.maximumTokens = 900
        request.options.ignoresEndOfSequence = true
        var failure: APIError?
        do {
            for try await event in try engine.submit(request) {
                guard case .token = event else { continue }
                truncate(folder + "/one/model.safetensors", 0)
                slowed.letGo()
            }
        } catch {
            failure = APIError(error)
        }
        #expect(failure?.status == 503)
        #expect(failure?.code == "model_file_changed")
        #expect(failure?.message.contains(folder) == false)
        engine.stop()
    }
}

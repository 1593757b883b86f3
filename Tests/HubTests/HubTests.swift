import Foundation
import MartletFormats
import MartletHub
import Synchronization
import Testing

/// Downloads from a hub on loopback, one that misbehaves.
@Suite(.serialized) struct HubTests {
    static let weights = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    static let model: [String: [UInt8]] = [
        "config.json": Array("{}".utf8), "model.safetensors": weights, "tokenizer.json": Array("{\"a\":1}".utf8),
        "pytorch_model.bin": [1, 2, 3], "README.md": Array("hello".utf8),
    ]

    private func folder() -> String { NSTemporaryDirectory() + "martlet-hub-\(UUID().uuidString)" }

    private func hub(_ server: FakeHub, _ cache: String, token: String? = nil, offline: Bool = false) -> Hub {
        var settings = HubSettings(environment: { ["HF_HUB_CACHE": cache, "HF_HOME": cache][$0] })
        settings.endpoint = server.endpoint
        settings.token = token
        settings.isOffline = offline
        settings.firstPause = .milliseconds(5)
        settings.idleSeconds = 60
        return Hub(settings)
    }

    /// Runs a download with a fresh cache, which is removed afterwards.
    private func withHub(
        _ server: FakeHub, token: String? = nil, _ body: (Hub, String) async throws -> Void
    ) async throws {
        let cache = folder()
        defer {
            server.stop()
            try? FileManager.default.removeItem(atPath: cache)
        }
        try await body(hub(server, cache, token: token), cache)
    }

    private func blobs(_ cache: String) -> [String] { Folder.contents(cache + "/models--org--model/blobs") }

    @Test func aFolderIsFetchedInTheStandardLayout() async throws {
        try await withHub(FakeHub(files: Self.model)) { hub, cache in
            let path = try await hub.download("org/model")
            #expect(path == "\(cache)/models--org--model/snapshots/\(FakeHub.commit)")
            #expect(try Folder.read(path + "/model.safetensors") == Self.weights)
            #expect(try Folder.read("\(cache)/models--org--model/refs/main") == Array(FakeHub.commit.utf8))
            let link = try FileManager.default.destinationOfSymbolicLink(atPath: path + "/model.safetensors")
            #expect(link.hasPrefix("../../blobs/"))
            // Pickles and readmes stay where they are.
            #expect(!Folder.exists(path + "/pytorch_model.bin") && !Folder.exists(path + "/README.md"))
            #expect(try hub.settings.cache.resolve(#require(HubReference("org/model"))).path == path)
        }
    }

    @Test func theQuantisationFollowsFromMemory() async throws {
        let files: [String: [UInt8]] = [
            "m-Q4_K_M.gguf": Self.weights, "m-Q8_0.gguf": Self.weights + Self.weights,
            "m-Q3_K_M.gguf": Array(Self.weights.prefix(100_000)), "m-Q2_K.gguf": Array(Self.weights.prefix(50_000)),
        ]
        for (memory, name) in [(1 << 30, "Q4_K_M"), (200_000, "Q3_K_M"), (70_000, "Q2_K"), (10, "Q2_K")] {
            let told = Mutex<[String]>([])
            try await withHub(FakeHub(files: files)) { hub, _ in
                var settings = hub.settings
                settings.memory = memory
                settings.onChoice = { sentence in told.withLock { $0.append(sentence) } }
                let path = try await Hub(settings).download("org/model")
                #expect(path.hasSuffix("m-\(name).gguf"), "\(memory): \(path)")
            }
            let sentences = told.withLock { $0 }
            #expect(sentences.count == 1 && sentences[0].contains(name) && sentences[0].contains("org/model:"))
            #expect(sentences[0].contains("none fits") == (memory == 10))
        }
    }

    @Test func droppedConnectionsAreResumed() async throws {
        let server = FakeHub(files: Self.model, faults: ["model.safetensors": .drop(after: 100_000, times: 2)])
        try await withHub(server) { hub, _ in
            let path = try await hub.download("org/model")
            #expect(try Folder.read(path + "/model.safetensors") == Self.weights)
            // How much of what was sent before the drop arrives is the network's affair; that it is kept is ours.
            let starts = server.requests.compactMap { $0.headers["range"] }
                .compactMap { Int($0.dropFirst("bytes=".count).dropLast()) }
            #expect(starts.count == 2 && starts[0] > 0 && starts[1] > starts[0] && starts[1] <= 200_000)
        }
    }

    @Test func whatAnInterruptedPullLeftIsGoneOnWith() async throws {
        let cache = folder()
        let first = FakeHub(files: Self.model, faults: ["model.safetensors": .drop(after: 1000, times: 100)])
        await #expect(throws: HubError.self) { try await hub(first, cache).download("org/model") }
        first.stop()
        let blobs = try #require(FileManager.default.subpaths(atPath: cache)?.filter { $0.hasSuffix(".incomplete") })
        #expect(blobs.count == 1)
        let second = FakeHub(files: Self.model)
        defer {
            second.stop()
            try? FileManager.default.removeItem(atPath: cache)
        }
        let path = try await hub(second, cache).download("org/model")
        #expect(try Folder.read(path + "/model.safetensors") == Self.weights)
        let starts = second.requests.compactMap { $0.headers["range"] }
        #expect(starts.count == 1 && starts[0] != "bytes=0-")
        #expect(FileManager.default.subpaths(atPath: cache)?.contains { $0.hasSuffix(".incomplete") } == false)
    }

    @Test func aServerThatIgnoresRangesIsReadFromTheStart() async throws {
        let cache = folder()
        let first = FakeHub(files: Self.model, faults: ["model.safetensors": .drop(after: 1000, times: 100)])
        await #expect(throws: HubError.self) { try await hub(first, cache).download("org/model") }
        first.stop()
        let second = FakeHub(files: Self.model, faults: ["model.safetensors": .ignoresRange])
        defer {
            second.stop()
            try? FileManager.default.removeItem(atPath: cache)
        }
        let path = try await hub(second, cache).download("org/model")
        #expect(try Folder.read(path + "/model.safetensors") == Self.weights)
    }

    /// With an ETag that is no hash nothing else would show it.
    @Test(arguments: [FakeHub.Fault.otherRange, .noRange])
    func aServerThatGoesOnElsewhereIsReadFromTheStart(_ fault: FakeHub.Fault) async throws {
        let cache = folder()
        let blobs = cache + "/models--org--model/blobs"
        try FileManager.default.createDirectory(atPath: blobs, withIntermediateDirectories: true)
        try Data(Self.weights.prefix(5000)).write(to: URL(fileURLWithPath: blobs + "/no-hash.01020304.incomplete"))
        let server = FakeHub(files: Self.model, faults: ["model.safetensors": fault])
        defer {
            server.stop()
            try? FileManager.default.removeItem(atPath: cache)
        }
        let path = try await hub(server, cache).download("org/model")
        #expect(try Folder.read(path + "/model.safetensors") == Self.weights)
        #expect(server.requests.contains { $0.headers["range"] == "bytes=5000-" })
    }

    @Test func aBusyHubIsAskedAgainWhenItSays() async throws {
        let soon = DateFormatter()
        soon.locale = Locale(identifier: "en_US_POSIX")
        soon.timeZone = TimeZone(secondsFromGMT: 0)
        soon.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        for headers in [
            ["Retry-After": "2"], ["Retry-After": soon.string(from: Date() + 120)],
            ["RateLimit": "\"resolvers\";r=0;t=2"], [:],
        ] {
            let notes = Mutex<[String]>([])
            try await withHub(FakeHub(files: Self.model, faults: ["model.safetensors": .busy(headers)])) { hub, _ in
                var settings = hub.settings
                settings.longestPause = .seconds(1)
                settings.onRetry = { note in notes.withLock { $0.append(note) } }
                if headers.isEmpty {
                    _ = try await Hub(settings).download("org/model")
                } else {
                    let error = await #expect(throws: HubError.self) { try await Hub(settings).download("org/model") }
                    #expect(error.map { "\($0)".contains("status 429, and to ask again in ") } == true)
                }
            }
            #expect(notes.withLock { $0.count } == (headers.isEmpty ? 1 : 0))
        }
        let clock = ContinuousClock(),
            server = FakeHub(
                files: Self.model, faults: ["model.safetensors": .busy(["Retry-After": "1"])])
        try await withHub(server) { hub, _ in
            let time = try await clock.measure { _ = try await hub.download("org/model") }
            #expect(time >= .seconds(1))
        }
    }

    @Test(.timeLimit(.minutes(20))) func aConnectionThatCrawlsIsLeftForAnother() async throws {
        let server = FakeHub(files: Self.model, faults: ["model.safetensors": .crawl(after: 200_000, times: 1)])
        let cache = folder()
        defer {
            server.stop()
            try? FileManager.default.removeItem(atPath: cache)
        }
        var settings = hub(server, cache).settings
        settings.idleSeconds = 3
        let path = try await Hub(settings).download("org/model")
        #expect(try Folder.read(path + "/model.safetensors") == Self.weights)
        let start = try #require(server.requests.compactMap { $0.headers["range"] }.first)
        // What came before is kept. The first connection alone would have taken hours.
        #expect((Int(start.dropFirst("bytes=".count).dropLast()) ?? 0) > 0)
    }

    @Test func interruptionsOfALongDownloadAreNotCounted() async throws {
        // Nine connections that end after a good deal each, where five are tried that bring nothing.
        let server = FakeHub(files: Self.model, faults: ["model.safetensors": .drop(after: 30_000, times: 9)])
        try await withHub(server) { hub, _ in
            var settings = hub.settings
            settings.goodDeal = 10_000
            let path = try await Hub(settings).download("org/model")
            #expect(try Folder.read(path + "/model.safetensors") == Self.weights)
            #expect(server.requests.filter { $0.headers["range"] != nil }.count == 9)
        }
    }

    @Test func onlyWhatMayPassIsTriedAgain() async throws {
        // Nobody listens there; a port that was let go might go to the server of a test beside this one.
        let server = FakeHub(files: Self.model), cache = folder()
        defer { server.stop() }
        for (endpoint, attempts) in [("http://127.0.0.1:1", 3), ("http://user:secret@127.0.0.1:1", 1)] {
            let notes = Mutex<[String]>([])
            var settings = hub(server, cache).settings
            settings.endpoint = endpoint
            settings.onRetry = { note in notes.withLock { $0.append(note) } }
            do {
                _ = try await Hub(settings).download("org/model")
                Issue.record("nothing was there to download")
            } catch {
                #expect(!"\(error)".contains("secret"))
                if attempts > 1 { #expect("\(error)".contains("connection refused")) }
            }
            #expect(notes.withLock { $0.count } == attempts - 1)
        }
    }

    @Test func aWrongHashLeavesNothingBehind() async throws {
        try await withHub(FakeHub(files: Self.model, faults: ["model.safetensors": .wrongHash])) { hub, cache in
            await #expect(throws: HubError.self) { try await hub.download("org/model") }
            #expect(!blobs(cache).contains { $0.hasPrefix("000000") })
            #expect(!Folder.exists(cache + "/models--org--model/refs/main"))
        }
    }

    @Test func aWrongSizeIsRefused() async throws {
        try await withHub(FakeHub(files: Self.model, faults: ["model.safetensors": .wrongSize])) { hub, cache in
            await #expect(throws: HubError.self) { try await hub.download("org/model") }
            #expect(!Folder.exists(cache + "/models--org--model/refs/main"))
        }
    }

    @Test func serverErrorsAreRetried() async throws {
        try await withHub(FakeHub(files: Self.model, faults: ["model.safetensors": .status(503, times: 2)])) { hub, _ in
            let path = try await hub.download("org/model")
            #expect(try Folder.read(path + "/model.safetensors") == Self.weights)
        }
    }

    @Test func theTokenGoesToTheHubAlone() async throws {
        // Another port is another origin, as a hub's storage is.
        let other = FakeHub(files: ["/moved/model.safetensors": Self.weights])
        defer { other.stop() }
        let server = FakeHub(files: Self.model, faults: ["model.safetensors": .redirect(to: other.endpoint)])
        try await withHub(server, token: "hf_secret") { hub, _ in
            let path = try await hub.download("org/model")
            #expect(try Folder.read(path + "/model.safetensors") == Self.weights)
            #expect(server.requests.allSatisfy { $0.headers["authorization"] == "Bearer hf_secret" })
            #expect(!other.requests.isEmpty && other.requests.allSatisfy { $0.headers["authorization"] == nil })
        }
    }

    @Test(arguments: ["../escape", "/absolute", "a\\\\b", "a//b", "a/../../b"])
    func namesThatLeaveTheFolderAreRefused(_ name: String) async throws {
        try await withHub(FakeHub(files: Self.model, extraNames: [name])) { hub, cache in
            await #expect(throws: HubError.self) { try await hub.download("org/model") }
            #expect(blobs(cache).isEmpty)
        }
    }

    @Test func whatIsNotThereIsNamed() async throws {
        try await withHub(FakeHub(files: Self.model)) { hub, _ in
            await #expect(throws: HubError.notFound(repository: "org/nothing", file: nil)) {
                try await hub.download("org/nothing")
            }
            await #expect(throws: HubError.badReference("no reference")) { try await hub.download("no reference") }
        }
    }

    @Test func offlineNothingIsAsked() async throws {
        let server = FakeHub(files: Self.model), cache = folder()
        defer { server.stop() }
        await #expect(throws: HubError.offline("org/model")) {
            try await hub(server, cache, offline: true).download("org/model")
        }
        #expect(server.requests.isEmpty)
    }

    @Test func oneQuantisationIsChosenByName() async throws {
        let files = ["m-Q4_K_M.gguf": Self.weights, "m-Q4_K_S.gguf": [1], "m-Q8_0.gguf": [2], "config.json": [3]]
        try await withHub(FakeHub(files: files)) { hub, _ in
            let path = try await hub.download("org/model:q4_k_m")
            #expect(path.hasSuffix("/m-Q4_K_M.gguf"))
            #expect(try Folder.read(path) == Self.weights)
            await #expect(throws: HubError.self) { try await hub.download("org/model:Q4_K") }
        }
    }
}

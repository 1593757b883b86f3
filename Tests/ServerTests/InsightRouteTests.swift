import Foundation
import MartletJSON
import MartletServer
import Testing

/// `/inspect` and `/api/runs`, over the wire.
@Suite struct InsightRouteTests {
    @Test func inspectionComesOverTheWire() async throws {
        try await RunningServer.with { running in
            let reply = try await running.post(
                "/inspect", ["model": "tiny", "text": "the ring", "heads_off": [[0, 1]]])
            #expect(reply.status == 200)
            let json = try reply.json()
            #expect(json["object"]?.string == "inspection" && json["model"]?.string == "tiny")
            #expect(json["attention"]?.array?.count == 2 && json["heads_off"]?.text() == "[[0,1]]")
        }
    }

    @Test(arguments: [
        (#"{"text": "a", "model": "none"}"#, 404, "model"), (#"{"model": "tiny"}"#, 400, "text"),
        (#"{"text": "a", "heads_off": [[9, 9]]}"#, 400, "heads_off"),
    ]) func inspectionsAreRefusedInOpenAIsShape(_ body: String, _ status: Int, _ parameter: String) async throws {
        try await RunningServer.with { running in
            let reply = try await running.post("/inspect", JSON(parsing: Array(body.utf8)))
            #expect(reply.status == status)
            #expect(try reply.json()["error"]?["param"]?.string == parameter)
        }
    }

    @Test func runsAreListedReadAndStopped() async throws {
        let runs = try RunFolder(), trainer = try runs.train()
        defer {
            trainer.end()
            runs.remove()
        }
        var settings = ServerSettings()
        settings.runsFolder = runs.path
        try await RunningServer.with(settings: settings) { running in
            let list = try await running.get("/api/runs").json()["data"]?.array ?? []
            #expect(list.map { $0["name"]?.string } == ["first", "second"])
            #expect(list.map { $0["running"]?.bool } == [false, true])
            #expect(list.map { $0["step"]?.integer } == [40, 40] && list.map { $0["steps"]?.integer } == [100, nil])
            #expect(list.map { $0["minutes_planned"]?.double } == [nil, 2])
            #expect(list.allSatisfy { abs(($0["minutes"]?.double ?? 0) - 40.0 / 60) < 1e-9 })
            let one = try await running.get("/api/runs/first").json()
            let rate = one["configuration"]?.array?.first { $0["name"]?.string == "learning_rate" }
            #expect(rate?["value"]?.string == "0.003" && rate?["origin"]?.string == "command line")
            let log = try await running.get("/api/runs/first/log").json()
            #expect(log["lines"]?.array?.count == 44 && log["more"]?.bool == false)
            let offset = try #require(log["offset"]?.integer)
            let more = try await running.get("/api/runs/first/log?offset=\(offset)").json()
            #expect(more["lines"]?.array?.isEmpty == true && more["offset"]?.integer == offset)
            #expect(try await running.post("/api/runs/first/stop", [:]).status == 409)
            #expect(!trainer.isAskedToStop)
            #expect(try await running.post("/api/runs/second/stop", [:]).status == 200)
            #expect(trainer.isAskedToStop)
            #expect(try await running.get("/api/runs/second").json()["stopping"]?.bool == true)
        }
    }

    @Test(arguments: ["/api/runs/none", "/api/runs/..%2Ffirst", "/api/runs/%2e%2e/log", "/api/runs/none/log"])
    func onlyRunsOfTheFolderAreRead(_ path: String) async throws {
        let runs = try RunFolder()
        defer { runs.remove() }
        var settings = ServerSettings()
        settings.runsFolder = runs.path
        try await RunningServer.with(settings: settings) { running in
            let (unknown, negative) = (
                try await running.get(path), try await running.get("/api/runs/first/log?offset=-1")
            )
            #expect(unknown.status == 404 && negative.status == 400)
        }
    }

    @Test func withoutAFolderThereAreNoRuns() async throws {
        try await RunningServer.with { running in
            let (list, one) = (try await running.get("/api/runs"), try await running.get("/api/runs/first"))
            #expect(try list.json()["data"]?.array?.isEmpty == true && one.status == 404)
        }
    }
}

import Foundation
import MartletJSON
import MartletServer
import Testing

/// `/inspect` and `/api/runs`, over the wire.
struct InsightRouteTests {
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

    @Test func activationsArePatchedOverTheWire() async throws {
        try await RunningServer.with { running in
            let body: JSON = ["clean": "aab 123", "corrupted": "aab 124", "heads": true]
            let reply = try await running.post("/inspect/patch", body)
            #expect(reply.status == 200)
            let json = try reply.json()
            let tokens = try #require(json["clean_tokens"]?.array)
            #expect(
                json["residuals"]?.array?.count == 2 && json["residuals"]?.array?.first?.array?.count == tokens.count)
            #expect(json["heads"]?.array?.first?.array?.count == 4)
            // After the last layer the last token is all there is.
            let last = try #require(json["residuals"]?.array?.last?.array?.last?.double)
            #expect(abs(last - 1) < 1e-3)
            let cell = try await running.post(
                "/inspect/patch",
                [
                    "clean": "aab 123", "corrupted": "aab 124",
                    "cell": ["layer": 1, "token": .integer(Int64(tokens.count - 1))],
                ])
            #expect(cell.status == 200)
            #expect(abs((try cell.json()["cell"]?["restored"]?.double ?? 0) - last) < 1e-6)
        }
    }

    @Test func repliesAreSteeredOverTheWire() async throws {
        try await RunningServer.with { running in
            let body: JSON = [
                "prompt": "the ring", "towards": ["aab", "aaa"], "away": ["123"], "layer": 0, "strengths": [0, 4],
                "max_tokens": 6,
            ]
            let reply = try await running.post("/inspect/steer", body)
            #expect(reply.status == 200)
            let json = try reply.json(), replies = json["replies"]?.array ?? []
            #expect(replies.map { $0["strength"]?.double } == [0, 4])
            #expect(replies.first?["next"] != replies.last?["next"])
            #expect(json["length"]?.double ?? 0 > 0 && json["layers"]?.integer == 2)
            // The model is as it was.
            #expect(try await running.post("/inspect/steer", body).json() == json)
        }
    }

    @Test(arguments: [
        ("/inspect/patch", #"{"clean": "a", "corrupted": "a b c d"}"#, "corrupted"),
        ("/inspect/patch", #"{"clean": "a"}"#, "corrupted"),
        ("/inspect/patch", #"{"clean": "a", "corrupted": "b", "part": "x"}"#, "part"),
        ("/inspect/patch", #"{"clean": "a", "corrupted": "b", "cell": {"layer": 9, "token": 0}}"#, "cell"),
        ("/inspect/patch", #"{"clean": "a", "corrupted": "b", "layers": 2}"#, "layers"),
        ("/inspect/steer", #"{"prompt": "a", "towards": [], "away": ["b"]}"#, "towards"),
        ("/inspect/steer", #"{"prompt": "a", "towards": ["a"], "away": ["b"], "layer": 9}"#, "layer"),
        ("/inspect/steer", #"{"prompt": "a", "towards": ["a"], "away": ["b"], "strengths": [1e9]}"#, "strengths[0]"),
    ]) func interventionsAreRefusedByName(_ path: String, _ body: String, _ parameter: String) async throws {
        try await RunningServer.with { running in
            let reply = try await running.post(path, JSON(parsing: Array(body.utf8)))
            #expect(reply.status == 400)
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
            let all = try await running.get("/api/runs").json(), list = all["data"]?.array ?? []
            #expect(all["watched"]?.bool == true)
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

    @Test func aServerWithoutAFolderOfRunsSaysSo() async throws {
        try await RunningServer.with { running in
            let all = try await running.get("/api/runs").json()
            #expect(all["data"]?.array?.isEmpty == true && all["watched"]?.bool == false)
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

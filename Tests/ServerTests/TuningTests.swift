import Foundation
import Martlet
import MartletAPI
import MartletJSON
import MartletServer
import TestServers
import Testing

/// Runs of training begun over the wire: what the program is started with, how it is watched and stopped, and what is refused.
struct TuningTests {
    /// Folders of runs and data, and a program in the place of martlet that writes its arguments and waits to be stopped.
    private final class Place {
        let path: String
        var runs: String { path + "/runs" }
        var settings: TuningSettings

        init(_ script: String? = nil) throws {
            path = NSTemporaryDirectory() + "martlet-tuning-" + UUID().uuidString
            for name in ["runs", "data/more"] {
                try FileManager.default.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: true)
            }
            try #"[{"prompt": "a", "response": "b"}]"#.write(
                toFile: path + "/data/chats.json", atomically: true, encoding: .utf8)
            try "{}".write(toFile: path + "/data/more/b.jsonl", atomically: true, encoding: .utf8)
            try "secret".write(toFile: path + "/secret.json", atomically: true, encoding: .utf8)
            symlink(path + "/secret.json", path + "/data/link.json")
            // A run is what has a log.
            let usual = """
                #!/bin/sh
                for word in "$@"; do printf '%s\\n' "$word"; done
                while [ $# -gt 0 ]; do [ "$1" = --out ] && out="$2"; shift; done
                mkdir -p "$out"
                echo '{"kind":"step","step":1,"loss":2.5,"seconds":1}' > "$out/log.jsonl"
                trap 'echo saved; exit 130' TERM
                echo ready
                while :; do sleep 0.05; done
                """
            let program = path + "/program"
            try (script.map { "#!/bin/sh\n" + $0 } ?? usual).write(toFile: program, atomically: true, encoding: .utf8)
            chmod(program, 0o755)
            settings = TuningSettings(program: program, dataFolder: path + "/data")
        }

        func remove() { try? FileManager.default.removeItem(atPath: path) }

        func plan(_ body: String, upload: String? = nil) throws -> TuningPlan {
            let request = try TuningRequest(Array(body.utf8))
            return try TuningPlan(request, settings, upload: upload, run: runs + "/x") { name, parameter in
                guard ["m", "runs/rm"].contains(name) else {
                    throw APIError(status: 404, "no \(name)", parameter: parameter, code: "model_not_found")
                }
                return .init(path: "/models/\(name)")
            }
        }
    }

    @Test func argumentsAreMadeOfCheckedParts() throws {
        let place = try Place()
        defer { place.remove() }
        let plan = try place.plan(
            #"""
            {"name": "x", "method": "sft", "model": "m", "data": ["chats.json", "more/b.jsonl"], "resume": true,
             "options": {"rank": 4, "adapter": "lora", "targets": "q_proj;rm -rf /", "learning_rate": 1e-4}}
            """#)
        let real = try #require(Folder.real(place.path))
        #expect(
            plan.arguments == [
                "sft", "/models/m", "--out", place.runs + "/x", "--data", real + "/data/chats.json", "--data",
                real + "/data/more/b.jsonl", "--set", "rank=4", "--set", "adapter=lora", "--set",
                "targets=q_proj;rm -rf /", "--set", "learning_rate=0.0001", "--resume", "auto",
            ])
        let policy = try place.plan(
            #"""
            {"name": "x", "method": "grpo", "model": "m",
             "options": {"task": "arithmetic", "reward": "number,runs/rm=0.5", "reference": "m", "kl_weight": 0.1}}
            """#)
        #expect(policy.arguments.contains("reward=number,/models/runs/rm=0.5"))
        #expect(policy.arguments.contains("reference=/models/m"))
    }

    @Test(arguments: [
        (#""method": "train", "model": "m", "data": ["chats.json"]"#, "method"),
        (#""method": "sft", "data": ["chats.json"]"#, "model"), (#""method": "sft", "model": "m""#, "data"),
        (#""method": "sft", "model": "m", "data": ["../secret.json"]"#, "data[0]"),
        (#""method": "sft", "model": "m", "data": ["/etc/passwd"]"#, "data[0]"),
        (#""method": "sft", "model": "m", "data": ["link.json"]"#, "data[0]"),
        (#""method": "sft", "model": "m", "data": ["none.json"]"#, "data[0]"),
        (#""method": "sft", "model": "other", "data": ["chats.json"]"#, "model"),
        (#"S, "options": {"rnk": 1}"#, "options.rnk"),
        (#"S, "options": {"rank": -1}"#, "options.rank"),
        (#"S, "options": {"out": "/tmp/x"}"#, "options.out"),
        (#"S, "options": {"adapter_from": "/x"}"#, "options.adapter_from"),
        (#""method": "grpo", "model": "m", "data": ["chats.json", "more/b.jsonl"]"#, "data"),
        (#"G, "options": {"reward": "./judge.py"}"#, "options.reward"),
        (#"G, "options": {"tools": "./tool.py"}"#, "options.tools"),
        (#"G, "options": {"reward": "number,/bin/sh=2"}"#, "options.reward"),
        (#"G, "options": {"reward": "regex:/a/,/bin/sh"}"#, "options.reward"),
        (#"G, "options": {"reward": "runs/none"}"#, "options.reward"),
        (#"D, "options": {"teacher": "/models/x"}"#, "options.teacher"),
    ]) func nothingOutsideOfTheFoldersIsReached(_ members: String, _ parameter: String) throws {
        let place = try Place()
        defer { place.remove() }
        var members = members
        for (short, method) in [("S", "sft"), ("G", "grpo"), ("D", "distill")] where members.hasPrefix(short) {
            members = #""method": "\#(method)", "model": "m", "data": ["chats.json"]"# + members.dropFirst()
        }
        let error = #expect(throws: APIError.self) { try place.plan("{\"name\": \"x\", \(members)}") }
        #expect(error?.parameter == parameter, "\(error?.message ?? "")")
    }

    private static func settings(_ place: Place) -> ServerSettings {
        var settings = ServerSettings()
        settings.runsFolder = place.runs
        settings.tuning = place.settings
        settings.drain = .seconds(600)
        return settings
    }

    private static func state(_ name: String, _ running: RunningServer, until wanted: String) async throws -> JSON {
        var found = JSON.null
        _ = try await eventually {
            found = try await running.get("/api/tune/\(name)").json()
            return found["state"]?.string == wanted
        }
        return found
    }

    @Test func aRunIsBegunWatchedStoppedAndGoneOnWith() async throws {
        let place = try Place(), log = place.runs + "/.tuning/first.log"
        defer { place.remove() }
        try await RunningServer.with(settings: Self.settings(place)) { running in
            let offer = try await running.get("/api/tune").json()
            #expect(offer["data"]?.array?.compactMap { $0["name"]?.string } == ["chats.json", "more/b.jsonl"])
            #expect(offer["models"]?.array?.compactMap(\.string) == ["tiny"] && offer["most_runs"] == 1)
            let sft = try #require(offer["methods"]?.array?.first { $0["name"] == "sft" })
            let rank = try #require(sft["options"]?.array?.first { $0["name"] == "rank" })
            #expect(rank["kind"]?["type"] == "integer" && rank["default"]?.string == "16")
            let body: JSON = [
                "name": "first", "method": "sft", "model": "tiny", "data": ["chats.json"],
                "upload": ["name": "rows.jsonl", "text": "{}\n"], "options": ["steps": 3],
            ]
            let begun = try await running.post("/api/tune", body)
            let beginning = try begun.json()["state"]?.string
            #expect(begun.status == 200 && beginning == "running", "\(begun.text)")
            var output: [String] = []
            _ = try await eventually {
                output = try await running.get("/api/tune/first").json()["output"]?.array?.compactMap(\.string) ?? []
                return output.contains("ready")
            }
            #expect(output.first == "sft" && output.contains("steps=3"))
            #expect(output.contains { $0.hasSuffix("/.tuning/rows/rows-first.jsonl") })
            #expect(try await running.get("/api/runs").json()["data"]?.array?.first?["name"] == "first")
            // One at a time, and no name twice.
            var second = body.object ?? JSONObject()
            second["name"] = "second"
            let refused = try await running.post("/api/tune", .object(second))
            let code = try refused.json()["error"]?["code"]?.string
            #expect(refused.status == 429 && code == "too_many_runs")
            #expect(try await running.post("/api/tune", body).status == 409)
            let stopping = try await running.post("/api/tune/first/stop", [:]).json()
            #expect(["stopping", "stopped"].contains(stopping["state"]?.string ?? ""))
            let stopped = try await Self.state("first", running, until: "stopped")
            #expect(stopped["output"]?.array?.last == "saved" && stopped["reason"]?.isNull == true)
            #expect(try await running.post("/api/tune/first/stop", [:]).status == 409)
            // What the new request leaves out is as it was.
            let again = try await running.post("/api/tune", ["name": "first", "resume": true, "options": ["steps": 9]])
            #expect(again.status == 200, "\(again.text)")
            _ = try await Self.state("first", running, until: "running")
            #expect(try await running.get("/api/tune").json()["runs"]?.array?.count == 1)
            #expect(try await eventually { try String(contentsOfFile: log, encoding: .utf8).hasSuffix("ready\n") })
            await running.server.drain()
        }
        // The server has asked it to save before it ended.
        let text = try String(contentsOfFile: log, encoding: .utf8)
        #expect(text.contains("steps=9") && text.contains("--resume\nauto\n") && text.hasSuffix("saved\n"))
    }

    @Test func aProgramThatFailsSaysWhy() async throws {
        let place = try Place("echo 'martlet: chats.json: nothing is left to learn from' >&2; exit 1")
        defer { place.remove() }
        try await RunningServer.with(settings: Self.settings(place)) { running in
            _ = try await running.post(
                "/api/tune", ["name": "x", "method": "sft", "model": "tiny", "data": ["chats.json"]])
            let failed = try await Self.state("x", running, until: "failed")
            #expect(failed["reason"]?.string == "martlet: chats.json: nothing is left to learn from")
        }
    }

    @Test func itTakesTheAdminScopeAndTheFlag() async throws {
        let place = try Place()
        defer { place.remove() }
        var settings = Self.settings(place)
        var reader = APIKey(name: "reader", secret: "sk-reader")
        reader.scopes = [.inference]
        settings.keys = [reader, APIKey(secret: "sk-owner")]
        try await RunningServer.with(settings: settings) { running in
            for (key, wanted) in [("sk-reader", 403), ("sk-owner", 200)] {
                let reply = try await running.get("/api/tune", ["authorization": "Bearer " + key])
                #expect(reply.status == wanted)
            }
        }
        try await RunningServer.with { running in
            let off = try await running.get("/api/tune")
            let code = try off.json()["error"]?["code"]?.string
            #expect(off.status == 404 && code == "tuning_off")
            #expect(try await running.post("/api/tune", ["name": "x"]).status == 404)
        }
        var without = ServerSettings()
        without.tuning = place.settings
        let refusal = #expect(throws: ServerError.self) { try Server(without, ModelRegistry([])) }
        #expect(refusal?.description.contains("--runs") == true)
    }
}

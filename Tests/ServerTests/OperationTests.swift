import Foundation
import Logging
import MartletJSON
import MartletServer
import Testing

/// What whoever runs a server sees.
struct OperationTests {
    @Test func metricsAreWellFormedUnderAllNames() async throws {
        try await RunningServer.with(["tiny"]) { running in
            _ = try await running.post("/v1/completions", ["prompt": "hello", "max_tokens": 4])
            let reply = try await running.get("/metrics")
            #expect(reply.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            var typed: Set<String> = [], current = ""
            for line in reply.text.split(separator: "\n") {
                if line.hasPrefix("# TYPE ") {
                    current = String(line.split(separator: " ")[2])
                    #expect(typed.insert(current).inserted, "\(current) twice")
                } else if !line.hasPrefix("#") {
                    let name = line.prefix { $0 != "{" && $0 != " " }
                    #expect(name.hasPrefix(current), "\(line)")
                    #expect(Double(line.split(separator: " ").last ?? "") != nil, "\(line)")
                }
            }
            for name in [
                "martlet_reply_tokens_total{model_name=\"tiny\"} 4",
                "vllm:generation_tokens_total{model_name=\"tiny\"} 4",
                "llamacpp:tokens_predicted_total{model_name=\"tiny\"} 4", "vllm:time_to_first_token_seconds_count",
                "martlet_http_requests_total{method=\"POST\",route=\"/v1/completions\",status=\"200\"} 1",
                "vllm:num_requests_running", "vllm:kv_cache_usage_perc",
            ] { #expect(reply.text.contains(name), "\(name)") }
        }
    }

    /// A program with a server in it has them where its other metrics go.
    @Test func theProgramsBackendOfMetricsHearsOfRequests() throws {
        let backend = HeardMetrics()
        let metrics = ServerMetrics(factory: backend)
        for status in [200, 200, 404] {
            metrics.begin()
            metrics.end(method: "GET", route: "/v1/models", status: status, seconds: 0.25)
        }
        let get = "method=GET route=/v1/models"
        #expect(backend["martlet_http_requests_total \(get) status=200"] == [1, 1])
        #expect(backend["martlet_http_requests_total \(get) status=404"] == [1])
        let seconds = backend["martlet_http_request_duration_seconds route=/v1/models"]
        #expect(seconds == [250_000_000, 250_000_000, 250_000_000])
    }

    @Test func drainingLetsRequestsEndAndRefusesNewOnes() async throws {
        var settings = ServerSettings()
        settings.drain = .seconds(600)
        try await RunningServer.with(settings: settings) { running in
            let slowed = try await running.slowedEngine()
            // 20 s as long as it is slowed: it is seen to run however late this looks.
            let body: JSON = ["prompt": "hello", "max_tokens": 200, "n": 8, "temperature": 1]
            async let long = running.post("/v1/completions", body)
            while slowed.engine.statistics().runningRequests == 0 { try await Task.sleep(for: .milliseconds(1)) }
            async let drained: Void = running.server.drain()
            while !running.server.isDraining { try await Task.sleep(for: .milliseconds(1)) }
            let refused = try await running.post("/v1/completions", body)
            #expect(refused.status == 503)
            #expect(refused.fields["connection"] == "close")
            #expect(refused.errorCode == "shutting_down")
            #expect(try await running.get("/readyz").status == 503)
            #expect(try await running.get("/livez").status == 200)
            slowed.letGo()
            #expect(try await long.status == 200)
            await drained
        }
    }

    @Test func whatTakesLongerThanTheDrainEndsWithAnError() async throws {
        var settings = ServerSettings()
        settings.drain = .zero
        settings.lastEvents = .seconds(600)
        try await RunningServer.with(settings: settings) { running in
            let slowed = try await running.slowedEngine()
            let body: JSON = ["prompt": "hello", "max_tokens": 500, "n": 16, "stream": true, "temperature": 1]
            async let long = running.post("/v1/completions", body)
            while slowed.engine.statistics().runningRequests == 0 { try await Task.sleep(for: .milliseconds(1)) }
            await running.server.drain()
            let reply = try await long
            #expect(reply.events.last?.contains("\"error\"") == true)
            slowed.letGo()
        }
    }

    @Test func linesOfTheLogStayLines() throws {
        let metadata: Logger.Metadata = ["text": "a \"b\"\nc", "count": "3"]
        let text = LineLog.line(.text, .info, "hello\nworld", metadata, time: "T")
        #expect(text == "T info \"hello\\nworld\" count=3 text=\"a \\\"b\\\"\\nc\"")
        let json = try JSON(parsing: Array(LineLog.line(.json, .info, "hello", metadata, time: "T").utf8))
        #expect(json["text"]?.string == "a \"b\"\nc")
        #expect(json["level"]?.string == "info")
    }

    @Test func theOpenAPIDocumentListsTheRoutes() async throws {
        try await RunningServer.with { running in
            let json = try await running.get("/openapi.json").json()
            #expect(json["openapi"]?.string == "3.1.0")
            #expect(json["paths"]?["/v1/chat/completions"]?["post"] != nil)
            #expect(json["paths"]?["/v1/models/{model}"]?["get"] != nil)
        }
    }

    /// A route whose body or reply nobody has described would be one that no fuzzer reaches.
    @Test func theOpenAPIDocumentDescribesEveryRoute() async throws {
        try await RunningServer.with { running in
            let paths = try #require(try await running.get("/openapi.json").json()["paths"]?.object)
            for (path, operations) in paths where path != "/openapi.json" {
                for (method, operation) in operations.object ?? [:] {
                    // Stopping and offering a run take no body.
                    let takesBody =
                        method == "post" && !path.hasSuffix("/stop") && !path.hasSuffix("/offer")
                        || path == "/api/delete"
                    #expect((operation["requestBody"] != nil) == takesBody, "\(method) \(path)")
                    // Ollama answers these two with the status alone.
                    let isEmpty = ["/api/copy", "/api/delete"].contains(path)
                    #expect((operation["responses"]?["200"]?["content"] == nil) == isEmpty, "\(method) \(path)")
                }
            }
        }
    }

    @Test func embeddedPagesAreTheFiles() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let pages = root.appending(path: "Sources/Server/Pages").path
        let names = (FileManager.default.enumerator(atPath: pages)?.compactMap { $0 as? String } ?? []).filter { name in
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: "\(pages)/\(name)", isDirectory: &isFolder)
            return !isFolder.boolValue && !(name.split(separator: "/").last ?? "").hasPrefix(".")
        }
        let embedded = Dictionary(uniqueKeysWithValues: EmbeddedPages.files.map { ($0.path, $0.bytes) })
        #expect(Set(embedded.keys.filter { !$0.hasPrefix("docs/") }) == Set(names))
        for (path, bytes) in embedded where path.hasPrefix("docs/") {
            #expect(bytes == [UInt8](FileManager.default.contents(atPath: root.appending(path: path).path) ?? Data()))
        }
        for name in names {
            let bytes = [UInt8](FileManager.default.contents(atPath: "\(pages)/\(name)") ?? Data())
            #expect(embedded[name] == bytes, "\(name)")
        }
    }
}

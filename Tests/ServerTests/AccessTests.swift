import MartletJSON
import MartletServer
import Testing

/// Who is let in.
struct AccessTests {
    private var settings: ServerSettings {
        var settings = ServerSettings()
        settings.keys = [APIKey(secret: "sk-everything")]
        if let keys = try? KeyFile.parse("reader sk-inference-only", file: "k") { settings.keys += keys }
        return settings
    }

    @Test func everyRouteButHealthChecksAndPagesNeedsAKey() async throws {
        try await RunningServer.with(settings: settings) { running in
            for path in ["/health", "/v1/health", "/ping", "/livez", "/readyz", "/"] {
                #expect(try await running.get(path).status == 200, "\(path)")
            }
            let closed = [
                "/v1/models", "/v1/models/tiny", "/metrics", "/version", "/openapi.json", "/tokenizer_info", "/nothing",
                "/admin/models/load", "/v1/chat/completions", "//v1/models", "/V1/models", "/v1/models/../../health",
            ]
            for path in closed {
                let reply = try await running.get(path)
                #expect(reply.status == 401, "\(path)")
                #expect(reply.errorCode == "missing_api_key", "\(path)")
                #expect(reply.fields["www-authenticate"] == "Bearer")
            }
            #expect(try await running.post("/v1/completions", ["prompt": "a"]).status == 401)
        }
    }

    @Test func bothWaysOfShowingAKeyWork() async throws {
        try await RunningServer.with(settings: settings) { running in
            let right = [
                ["Authorization": "Bearer sk-everything"], ["authorization": "bearer  sk-everything"],
                ["x-api-key": "sk-everything"], ["api-key": "sk-everything"],
            ]
            for fields in right {
                let status = try await running.get("/v1/models", fields).status
                #expect(status == 200, "\(fields)")
            }
            for wrong in ["Bearer", "Bearer sk-everythin", "Basic sk-everything", "sk-everything"] {
                let status = try await running.get("/v1/models", ["Authorization": wrong]).status
                #expect(status == 401, "\(wrong)")
            }
        }
    }

    @Test func aKeyDoesWhatItsScopesSay() async throws {
        try await RunningServer.with(settings: settings) { running in
            let key = ["x-api-key": "sk-inference-only"]
            #expect(try await running.get("/v1/models", key).status == 200)
            let reply = try await running.get("/metrics", key)
            #expect(reply.status == 403)
            #expect(reply.errorCode == "insufficient_scope")
            #expect(try await running.post("/admin/models/unload", ["model": "tiny"], key).status == 403)
        }
    }

    @Test func beyondThisMachineAKeyIsNeeded() throws {
        var settings = ServerSettings()
        settings.host = "0.0.0.0"
        #expect { try Server(settings, ModelRegistry([])) } throws: { "\($0)".contains("--api-key") }
        settings.allowsAnonymous = true
        _ = try Server(settings, ModelRegistry([]))
        for host in ["127.0.0.1", "127.1.2.3", "localhost", "::1"] {
            settings.host = host
            #expect(settings.isLoopback)
        }
        for host in ["127.example.org", "192.168.0.1", "::", "example.org"] {
            settings.host = host
            #expect(!settings.isLoopback)
        }
    }

    @Test func aPortInUseIsToldBeforeAnythingIsLoaded() async throws {
        try await RunningServer.with { running in
            var settings = ServerSettings()
            settings.port = running.port
            let second = try Server(settings, ModelRegistry([]))
            #expect { try second.checkAddress() } throws: { "\($0)".contains("port \(running.port) is in use") }
        }
    }

    @Test func namesThatPointHereAreRefused() async throws {
        try await RunningServer.with { running in
            for host in ["localhost:1", "127.0.0.1", "[::1]:80", "10.0.0.1", "a.localhost"] {
                #expect(try await running.get("/v1/models", ["Host": host]).status == 200, "\(host)")
            }
            for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"] {
                let reply = try await running.get("/v1/models", ["Host": host])
                #expect(reply.status == 403, "\(host)")
                #expect(reply.errorCode == "host_not_allowed")
            }
            for host in ["[::1].evil.example", "[::1", "localhost:80.evil.example"] {
                let reply = try await running.get("/v1/models", ["Host": host])
                #expect(reply.status == 400, "\(host)")
                #expect(reply.errorCode == "bad_host")
            }
        }
    }

    @Test func otherSitesMayNotChangeAnything() async throws {
        try await RunningServer.with { running in
            let other = try await running.post("/tokenize", ["prompt": "a"], ["Origin": "https://evil.example"])
            #expect(other.status == 403)
            #expect(other.errorCode == "origin_not_allowed")
            let own = try await running.post(
                "/tokenize", ["prompt": "a"], ["Origin": "http://localhost:80", "Host": "localhost:80"])
            #expect(own.status == 200)
            #expect(own.fields["access-control-allow-origin"] == nil)
            let read = try await running.get("/v1/models", ["Origin": "https://evil.example"])
            #expect(read.fields["access-control-allow-origin"] == nil)
        }
    }

    /// Whatever can load a model is held to the origin, GET or not; where a browser names no origin, to the site it names.
    @Test func otherSitesMayNotHaveModelsLoaded() async throws {
        let foreign = [
            ["Origin": "https://evil.example"], ["Sec-Fetch-Site": "cross-site"], ["Sec-Fetch-Site": "same-site"],
        ]
        try await RunningServer.with { running in
            for path in ["/props?model=tiny", "/tokenizer_info", "//props/"] {
                for fields in foreign {
                    let reply = try await running.get(path, fields)
                    #expect(reply.status == 403, "\(path) \(fields)")
                    #expect(reply.errorCode == "origin_not_allowed")
                    #expect(try await running.get(path, fields, method: "HEAD").status == 403)
                }
            }
            #expect(running.server.models.loaded.isEmpty)
            for fields in [[:], ["Sec-Fetch-Site": "same-origin"], ["Sec-Fetch-Site": "none"]] {
                #expect(try await running.get("/props", fields).status == 200)
            }
            // Reading is no change.
            #expect(try await running.get("/v1/models", ["Sec-Fetch-Site": "cross-site"]).status == 200)
        }
    }

    /// Routes that read and load nothing are few enough to be listed; a new one has to say which kind it is.
    @Test func onlyTheseRoutesChangeNothing() throws {
        let server = try Server(ServerSettings(), ModelRegistry([]))
        let reading = Set(server.routes().filter { !$0.changesState }.map(\.path))
        let known: Set = [
            "/livez", "/readyz", "/health", "/version", "/metrics", "/v1/models", "/models", "/v1/models/{model...}",
            "/models/{model...}", "/responses/{id}", "/responses/{id}/input_items", "/v1/responses/{id}",
            "/v1/responses/{id}/input_items", "/api/version", "/api/tags", "/api/ps", "/info",
            "/slots", "/load", "/lora-adapters", "/api/runs", "/api/runs/{name}", "/api/runs/{name}/log", "/",
            "/ui/{path...}",
            "/api/tune", "/api/tune/{name}", "/openapi.json",
        ]
        let pages = server.routes().filter { $0.scope == .open }.map(\.path)
        #expect(reading.subtracting(known).subtracting(pages).isEmpty)
    }

    @Test func unloadingByOllamasWordsNeedsTheRightToIt() async throws {
        try await RunningServer.with(settings: settings) { running in
            let body: JSON = ["model": "tiny", "keep_alive": 0]
            let reply = try await running.post("/api/generate", body, ["x-api-key": "sk-inference-only"])
            #expect(reply.status == 403)
            #expect(try reply.json()["error"]?.string?.contains("admin") == true)
            #expect(try await running.post("/api/generate", body, ["x-api-key": "sk-everything"]).status == 200)
        }
    }

    @Test func listedSitesMay() async throws {
        var settings = ServerSettings()
        settings.allowedOrigins = ["https://app.example"]
        try await RunningServer.with(settings: settings) { running in
            let fields = ["Origin": "https://app.example"]
            let preflight = try await running.get("/v1/chat/completions", fields, method: "OPTIONS")
            #expect(preflight.status == 204)
            #expect(preflight.fields["access-control-allow-origin"] == "https://app.example")
            #expect(preflight.fields["access-control-allow-headers"]?.contains("authorization") == true)
            let reply = try await running.post("/tokenize", ["prompt": "a"], fields)
            #expect(reply.status == 200)
            #expect(reply.fields["access-control-allow-origin"] == "https://app.example")
        }
    }

    @Test func quotasAreToldInHeaderFields() async throws {
        var settings = ServerSettings()
        settings.keys = try KeyFile.parse("a sk-a-key-of-a rpm=2\nb sk-a-key-of-b", file: "k")
        try await RunningServer.with(settings: settings) { running in
            // The model is loaded beforehand: a place comes back every half minute.
            _ = try await running.post("/tokenize", ["prompt": "a"], ["x-api-key": "sk-a-key-of-b"])
            let key = ["x-api-key": "sk-a-key-of-a"]
            let first = try await running.post("/tokenize", ["prompt": "a"], key)
            #expect(first.fields["x-ratelimit-limit-requests"] == "2")
            #expect(first.fields["x-ratelimit-remaining-requests"] == "1")
            var last = first
            // The third, or a later one on a machine that needs half a minute for one.
            for _ in 0..<20 where last.status != 429 {
                last = try await running.post("/tokenize", ["prompt": "a"], key)
            }
            #expect(last.status == 429)
            let seconds = try #require(Int(last.fields["retry-after"] ?? ""))
            let milliseconds = try #require(Int(last.fields["retry-after-ms"] ?? ""))
            #expect((1...30).contains(seconds) && seconds == (milliseconds + 999) / 1000)
            #expect(last.errorCode == "rate_limit_exceeded")
        }
    }
}

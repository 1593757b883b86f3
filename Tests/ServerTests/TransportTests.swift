import Foundation
import MartletJSON
import MartletServer
import Synchronization
import TestServers
import Testing

/// What comes over the wire, whole and broken.
struct TransportTests {
    @Test func errorsHaveOpenAIsShapeEverywhere() async throws {
        var settings = ServerSettings()
        settings.limits.body = 1000
        settings.limits.headers = 2048
        try await RunningServer.with(settings: settings) { running in
            let long = String(repeating: "a", count: 4000)
            let cases: [(Int, String, [UInt8])] = [
                (404, "not_found", RunningServer.request("GET", "/nothing", [:], body: nil)),
                (405, "method_not_allowed", RunningServer.request("DELETE", "/v1/models", [:], body: nil)),
                (413, "request_too_large", RunningServer.request("POST", "/tokenize", [:], body: Array(long.utf8))),
                (
                    413, "request_too_large",
                    Array(
                        "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n\(long)"
                            .utf8)
                ),
                (431, "header_too_large", RunningServer.request("GET", "/health", ["X-Long": long], body: nil)),
                (400, "bad_http", Array("This is no HTTP\r\n\r\n".utf8)),
                (400, "bad_path", RunningServer.request("GET", "/%zz", [:], body: nil)),
                (400, "invalid_json", RunningServer.request("POST", "/admin/models/load", [:], body: Array("{".utf8))),
                (
                    415, "unsupported_encoding",
                    RunningServer.request("POST", "/tokenize", ["Content-Encoding": "gzip"], body: Array("x".utf8))
                ),
            ]
            for (status, code, bytes) in cases {
                let reply = try await running.exchange(bytes)
                #expect(reply.status == status, "\(code)")
                let error = try reply.json()["error"]
                #expect(error?["code"]?.string == code)
                #expect(error?["message"]?.string?.isEmpty == false)
                #expect(error?["type"]?.string?.isEmpty == false)
            }
            #expect(try await running.get("/v1/models", method: "DELETE").fields["allow"] == "GET, HEAD, OPTIONS")
        }
    }

    @Test func headIsGetWithoutTheBody() async throws {
        try await RunningServer.with { running in
            let get = try await running.get("/v1/models")
            let head = try await running.get("/v1/models", method: "HEAD")
            #expect(head.status == 200)
            #expect(head.body.isEmpty)
            #expect(head.fields["content-length"] == "\(get.body.count)")
        }
    }

    @Test func requestIDsAreEchoedOrMade() async throws {
        try await RunningServer.with { running in
            #expect(try await running.get("/health", ["x-request-id": "abc-123"]).fields["x-request-id"] == "abc-123")
            let bad = try await running.get("/health", ["x-request-id": "a b\"c"]).fields["x-request-id"]
            #expect(bad?.hasPrefix("req-") == true)
        }
    }

    @Test func slowHeadersEndTheConnection() async throws {
        var settings = ServerSettings()
        settings.limits.headerTime = .milliseconds(300)
        try await RunningServer.with(settings: settings) { running in
            let port = running.port
            let reply = try await RawSocket.away {
                let socket = try RawSocket(port: port)
                try socket.send(Array("GET /health HTTP/1.1\r\nHost: ".utf8))
                return try RawReply(socket.readToEnd())
            }
            #expect(reply.status == 408)
            #expect(reply.errorCode == "request_timeout")
        }
    }

    @Test func slowBodiesEndTheConnection() async throws {
        var settings = ServerSettings()
        settings.limits.bodyTime = .milliseconds(300)
        try await RunningServer.with(settings: settings) { running in
            let port = running.port
            let reply = try await RawSocket.away {
                let socket = try RawSocket(port: port)
                try socket.send(
                    Array("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{".utf8))
                return try RawReply(socket.readToEnd())
            }
            #expect(reply.status == 408)
        }
    }

    /// Most clients read nothing before they have sent everything.
    @Test func aSlowUploadThatIsRefusedIsToldWhy() async throws {
        var settings = ServerSettings()
        settings.keys = [APIKey(secret: "sk-transport")]
        settings.limits.lingering = .seconds(1)
        try await RunningServer.with(settings: settings) { running in
            let port = running.port
            let request = RunningServer.request("POST", "/tokenize", [:], body: Array(repeating: 0x20, count: 26_000))
            let reply = try await RawSocket.away { () -> RawReply? in
                // A client that a busy machine lets rest for a second is left rightly, and asks again.
                for _ in 0..<20 {
                    let socket = try RawSocket(port: port)
                    var isWhole = true
                    for start in stride(from: 0, to: request.count, by: 2000) where isWhole {
                        isWhole = socket.sendsAll(Array(request[start..<min(start + 2000, request.count)]))
                        usleep(200_000)
                    }
                    if isWhole { return try RawReply(socket.readToEnd()) }
                }
                return nil
            }
            #expect(reply?.status == 401 && reply?.errorCode == "missing_api_key")
        }
    }

    @Test func anUploadThatIsRefusedAndGoesOnForeverIsCut() async throws {
        var settings = ServerSettings()
        settings.keys = [APIKey(secret: "sk-transport")]
        settings.limits.lingering = .milliseconds(100)
        settings.limits.bodyTime = .milliseconds(300)
        try await RunningServer.with(settings: settings) { running in
            let port = running.port
            let isCut = try await RawSocket.away {
                let socket = try RawSocket(port: port)
                let head = "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n\r\n"
                try socket.send(Array(head.utf8))
                return waited { !socket.sendsAll([0x20]) }
            }
            #expect(isCut)
            #expect(try await eventually { running.server.openConnections == 0 })
        }
    }

    /// What counts is whether a client reads, not how long all of a reply takes it.
    @Test func aSlowReaderGetsAllOfALargeReply() async throws {
        var settings = ServerSettings()
        settings.limits.writeTime = .milliseconds(500)
        settings.limits.sendBuffer = 16 << 10
        try await RunningServer.with(settings: settings) { running in
            let port = running.port
            let prompt: JSON = ["prompt": .string(String(repeating: "a b 1 2 ", count: 40_000))]
            let request = RunningServer.request("POST", "/tokenize", [:], body: prompt.bytes())
            let isWhole = try await RawSocket.away {
                // A client that a busy machine lets rest for half a second is left rightly, and asks again.
                for _ in 0..<20 {
                    let socket = try RawSocket(port: port, receiveBuffer: 4096)
                    try socket.send(request)
                    var all: [UInt8] = []
                    while true {
                        let bytes = socket.read(upTo: 4096)
                        if bytes.isEmpty { break }
                        all += bytes
                        usleep(20_000)
                    }
                    let reply = try RawReply(all)
                    guard let length = Int(reply.fields["content-length"] ?? ""), length > 400_000 else { return false }
                    if reply.body.count == length { return true }
                }
                return false
            }
            #expect(isWhole)
        }
    }

    @Test func halfARequestIsNotTakenForAWhole() async throws {
        try await RunningServer.with { running in
            // Valid JSON so far, but shorter than announced.
            let bytes = Array(
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{\"prompt\":\"a\"}".utf8)
            let reply = try await running.exchange(bytes, halfClose: true)
            #expect(reply.status == 400)
            #expect(reply.errorCode == "bad_http")
        }
    }

    @Test func aConnectionServesSeveralRequests() async throws {
        try await RunningServer.with { running in
            let port = running.port
            let text = try await RawSocket.away {
                let socket = try RawSocket(port: port)
                let get = Array("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
                try socket.send(get + get)
                let first = socket.read(until: "}")
                try socket.send(get)
                socket.shutDownOutput()
                return String(decoding: first + socket.readToEnd(), as: UTF8.self)
            }
            #expect(text.components(separatedBy: "HTTP/1.1 200 OK").count == 4)
        }
    }

    @Test func clientsThatAskWhetherToSendAreTold() async throws {
        try await RunningServer.with { running in
            let port = running.port
            let text = try await RawSocket.away {
                let socket = try RawSocket(port: port)
                let body = "{\"prompt\": \"a\"}"
                try socket.send(
                    Array(
                        "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                            .utf8))
                let answer = socket.read(until: "\r\n\r\n")
                try socket.send(Array(body.utf8))
                return String(decoding: answer + socket.readToEnd(), as: UTF8.self)
            }
            #expect(text.hasPrefix("HTTP/1.1 100 Continue"))
            #expect(text.contains("HTTP/1.1 200 OK"))
        }
    }

    /// A program that serves and computes with Swift's tasks besides: its server has threads of its own.
    @Test func repliesDoNotWaitForTheRuntimesThreads() async throws {
        try await RunningServer.with { running in
            func completion(_ prompt: JSON, stream: Bool) -> [UInt8] {
                let body: JSON = ["model": "tiny", "prompt": prompt, "max_tokens": 3, "stream": .bool(stream)]
                return RunningServer.request("POST", "/v1/completions", [:], body: body.bytes())
            }
            let requests = [
                RunningServer.request("GET", "/livez", [:], body: nil),
                RunningServer.request("GET", "/nothing", [:], body: nil),
                RunningServer.request("GET", "/v1/models", [:], body: nil),
                completion("hello", stream: false), completion("hello", stream: true),
                completion(["hello", "world"], stream: true),
            ]
            // The model is loaded before.
            #expect(try await running.exchange(requests[3]).status == 200)
            let port = running.port, priority = Task.currentPriority
            let statuses = try await RawSocket.away {
                let computation = Computation()
                computation.fillRuntime(priority)
                defer { computation.end() }
                return try requests.map { request in
                    let socket = try RawSocket(port: port, timeout: 120)
                    try socket.send(request)
                    return try RawReply(socket.readToEnd()).status
                }
            }
            #expect(statuses == [200, 404, 200, 200, 200, 200])
        }
    }

    /// Work that gives none of the runtime's threads away until it is told to end.
    private final class Computation: Sendable {
        private let started = Atomic(0)
        private let isOver = Atomic(false)

        /// Returns when every thread of the runtime computes.
        func fillRuntime(_ priority: TaskPriority) {
            let threads = ProcessInfo.processInfo.activeProcessorCount
            for _ in 0..<threads {
                Task.detached(priority: priority) { [self] in
                    started.add(1, ordering: .relaxed)
                    while !isOver.load(ordering: .relaxed) {}
                }
            }
            waited { self.started.load(ordering: .relaxed) == threads }
        }

        func end() { isOver.store(true, ordering: .relaxed) }
    }

    @Test func whatElseIsExpectedIsRefused() async throws {
        try await RunningServer.with { running in
            let reply = try await running.get("/livez", ["Expect": "the-unexpected"])
            #expect(reply.status == 417)
            #expect(reply.errorCode == "expectation_failed")
        }
    }
}

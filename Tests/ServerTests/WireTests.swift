import Foundation
import MartletJSON
import MartletServer
import TestServers
import Testing

/// What different readers of HTTP/1 might take for different things.
struct WireTests {
    private static func completion(_ version: String, _ fields: String = "", stream: Bool = false, tokens: Int = 4)
        -> [UInt8]
    {
        let body = """
            {"model":"tiny","prompt":"hello","max_tokens":\(tokens),"ignore_eos":true,"stream":\(stream)}
            """
        return Array(
            "POST /v1/completions HTTP/\(version)\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
    }

    private static let host = "Host: localhost\r\n"

    // MARK: - Clients that send no more

    @Test func clientsThatSayTheySendNoMoreGetTheirReply() async throws {
        try await RunningServer.with { running in
            let whole = try await running.exchange(Self.completion("1.1", Self.host), halfClose: true)
            #expect(whole.status == 200)
            #expect(try whole.json()["usage"]?["completion_tokens"]?.integer == 4)
            let stream = try await running.exchange(
                Self.completion("1.1", Self.host, stream: true), halfClose: true)
            #expect(stream.status == 200)
            #expect(stream.events.last == "[DONE]")
            let get = Array("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
            let two = try await running.exchange(get + get, halfClose: true)
            #expect(two.text.contains("HTTP/1.1 200 OK"))
        }
    }

    @Test func clientsThatWaitLongAreAskedWhetherTheyRead() async throws {
        var settings = ServerSettings()
        settings.limits.leaving = .milliseconds(20)
        try await RunningServer.with(settings: settings) { running in
            let slowed = try await running.slowedEngine()
            let port = running.port
            let text = try await RawSocket.away {
                let socket = try RawSocket(port: port)
                // Most of two minutes at a tenth of a second each: the reply does not come before the question.
                try socket.send(Self.completion("1.1", Self.host, tokens: 900))
                socket.shutDownOutput()
                let question = socket.read(until: "\r\n\r\n")
                slowed.letGo()
                return String(decoding: question + socket.readToEnd(), as: UTF8.self)
            }
            #expect(text.hasPrefix("HTTP/1.1 100 Continue\r\n\r\n"))
            #expect(text.contains("HTTP/1.1 200 OK\r\n") && text.contains("\"completion_tokens\":900"))
            // There are no such answers in HTTP/1.0.
            let again = try await running.slowedEngine()
            let old = try await running.exchange(Self.completion("1.0"), halfClose: true)
            again.letGo()
            #expect(old.status == 200)
        }
    }

    @Test(.timeLimit(.minutes(20)), arguments: [false, true])
    func clientsThatLeaveEndTheirReplies(stream: Bool) async throws {
        var settings = ServerSettings()
        settings.limits.leaving = .milliseconds(20)
        try await RunningServer.with(settings: settings) { running in
            let slowed = try await running.slowedEngine()
            let port = running.port
            try await RawSocket.away {
                let socket = try RawSocket(port: port)
                try socket.send(Self.completion("1.1", Self.host, stream: stream, tokens: 900))
                waited { slowed.engine.statistics().runningRequests == 1 }
            }
            // A reply that comes to its end, most of two minutes later, is not one that was cancelled.
            #expect(try await eventually { slowed.engine.statistics().runningRequests == 0 })
            #expect(slowed.engine.statistics().finished[.cancelled] == 1)
            #expect(try await eventually { running.server.runningRequests == 0 })
            slowed.letGo()
        }
    }

    // MARK: - HTTP/1.0

    @Test func oldClientsGetNoChunks() async throws {
        try await RunningServer.with { running in
            let stream = try await running.exchange(Self.completion("1.0", stream: true))
            #expect(stream.status == 200)
            #expect(stream.fields["transfer-encoding"] == nil && stream.fields["content-length"] == nil)
            #expect(stream.fields["connection"] == "close")
            #expect(stream.text.hasPrefix("data: ") && stream.events.last == "[DONE]")
            let whole = try await running.exchange(Self.completion("1.0"))
            #expect(whole.fields["content-length"] == "\(whole.body.count)")
            #expect(whole.fields["connection"] == "close")
            // A stream has no length, so nothing can follow it however politely it is asked for.
            let asked = try await running.exchange(
                Self.completion("1.0", "Connection: keep-alive\r\n", stream: true))
            #expect(asked.fields["connection"] == "close" && asked.events.last == "[DONE]")
        }
    }

    @Test func oldClientsKeepTheConnectionWhereTheyAsk() async throws {
        try await RunningServer.with { running in
            let port = running.port
            let text = try await RawSocket.away {
                let socket = try RawSocket(port: port)
                try socket.send(Array("GET /livez HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n".utf8))
                let first = socket.read(until: "}")
                try socket.send(Array("GET /livez HTTP/1.0\r\n\r\n".utf8))
                return String(decoding: first + socket.readToEnd(), as: UTF8.self).lowercased()
            }
            #expect(text.components(separatedBy: "http/1.0 200 ok").count == 3)
            #expect(text.contains("connection: keep-alive") && text.contains("connection: close"))
        }
    }

    // MARK: - Whom a request is for

    @Test func requestsSayOnceWhomTheyAreFor() async throws {
        try await RunningServer.with { running in
            let refused = [
                "", "Host:\r\n", "Host: a\r\nHost: a\r\n", "Host: localhost\r\nHost: evil.example\r\n",
                "Host: local host\r\n", "Host: localhost:port\r\n", "Host: user@localhost\r\n", "Host: [::1\r\n",
                "Host: localhost:8080:8080\r\n", "Host: localhost/v1\r\n", "Host: localhost:123456\r\n",
            ]
            for fields in refused {
                let reply = try await running.exchange(
                    Array("GET /livez HTTP/1.1\r\nConnection: close\r\n\(fields)\r\n".utf8))
                #expect(reply.status == 400 && reply.errorCode == "bad_host", "\(fields)")
            }
            for fields in ["Host: localhost\r\n", "Host: 127.0.0.1:8080\r\n", "Host: [::1]:80\r\n"] {
                let reply = try await running.exchange(
                    Array("GET /livez HTTP/1.1\r\nConnection: CLOSE\r\n\(fields)\r\n".utf8))
                #expect(reply.status == 200, "\(fields)")
            }
            #expect(try await running.exchange(Array("GET /livez HTTP/1.0\r\n\r\n".utf8)).status == 200)
            // The target's own host counts, not that of the field.
            let other = try await running.exchange(
                Array("GET http://evil.example/v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
            )
            #expect(other.status == 403 && other.errorCode == "host_not_allowed")
        }
    }

    // MARK: - Where a request ends

    @Test func requestsThatEndInTwoPlacesAreRefused() async throws {
        let body = "0\r\n\r\n"
        let cases = [
            "Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 5\r\n", "Content-Length: +5\r\n", "Content-Length: -1\r\n", "Content-Length: 0x5\r\n",
            "Content-Length: 99999999999999999999999\r\n", "Content-Length:\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "Transfer-Encoding : chunked\r\n",
            "X-A: b\r\n c\r\nContent-Length: 5\r\n", "X-A: b\nContent-Length: 5\r\n", "Content-Length: 5\n",
            "X-A: b\rContent-Length: 5\r\n", " Content-Length: 5\r\n", "Content-Length\t: 5\r\n",
            "X-A: a\u{0}b\r\nContent-Length: 5\r\n",
        ]
        try await RunningServer.with { running in
            for fields in cases {
                let reply = try await running.exchange(
                    Array("POST /tokenize HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n\(body)".utf8))
                #expect(reply.status == 400 || reply.status == 501, "\(fields)")
                #expect(["bad_http", "bad_framing", "unsupported_encoding"].contains(reply.errorCode), "\(fields)")
            }
            let chunks = [
                "5\n{\"a\":\n0\n\n", "-5\r\n", "5;a=b\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n",
                "5\r\nhelloX0\r\n\r\n", "ffffffffffffffffff\r\n", "5\r\nhello\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n",
            ]
            for body in chunks {
                let reply = try await running.exchange(
                    Array(
                        "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\(body)".utf8))
                #expect(reply.status == 400 && reply.errorCode == "bad_http", "\(body)")
            }
            let old = try await running.exchange(
                Array("POST /tokenize HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n\(body)".utf8))
            #expect(old.status == 400 && old.errorCode == "bad_framing")
            for version in ["2.0", "0.9", "1.2", "3.0"] {
                let reply = try await running.exchange(
                    Array("GET /livez HTTP/\(version)\r\nHost: localhost\r\n\r\n".utf8))
                #expect(reply.status == 505 || reply.status == 400, "\(version)")
                #expect(["bad_http", "http_version_not_supported"].contains(reply.errorCode), "\(version)")
            }
        }
    }

    @Test func whatIsRefusedWaitsForTheRepliesBeforeIt() async throws {
        try await RunningServer.with { running in
            let bad = [
                "GET /livez HTTP/1.1\r\n\r\n", "this is no request\r\n\r\n",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            ]
            for second in bad {
                let port = running.port
                let text = try await RawSocket.away {
                    let socket = try RawSocket(port: port)
                    try socket.send(Self.completion("1.1", Self.host) + Array(second.utf8))
                    return String(decoding: socket.readToEnd(), as: UTF8.self)
                }
                #expect(text.hasPrefix("HTTP/1.1 200 OK"), "\(second)")
                #expect(text.contains("HTTP/1.1 400 Bad Request"), "\(second)")
            }
        }
    }
}

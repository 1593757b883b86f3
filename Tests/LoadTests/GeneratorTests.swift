import Foundation
import MartletJSON
import MartletLoad
import Synchronization
import TestServers
import Testing

/// Load on a server on loopback whose answers, and their times, are known.
struct GeneratorTests {
    /// Answers with `tokens` events, `pause` microseconds apart.
    private func server(tokens: Int, pause: UInt32, ends: Bool = true) -> SocketServer {
        SocketServer { connection in
            while connection.request() != nil {
                connection.send(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                func event(_ data: String) {
                    let text = "data: \(data)\n\n"
                    connection.send("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n")
                }
                for _ in 0..<tokens {
                    usleep(pause)
                    event(#"{"choices":[{"text":"x"}]}"#)
                }
                let details = #"{"cached_tokens":3}"#
                event(
                    #"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":\#(tokens),"#
                        + #""prompt_tokens_details":\#(details)}}"#)
                if ends { event("[DONE]") }
                connection.send("0\r\n\r\n")
            }
        }
    }

    @Test func timesAreThoseOfTheServer() async throws {
        let server = server(tokens: 5, pause: 50_000)
        defer { server.stop() }
        var options = LoadOptions(url: server.url, model: "m")
        options.arrivals = .closed(clients: 3)
        options.requests = 12
        let report = try await LoadGenerator(options).run()
        #expect(report.complete.count == 12 && report.failures.isEmpty)
        // Each client keeps its connection.
        #expect(server.connections == 3)
        for record in report.complete {
            #expect(record.status == 200 && record.pieces.count == 5)
            #expect(record.promptTokens == 7 && record.replyTokens == 5 && record.cachedTokens == 3)
            // Nothing can come earlier than it was sent; later, when the machine is busy.
            #expect(try #require(record.firstTokenSeconds) >= 0.05)
            #expect(record.totalSeconds >= 0.25)
            #expect(try #require(record.pieces.last) - record.sent >= 0.25 && record.pieces == record.pieces.sorted())
        }
        // Four more pauses come after the first token. A busy machine may read all at once, but not every time.
        #expect(report.complete.contains { ($0.firstTokenSeconds ?? .infinity) < 0.5 * $0.totalSeconds })
    }

    @Test func arrivalsDoNotWaitForAnswers() async throws {
        // Nobody is answered before all have asked.
        let asked = Atomic(0)
        let server = SocketServer { connection in
            while connection.request() != nil {
                asked.add(1, ordering: .relaxed)
                guard waited(until: { asked.load(ordering: .relaxed) == 20 }) else { return }
                let events = ["{\"choices\":[{\"text\":\"x\"}]}", "[DONE]"].map { "data: \($0)\n\n" }.joined()
                connection.answer(events, "Content-Type: text/event-stream\r\n")
            }
        }
        defer { server.stop() }
        var options = LoadOptions(url: server.url, model: "m")
        options.arrivals = .open(requestsPerSecond: 50, isPoisson: false)
        options.requests = 20
        let report = try await LoadGenerator(options).run()
        #expect(report.complete.count == 20)
        // One every fiftieth of a second; late where the machine is busy, early never.
        let sent = report.records.map(\.sent).sorted()
        for (number, time) in sent.enumerated() { #expect(time >= Double(number) / 50 - 0.001) }
    }

    @Test func failuresAreCountedByWhatWasSaid() async throws {
        let count = Atomic(0)
        let failing = SocketServer { connection in
            while connection.request() != nil {
                switch count.add(1, ordering: .relaxed).oldValue {
                case 0: connection.answer(#"{"error":{"message":"too many"}}"#, status: "429 Too Many Requests")
                case 1: connection.answer("oops", status: "500 Internal Server Error")
                default: return
                }
            }
        }
        let endless = server(tokens: 2, pause: 0, ends: false)
        defer {
            failing.stop()
            endless.stop()
        }
        var options = LoadOptions(url: failing.url, model: "m")
        options.requests = 3
        let failures = try await LoadGenerator(options).run().failures.map(\.reason)
        #expect(failures.contains("429 too many") && failures.contains("500 oops") && failures.count == 3)
        options.url = endless.url
        options.requests = 1
        #expect(try await LoadGenerator(options).run().failures.map(\.reason) == ["the stream ended without [DONE]"])
        options.url = "http://127.0.0.1:1"
        #expect(try await LoadGenerator(options).run().failures.map(\.reason) == ["connection refused"])
    }

    @Test func requestsThatTakeTooLongFail() async throws {
        let server = SocketServer { connection in
            _ = connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            _ = connection.request()  // until the client leaves
        }
        defer { server.stop() }
        var options = LoadOptions(url: server.url, model: "m")
        options.requests = 1
        options.timeoutSeconds = 2
        let report = try await LoadGenerator(options).run()
        #expect(report.complete.isEmpty && report.failures.map(\.reason) == ["the answer took longer than 2.0 seconds"])
    }

    @Test func whatWasFinishedBeforeTheEndCounts() async throws {
        let server = server(tokens: 1, pause: 10_000)
        defer { server.stop() }
        var options = LoadOptions(url: server.url, model: "m")
        options.arrivals = .closed(clients: 2)
        options.requests = 2000
        let generator = LoadGenerator(options)
        let task = Task { try await generator.run() }
        #expect(try await eventually { generator.progress.requests >= 4 })
        task.cancel()
        let report = try await task.value
        #expect(report.complete.count >= 4 && report.failures.isEmpty)
    }
}

import Foundation
import MartletJSON
import MartletServer
import Testing

struct PracticeServerTests {
    @Test func questionsAreAnsweredAndOthersRefused() async throws {
        let server = try PracticeServer(host: "127.0.0.1", port: 0, budget: 1e18, seed: 1, file: nil)
        let (ports, continuation) = AsyncStream<Int>.makeStream()
        let task = Task { try await server.run(onRunning: { continuation.yield($0 ?? 0) }) }
        defer { task.cancel() }
        var iterator = ports.makeAsyncIterator()
        let port = try #require(await iterator.next())
        func ask(_ path: String, _ method: String = "GET") async throws -> RawReply {
            try await RawSocket.away {
                let socket = try RawSocket(port: port)
                try socket.send(RunningServer.request(method, path, [:], body: nil))
                return try RawReply(socket.readToEnd())
            }
        }
        let used = try await ask("/total_flops_used?api_key=x")
        #expect(used.status == 200)
        #expect(try used.json() == 0)
        #expect(try await ask("/previous_runs").json()["previous_runs"]?.array?.isEmpty == true)
        let wrong = try await ask("/loss?width=3")
        #expect(wrong.status == 422)
        #expect(wrong.text.contains("width: is not known"), "\(wrong.text)")
        #expect(try await ask("/nothing").status == 404)
        #expect(try await ask("/loss", "POST").status == 405)
    }
}

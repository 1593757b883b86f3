import Foundation
import Logging
import MartletAPI
import MartletJSON
import MartletServer
import Synchronization
import TestServers
import Testing

/// One client's requests, connections and bodies leave room for the others'.
struct BoundsTests {
    /// Holds a lane until it is let go.
    private final class Occupied: Sendable {
        private let gate = NSCondition()
        private let isOpen = Mutex(false)
        private let isHeld = Atomic(false)

        /// Returns once the lane is held.
        init(_ lane: WorkLane) async throws {
            Task {
                try await lane.run { [self] in
                    isHeld.store(true, ordering: .releasing)
                    gate.lock()
                    while !isOpen.withLock({ $0 }) { gate.wait() }
                    gate.unlock()
                }
            }
            while !isHeld.load(ordering: .acquiring) { try await Task.sleep(for: .milliseconds(1)) }
        }

        func letGo() {
            gate.lock()
            isOpen.withLock { $0 = true }
            gate.broadcast()
            gate.unlock()
        }
    }

    private static func large(_ count: Int) -> [UInt8] {
        Array("{\"prompt\": \"".utf8) + [UInt8](repeating: UInt8(ascii: "a"), count: count) + Array("\"}".utf8)
    }

    /// From the beginning, and after a reply.
    @Test func aConnectionWithoutRequestsIsClosed() async throws {
        var settings = ServerSettings()
        settings.limits.idleTime = .seconds(1)
        try await RunningServer.with(settings: settings) { running in
            let port = running.port
            let silent = try await RawSocket.away { try RawSocket(port: port).readToEnd() }
            #expect(silent.isEmpty)
            // A busy machine may let this client rest until it is too late.
            var reply: [UInt8] = [], start = ContinuousClock.now
            while reply.isEmpty {
                start = .now
                reply = try await RawSocket.away {
                    let socket = try RawSocket(port: port)
                    try socket.send(Array("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
                    return socket.readToEnd()
                }
            }
            #expect(try RawReply(reply).status == 200)
            // Not the socket's own limit.
            #expect(ContinuousClock.now - start < .seconds(299))
        }
    }

    @Test(.timeLimit(.minutes(20))) func aLargeBodyWaitsForNobodyButLargeOnes() async throws {
        try await RunningServer.with { running in
            #expect(try await running.post("/tokenize", ["prompt": "a"]).status == 200)
            let lane = try await Occupied(.large)
            async let waiting = running.exchange(
                RunningServer.request("POST", "/tokenize", [:], body: Self.large(2 << 20)))
            // Not one of these needs the lane that is held.
            for _ in 0..<10 {
                #expect(try await running.get("/livez").status == 200)
                #expect(try await running.post("/tokenize", ["prompt": "a"]).status == 200)
            }
            #expect(
                try await running.exchange(
                    RunningServer.request("POST", "/tokenize", [:], body: Self.large(100 << 10))
                ).status == 200)
            lane.letGo()
            let reply = try await waiting
            #expect(reply.status == 200)
        }
    }

    @Test(.timeLimit(.minutes(20))) func workWhoseClientLeftIsNotDone() async throws {
        var settings = ServerSettings()
        settings.limits.leaving = .milliseconds(20)
        try await RunningServer.with(settings: settings) { running in
            #expect(try await running.post("/tokenize", ["prompt": "a"]).status == 200)
            let lane = try await Occupied(.large), port = running.port
            try await RawSocket.away {
                let socket = try RawSocket(port: port)
                try socket.send(RunningServer.request("POST", "/tokenize", [:], body: Self.large(2 << 20)))
                // The body has been read where the next request of another connection is answered.
                let other = try RawSocket(port: port)
                try other.send(RunningServer.request("GET", "/livez", [:], body: nil))
                _ = other.readToEnd()
            }
            // All of the body has been read, and the connection's end has been seen.
            let isLeft = try await eventually {
                running.server.bodies.held >= 2 << 20 - 64 << 10 && running.server.openConnections == 0
            }
            lane.letGo()
            #expect(isLeft)
            let isCounted = try await eventually {
                try await running.get("/metrics").text.split(separator: "\n").contains {
                    $0.hasPrefix("martlet_http_requests_total") && $0.contains("/tokenize") && $0.contains("499")
                }
            }
            #expect(isCounted)
        }
    }

    @Test func textsForVectorsAreBoundedBeforeAnythingIsDoneWithThem() async throws {
        let long = JSON.string(String(repeating: " ", count: 2 << 20))
        try await RunningServer.with(["encoder"]) { running in
            let bodies: [(String, JSON, String)] = [
                ("/v1/score", ["text_1": long, "text_2": ["a", "b"]], "text_1"),
                ("/v1/score", ["text_1": "a", "text_2": ["b", long]], "text_2[1]"),
                ("/v1/rerank", ["query": long, "documents": ["a"]], "query"),
                ("/v1/rerank", ["query": "a", "documents": ["b", long]], "documents[1]"),
                ("/v1/embeddings", ["input": long], "input"),
                ("/api/embed", ["model": "encoder", "input": ["a", long]], "input[1]"),
            ]
            for (path, body, parameter) in bodies {
                let reply = try await running.post(path, body)
                #expect(reply.status == 400, "\(path)")
                #expect(reply.text.contains(parameter) && reply.text.contains("2097152"), "\(reply.text.prefix(300))")
            }
        }
    }

    @Test func bodiesTogetherAreBounded() async throws {
        var settings = ServerSettings()
        settings.limits.body = 1 << 20
        settings.limits.bodies = 1 << 20
        try await RunningServer.with(settings: settings) { running in
            let port = running.port
            let refused = try await RawSocket.away {
                var sockets: [RawSocket] = [], refused = 0
                for _ in 0..<4 {
                    let socket = try RawSocket(port: port)
                    try socket.send(
                        Array("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n".utf8)
                            + [UInt8](repeating: 0x20, count: 600_000))
                    sockets.append(socket)
                }
                // The one whose body fits hears nothing, since the rest of it never comes.
                var replies = [[UInt8]](repeating: [], count: sockets.count)
                for socket in sockets { socket.waitsToRead(milliseconds: 100) }
                waited {
                    for (index, socket) in sockets.enumerated() { replies[index] += socket.read() }
                    refused = replies.count { String(decoding: $0, as: UTF8.self).contains("503") }
                    return refused >= 3
                }
                return refused
            }
            #expect(refused >= 3)
            #expect(try await running.post("/tokenize", ["prompt": "a"]).status == 200)
        }
    }

    @Test func aBudgetIsGivenBack() throws {
        let budget = BodyBudget(1 << 20)
        do {
            let first = budget.share(), second = budget.share()
            try first.grow(to: 1000)
            #expect(budget.held == 0)
            try first.grow(to: 700 << 10)
            #expect(throws: APIError.self) { try second.grow(to: 700 << 10) }
            first.release()
            try second.grow(to: 700 << 10)
            #expect(budget.held >= 636 << 10)
        }
        #expect(budget.held == 0)
    }

    @Test func aListOfNumbersIsBoundedByTheirCount() async throws {
        var bytes = Array("{\"tokens\": [".utf8)
        for _ in 0..<((1 << 21) + 10) { bytes += [UInt8(ascii: "1"), UInt8(ascii: ",")] }
        bytes += Array("1]}".utf8)
        let body = bytes
        try await RunningServer.with { running in
            let reply = try await running.exchange(RunningServer.request("POST", "/detokenize", [:], body: body))
            #expect(reply.status == 413)
            #expect(reply.errorCode == "request_too_large")
        }
    }

    @Test func laterRequestsOfAConnectionHaveATimeToComeIn() async throws {
        var settings = ServerSettings()
        let time = Duration.milliseconds(500)
        settings.limits.headerTime = time
        try await RunningServer.with(settings: settings) { running in
            let port = running.port
            let text = try await RawSocket.away {
                let get = Array("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
                var socket: RawSocket, begun: ContinuousClock.Instant
                // A client that a busy machine has made late is refused rightly, and tries again.
                repeat {
                    begun = .now
                    socket = try RawSocket(port: port)
                    try socket.send(get)
                } while ContinuousClock.now - begun >= time
                let first = socket.read(until: "}")
                // Resting between two requests is no fault.
                usleep(1_000_000)
                try socket.send(get)
                let second = socket.read(until: "}")
                try socket.send(Array("GET /livez HTTP/1.1\r\nHost: ".utf8))
                // Nor does it help to send a little now and then.
                var third: [UInt8] = []
                socket.waitsToRead(milliseconds: 100)
                waited {
                    try? socket.send([UInt8(ascii: "a")])
                    third += socket.read()
                    return !third.isEmpty
                }
                return String(decoding: first + second + third + socket.readToEnd(), as: UTF8.self)
            }
            #expect(text.components(separatedBy: "HTTP/1.1 200 OK").count == 3)
            #expect(text.contains("HTTP/1.1 408"))
        }
    }

    @Test func aBodyThatStopsComingIsNotPaidForByWhatCameBefore() async throws {
        var settings = ServerSettings()
        settings.limits.bodyTime = .milliseconds(300)
        settings.limits.bodyRate = 1000
        try await RunningServer.with(settings: settings) { running in
            let port = running.port
            let reply = try await RawSocket.away {
                let socket = try RawSocket(port: port)
                try socket.send(
                    Array("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n".utf8)
                        + [UInt8](repeating: 0x20, count: 100_000))
                return try RawReply(socket.readToEnd())
            }
            #expect(reply.status == 408)
        }
    }

    @Test func idleConnectionsMakeRoomForOthers() async throws {
        var settings = ServerSettings()
        settings.limits.connections = 4
        try await RunningServer.with(settings: settings) { running in
            let port = running.port
            let answered = try await RawSocket.away {
                var sockets: [RawSocket] = [], answered = 0
                for _ in 0..<20 {
                    let socket = try RawSocket(port: port)
                    try socket.send(Array("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
                    if String(decoding: socket.read(), as: UTF8.self).hasPrefix("HTTP/1.1 200") { answered += 1 }
                    // Stays open.
                    sockets.append(socket)
                }
                return withExtendedLifetime(sockets) { answered }
            }
            #expect(answered == 20)
        }
    }

    @Test func healthIsToldWhereEveryConnectionIsBusy() async throws {
        var settings = ServerSettings()
        settings.limits.connections = 3
        try await RunningServer.with(settings: settings) { running in
            let port = running.port, server = running.server
            let replies = try await RawSocket.away {
                var busy: [RawSocket] = []
                for _ in 0..<3 {
                    let socket = try RawSocket(port: port)
                    try socket.send(
                        Array("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{".utf8))
                    busy.append(socket)
                }
                // Until the server has seen them.
                waited { server.runningRequests == 3 }
                return try withExtendedLifetime(busy) {
                    try ["/livez", "/v1/models"].map { path in
                        let socket = try RawSocket(port: port)
                        try socket.send(RunningServer.request("GET", path, [:], body: nil))
                        return try RawReply(socket.readToEnd())
                    }
                }
            }
            #expect(replies[0].status == 200)
            #expect(replies[1].status == 503)
            #expect(replies[1].errorCode == "overloaded")
        }
    }

    @Test func clientsThatLeaveAreNoErrors() async throws {
        let log = Recorder()
        try await RunningServer.with(logger: Logger(label: "test") { _ in RecordingHandler(recorder: log) }) {
            running in
            let port = running.port, server = running.server
            try await RawSocket.away {
                for number in 0..<5 {
                    waited { log.count(of: "/tokenize") == number && server.runningRequests == 0 }
                    let socket = try RawSocket(port: port)
                    try socket.send(
                        Array("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n{".utf8))
                    waited { server.runningRequests == 1 }
                    // Reset instead of closed.
                    var option = linger(l_onoff: 1, l_linger: 0)
                    withExtendedLifetime(socket) {
                        _ = setsockopt(
                            socket.descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
                    }
                }
            }
            #expect(try await eventually { log.count(of: "/tokenize") == 5 })
            #expect(log.errors == [])
        }
    }
}

/// What was logged.
final class Recorder: Sendable {
    private let lines = Mutex<[(level: Logger.Level, text: String)]>([])

    func add(_ level: Logger.Level, _ text: String) { lines.withLock { $0.append((level, text)) } }
    var errors: [String] { lines.withLock { $0.filter { $0.level >= .error }.map(\.text) } }
    func count(of text: String) -> Int { lines.withLock { $0.count { $0.text.contains(text) } } }
}

struct RecordingHandler: LogHandler {
    let recorder: Recorder
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { recorder.add(event.level, "\(event.message) \(event.metadata ?? [:])") }
}

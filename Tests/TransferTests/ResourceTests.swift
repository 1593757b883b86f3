import Foundation
import MartletTransfer
import Synchronization
import TestServers
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What of the process's resources can leak, where the system tells.
struct Resources {
    var threads: Int
    var descriptors: Int

    static var now: Resources? {
        func count(_ folder: String) -> Int? { try? FileManager.default.contentsOfDirectory(atPath: folder).count }
        guard let threads = count("/proc/self/task"), let descriptors = count("/proc/self/fd") else { return nil }
        return Resources(threads: threads, descriptors: descriptors)
    }

    /// The most bytes that the system's sockets keep of one connection, on both sides together: a receive buffer grows
    /// up to tcp_rmem's last number where a reader is slow.
    static let mostInSockets: Int = {
        func limit(_ name: String) -> Int {
            let text = try? String(contentsOfFile: "/proc/sys/net/ipv4/\(name)", encoding: .utf8)
            return text?.split(whereSeparator: \.isWhitespace).last.flatMap { Int($0) } ?? 8 << 20
        }
        return limit("tcp_rmem") + limit("tcp_wmem")
    }()
}

/// What transfers take, and give back. Other tests run beside these: the bounds leave room for what they take.
@Suite(.serialized) struct ResourceTests {
    @Test func aThousandTransfersLeaveNothing() async throws {
        let server = SocketServer { connection in
            while connection.request() != nil { connection.answer(String(repeating: "x", count: 1000)) }
        }
        func round() async throws {
            let transfers = try Transfers()
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<100 {
                    group.addTask {
                        try await transfers.send(TransferRequest(.get, server.url)).body.collect(upTo: 1000).count
                    }
                }
                for try await count in group { #expect(count == 1000) }
            }
            await transfers.close()
        }
        try await round()
        let before = Resources.now
        for _ in 0..<10 { try await round() }
        server.stop()
        guard let before else { return }
        // A thing left by each would be a thousand; the tests that run beside this one have some of their own.
        #expect(
            try await eventually { Resources.now.map { $0.threads - before.threads < 200 } ?? true }, "threads are left"
        )
        #expect(
            try await eventually { Resources.now.map { $0.descriptors - before.descriptors < 200 } ?? true },
            "descriptors are left")
    }

    @Test func aGigabyteTakesLittleMemory() async throws {
        let sent = Atomic(0)
        let server = SocketServer { connection in
            _ = connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(1 << 30)\r\n\r\n")
            let block = [UInt8](repeating: 7, count: 1 << 20)
            for _ in 0..<1024 {
                guard connection.send(block) else { return }
                sent.add(block.count, ordering: .relaxed)
            }
        }
        let transfers = try Transfers()
        // What was sent and not yet read is what is kept: other tests in this process take memory of their own.
        var mostKept = 0, count = 0
        for try await piece in try await transfers.send(TransferRequest(.get, server.url)).body {
            count += piece.count
            mostKept = max(mostKept, sent.load(ordering: .relaxed) - count)
        }
        #expect(count == 1 << 30)
        #expect(mostKept < Resources.mostInSockets + (16 << 20), "\(mostKept >> 20) MiB were kept")
        await transfers.close()
        server.stop()
    }

    @Test func theOtherSideWaitsForTheReader() async throws {
        let sent = Atomic(0)
        let server = SocketServer { connection in
            _ = connection.request()
            connection.send("HTTP/1.1 200 OK\r\n\r\n")
            let block = [UInt8](repeating: 7, count: 1 << 16)
            for _ in 0..<4800 {
                guard connection.send(block) else { return }
                sent.add(block.count, ordering: .relaxed)
            }
        }
        let transfers = try Transfers()
        let response = try await transfers.send(TransferRequest(.get, server.url))
        try await Task.sleep(for: .milliseconds(700))
        let early = sent.load(ordering: .relaxed)
        // What is kept here, and what the system's sockets take on both sides.
        #expect(early < Resources.mostInSockets + (16 << 20), "\(early >> 20) MiB were sent to nobody")
        #expect(try await response.body.collect(upTo: 1 << 30).count == 4800 << 16)
        await transfers.close()
        server.stop()
    }

    @Test func theEnvironmentsProxyIsAsked() async throws {
        let asked = Mutex<[String]>([])
        let proxy = SocketServer { connection in
            guard let request = connection.request() else { return }
            asked.withLock { $0.append(request.line) }
            connection.answer("from the proxy")
        }
        let direct = SocketServer { connection in
            _ = connection.request()
            connection.answer("from the host")
        }
        setenv("http_proxy", proxy.url, 1)
        defer { unsetenv("http_proxy") }
        let transfers = try Transfers()
        func text(_ url: String) async throws -> String {
            let response = try await transfers.send(TransferRequest(.get, url))
            return String(decoding: try await response.body.collect(upTo: 100), as: UTF8.self)
        }
        #expect(try await text("http://hub.invalid/models") == "from the proxy")
        #expect(asked.withLock { $0 } == ["GET http://hub.invalid/models HTTP/1.1"])
        // This machine is never asked for through another one.
        #expect(try await text(direct.url) == "from the host")
        #expect(try await text("http://localhost:\(direct.port)/") == "from the host")
        // A proxy that is not there is named.
        setenv("http_proxy", "http://127.0.0.1:1", 1)
        let reason = "connection refused, says the proxy at 127.0.0.1 port 1"
        await #expect(throws: TransferError.cannotConnect(reason: reason)) {
            _ = try await text("http://hub.invalid/")
        }
        // Without one, the host itself is looked for. Not in a test beside this one, which would find the proxy.
        unsetenv("http_proxy")
        var request = TransferRequest(.get, "http://no-such-host.invalid/")
        request.connectTimeout = .seconds(3)
        do {
            _ = try await transfers.send(request)
            Issue.record("an unknown host answered")
        } catch let error as TransferError {
            switch error {
            // Without a network the lookup itself may be what takes too long.
            case .cannotResolve, .timedOut: break
            default: Issue.record("\(error)")
            }
        }
        await transfers.close()
        proxy.stop()
        direct.stop()
    }
}

import Foundation
import MartletTransfer
import Synchronization
import TestServers
import Testing

struct TransferTests {
    /// Runs with transfers that are closed afterwards.
    private func withTransfers(_ server: SocketServer, _ body: (Transfers) async throws -> Void) async throws {
        let transfers = try Transfers()
        do { try await body(transfers) } catch {
            server.stop()
            await transfers.close()
            throw error
        }
        server.stop()
        await transfers.close()
    }

    private func failure(_ body: () async throws -> Void) async -> TransferError? {
        do {
            try await body()
            return nil
        } catch { return error as? TransferError }
    }

    @Test func anAnswerHasStatusHeadersAndBody() async throws {
        let seen = Mutex<SocketServer.Request?>(nil)
        let server = SocketServer { connection in
            guard let request = connection.request() else { return }
            seen.withLock { $0 = request }
            connection.send("HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n")
            let headers = "X-One:  a b \r\nx-empty:\r\nX-Two: 1\r\nX-Two: 2\r\n"
            connection.answer("héllo", status: "418 I'm a teapot", headers)
        }
        try await withTransfers(server) { transfers in
            var request = TransferRequest(.post, server.url + "/a/b?c=d%20e")
            request.headers = [TransferHeader("Content-Type", "text/plain"), TransferHeader("X-Mine", "yes")]
            request.body = Array("posted".utf8)
            let response = try await transfers.send(request)
            #expect(response.status == 418)
            #expect(response.headers["x-one"] == "a b" && response.headers["X-EMPTY"] == "")
            #expect(response.headers["x-two"] == "1" && response.headers["x-early"] == nil)
            #expect(try await response.body.collect(upTo: 100) == Array("héllo".utf8))
            let sent = try #require(seen.withLock { $0 })
            #expect(sent.line == "POST /a/b?c=d%20e HTTP/1.1")
            #expect(sent.body == Array("posted".utf8) && sent.headers["x-mine"] == "yes")
            #expect(sent.headers["content-type"] == "text/plain")
            // Nothing is asked for that was not ordered.
            #expect(sent.headers["accept-encoding"] == nil && sent.headers["expect"] == nil)
        }
    }

    @Test func redirectsAndHeadsAreAnswersLikeOthers() async throws {
        let server = SocketServer { connection in
            guard let request = connection.request() else { return }
            if request.line.hasPrefix("HEAD") {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n")
            } else {
                connection.answer("", status: "302 Found", "Location: file:///etc/passwd\r\n")
            }
        }
        try await withTransfers(server) { transfers in
            let head = try await transfers.send(TransferRequest(.head, server.url))
            #expect(head.headers["content-length"] == "5000000")
            #expect(try await head.body.collect(upTo: 10).isEmpty)
            let moved = try await transfers.send(TransferRequest(.get, server.url))
            #expect(moved.status == 302 && moved.headers["location"] == "file:///etc/passwd")
        }
    }

    @Test func piecesComeAsTheyAreSent() async throws {
        let read = Atomic(0)
        let server = SocketServer { connection in
            _ = connection.request()
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for (number, part) in ["one", "two", "three"].enumerated() {
                // Each is read before the next one is sent.
                waited { read.load(ordering: .acquiring) == number }
                connection.send("\(String(part.utf8.count, radix: 16))\r\n\(part)\r\n")
            }
            connection.send("0\r\nX-Trailer: late\r\n\r\n")
        }
        try await withTransfers(server) { transfers in
            let response = try await transfers.send(TransferRequest(.get, server.url))
            var parts: [String] = []
            for try await piece in response.body {
                parts.append(String(decoding: piece, as: UTF8.self))
                read.add(1, ordering: .releasing)
            }
            #expect(parts == ["one", "two", "three"])
            #expect(response.headers["x-trailer"] == nil)
        }
    }

    @Test func connectionsAreKept() async throws {
        let server = SocketServer { connection in
            while connection.request() != nil { connection.answer("x") }
        }
        try await withTransfers(server) { transfers in
            for _ in 0..<20 {
                _ = try await transfers.send(TransferRequest(.get, server.url)).body.collect(upTo: 10)
            }
            #expect(server.connections == 1)
        }
    }

    @Test func tasksCanRunOnTheThread() async throws {
        let server = SocketServer { connection in
            while connection.request() != nil { connection.answer("x") }
        }
        try await withTransfers(server) { transfers in
            await withTaskGroup(of: Int.self) { group in
                for _ in 0..<20 {
                    group.addTask(executorPreference: transfers) {
                        let response = try? await transfers.send(TransferRequest(.get, server.url))
                        return (try? await response?.body.collect(upTo: 10))?.count ?? 0
                    }
                }
                var total = 0
                for await count in group { total += count }
                #expect(total == 20)
            }
        }
        // A task whose executor has ended runs all the same.
        let ended = try Transfers()
        await ended.close()
        let result = await Task(executorPreference: ended) { 7 }.value
        #expect(result == 7)
        #expect(await failure { _ = try await ended.send(TransferRequest(.get, server.url)) } == .closed)
    }

    // MARK: What goes wrong

    @Test(arguments: [
        "file:///etc/passwd", "ftp://h/x", "h/x", "http://", "http:///x", "http://a b/", "http://h\r\nX: y/",
        "http://hub\\@evil/", "http://user:secret@h/", "http://h/ü", "",
    ]) func whatIsNoURLIsNotSent(_ url: String) async throws {
        let transfers = try Transfers()
        let error = await whyNot(transfers, url)
        if case .badRequest(let reason)? = error {
            #expect(!reason.contains("secret"))
        } else {
            Issue.record("\(String(describing: error))")
        }
        await transfers.close()
    }

    @Test func headersCannotBringOthers() async throws {
        let transfers = try Transfers()
        for header in [TransferHeader("X", "a\r\nY: b"), TransferHeader("X Y", "a"), TransferHeader("", "a")] {
            var request = TransferRequest(.get, "http://127.0.0.1:1/")
            request.headers = [header]
            let error = await failure { _ = try await transfers.send(request) }
            if case .badRequest? = error {} else { Issue.record("\(header): \(String(describing: error))") }
        }
        await transfers.close()
    }

    @Test func failuresAreTold() async throws {
        let server = SocketServer { connection in
            guard let request = connection.request() else { return }
            if request.line.contains("/short") {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            } else if request.line.contains("/noise") {
                connection.send("SMTP? 220 hello\r\n")
            }
        }
        try await withTransfers(server) { transfers in
            // Nobody listens there; a port that was let go might go to the server of a test beside this one.
            let refused = await whyNot(transfers, "http://127.0.0.1:1/")
            #expect(refused == .cannotConnect(reason: "connection refused"))
            let speaker = SocketServer { $0.send("HTTP/1.1 400 Bad Request\r\n\r\n") }
            let plain = await whyNot(transfers, "https://127.0.0.1:\(speaker.port)/")
            speaker.stop()
            if case .tls? = plain {} else { Issue.record("\(String(describing: plain))") }
            for path in ["/short", "/nothing"] {
                let error = await whyNot(transfers, server.url + path)
                if case .interrupted? = error {} else { Issue.record("\(path): \(String(describing: error))") }
            }
            let noise = await whyNot(transfers, server.url + "/noise")
            if case .badAnswer? = noise {} else { Issue.record("\(String(describing: noise))") }
        }
    }

    private func whyNot(_ transfers: Transfers, _ url: String) async -> TransferError? {
        var request = TransferRequest(.get, url)
        request.connectTimeout = .seconds(300)
        do {
            _ = try await transfers.send(request).body.collect(upTo: 100)
            return nil
        } catch { return error as? TransferError }
    }

    @Test func whatArrivedBeforeAnInterruptionIsRead() async throws {
        let server = SocketServer { connection in
            _ = connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + String(repeating: "a", count: 50_000))
        }
        try await withTransfers(server) { transfers in
            let response = try await transfers.send(TransferRequest(.get, server.url))
            try await Task.sleep(for: .milliseconds(200))
            var count = 0
            let error = await failure { for try await piece in response.body { count += piece.count } }
            guard case .interrupted? = error else { Issue.record("\(String(describing: error))"); return }
            #expect(count == 50_000)
        }
    }

    @Test func tenMegabytesOfHeadersAreRefused() async throws {
        let server = SocketServer { connection in
            _ = connection.request()
            connection.send("HTTP/1.1 200 OK\r\n")
            let line = "X-Long: " + String(repeating: "a", count: 10_000) + "\r\n"
            for _ in 0..<1000 where !connection.send(line) { return }
            connection.send("\r\n")
        }
        try await withTransfers(server) { transfers in
            let error = await failure { _ = try await transfers.send(TransferRequest(.get, server.url)) }
            #expect(error == .headersTooLarge(limit: 256 << 10))
        }
    }

    @Test func bodiesAreCollectedUpToALimit() async throws {
        let server = SocketServer { connection in
            _ = connection.request()
            connection.answer(String(repeating: "a", count: 1000))
        }
        try await withTransfers(server) { transfers in
            let error = await failure {
                _ = try await transfers.send(TransferRequest(.get, server.url)).body.collect(upTo: 999)
            }
            #expect(error == .bodyTooLarge(limit: 999))
        }
    }

    // MARK: Time

    @Test func oneByteASecondIsTooSlow() async throws {
        let server = SocketServer { connection in
            _ = connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while connection.send("a") { sleep(1) }
        }
        try await withTransfers(server) { transfers in
            var request = TransferRequest(.get, server.url)
            request.idleTimeout = .seconds(2)
            request.leastBytesPerSecond = 100
            let started = ContinuousClock.now
            // On a busy machine the head may be what is too slow.
            let error = await failure { _ = try await transfers.send(request).body.collect(upTo: 1000) }
            #expect(error == .timedOut(reason: "fewer than 100 bytes a second came for 2.0 seconds"))
            // All of it would have taken a thousand.
            #expect(started.duration(to: .now) < .seconds(500))
        }
    }

    @Test(.timeLimit(.minutes(20))) func silenceIsTooSlow() async throws {
        let server = SocketServer { connection in
            _ = connection.request()
            _ = connection.request()  // until the client leaves
        }
        try await withTransfers(server) { transfers in
            var idle = TransferRequest(.get, server.url), whole = idle
            idle.idleTimeout = .seconds(2)
            whole.timeout = .seconds(3)
            for (request, reason) in [
                (idle, "fewer than 1 bytes a second came for 2.0 seconds"), (whole, "no answer within 3.0 seconds"),
            ] {
                let error = await failure { _ = try await transfers.send(request) }
                #expect(error == .timedOut(reason: reason))
            }
        }
    }

    @Test func aReaderThatTakesItsTimeIsNotTooSlow() async throws {
        let server = SocketServer { connection in
            _ = connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n")
            connection.send([UInt8](repeating: 1, count: 8_000_000))
        }
        try await withTransfers(server) { transfers in
            var request = TransferRequest(.get, server.url)
            // More than a busy machine lets the server rest, less than the reader does.
            request.idleTimeout = .seconds(5)
            request.bufferedBytes = 100_000
            let response = try await transfers.send(request)
            var count = 0
            for try await piece in response.body {
                if count == 0 { try await Task.sleep(for: .seconds(12)) }
                count += piece.count
            }
            #expect(count == 8_000_000)
        }
    }

    // MARK: Cancelling

    @Test(.timeLimit(.minutes(20))) func aCancelledTransferEndsAtOnce() async throws {
        let server = SocketServer { connection in
            guard let request = connection.request() else { return }
            if request.line.contains("/body") {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
            }
            _ = connection.request()  // until the client leaves
        }
        try await withTransfers(server) { transfers in
            for path in ["/head", "/body"] {
                let task = Task {
                    let response = try await transfers.send(TransferRequest(.get, server.url + path))
                    return try await response.body.collect(upTo: 1000)
                }
                #expect(try await eventually { server.openConnections == 1 })
                try await Task.sleep(for: .milliseconds(50))
                // The server waits until it is left: otherwise this would not end.
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
                #expect(try await eventually { server.openConnections == 0 }, "the server was not left")
            }
        }
    }

    @Test func anAnswerThatNobodyHoldsIsCalledOff() async throws {
        let server = SocketServer { connection in
            _ = connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
            _ = connection.request()
        }
        try await withTransfers(server) { transfers in
            let status = try await transfers.send(TransferRequest(.get, server.url)).status
            #expect(status == 200)
            #expect(try await eventually { server.connections == 1 && server.openConnections == 0 })
        }
    }

    @Test func closingCallsOffWhatIsUnderWay() async throws {
        let server = SocketServer { connection in
            _ = connection.request()
            _ = connection.request()
        }
        let transfers = try Transfers()
        let task = Task { _ = try await transfers.send(TransferRequest(.get, server.url)) }
        #expect(try await eventually { server.openConnections == 1 })
        await transfers.close()
        await #expect(throws: CancellationError.self) { try await task.value }
        server.stop()
    }
}

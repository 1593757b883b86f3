import Foundation
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// `martlet serve` as a process.
struct ServeTests {
    /// A running server and the port it chose.
    private func start(_ program: Program, _ arguments: [String]) throws -> (process: Process, port: Int) {
        let process = program.process(["serve"] + arguments + ["--port", "0"])
        let error = program.error
        process.standardError = FileHandle(forWritingAtPath: error)
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let deadline = Date(timeIntervalSinceNow: 300)
        while process.isRunning, Date() < deadline {
            let text = (try? String(contentsOfFile: error, encoding: .utf8)) ?? ""
            if let place = text.range(of: "serving on http://127.0.0.1:") {
                if let port = Int(text[place.upperBound...].prefix { $0.isNumber }), port > 0 { return (process, port) }
            }
            usleep(10_000)
        }
        throw NotServing(text: (try? String(contentsOfFile: error, encoding: .utf8)) ?? "")
    }

    private struct NotServing: Error { let text: String }

    private func connect(_ port: Int) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return result == 0 ? descriptor : -1
    }

    @Test func itAnswersAndEndsCleanlyWhenTold() throws {
        let program = try Program()
        let (process, port) = try start(program, [try program.model()])
        let client = connect(port)
        try #require(client >= 0)
        let request = Array("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
        #expect(write(client, request, request.count) == request.count)
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(client, &bytes, bytes.count)
        close(client)
        #expect(String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self).hasPrefix("HTTP/1.1 200"))
        kill(process.processIdentifier, SIGTERM)
        #expect(process.exitCode() == 0)
    }

    @Test func aSecondSignalEndsItAtOnce() throws {
        let program = try Program()
        let (process, port) = try start(program, [try program.model { $0.contextLength = 4096 }, "--drain", "3600"])
        let client = connect(port)
        try #require(client >= 0)
        // Work that the first signal leaves to its end.
        let body = #"{"prompt":"a","max_tokens":4000,"n":16,"temperature":1,"stream":true}"#
        let request = Array(
            "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8
        )
        #expect(write(client, request, request.count) == request.count)
        var bytes = [UInt8](repeating: 0, count: 256)
        #expect(read(client, &bytes, bytes.count) > 0)
        kill(process.processIdentifier, SIGINT)
        // Two that are pending at the same time are one.
        let deadline = Date(timeIntervalSinceNow: 300)
        while process.isRunning, Date() < deadline,
            try !String(contentsOfFile: program.error, encoding: .utf8).contains("draining")
        {
            usleep(10_000)
        }
        kill(process.processIdentifier, SIGINT)
        let code = process.exitCode()
        close(client)
        #expect(code == 130 || code == 0)
    }

    #if os(Linux)
    /// Skips, saying so, where the system lets nobody make a network namespace or trace.
    @Test func nothingLeavesTheMachine() throws {
        let program = try Program()
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
            path: "../../scripts/offline.sh")
        let process = program.process([Program.path, try program.model()])
        process.executableURL = script
        process.environment?["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
        let error = program.error
        process.standardError = FileHandle(forWritingAtPath: error)
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let code = process.exitCode(within: 3000)
        let said = (try? String(contentsOfFile: error, encoding: .utf8)) ?? ""
        if code == 77 { try Test.cancel("\(said)") }
        #expect(code == 0, "\(said)")
    }
    #endif

    @Test func whatCannotBeServedIsSaidBeforeAnythingRuns() throws {
        let program = try Program()
        let model = try program.model()
        let open = try program.run("serve", model, "--host", "0.0.0.0")
        #expect(open.code == 2)
        #expect(open.error.contains("--api-key"))
        let elsewhere = try program.run("serve", "no-such-model", "--tune", ".")
        #expect(elsewhere.code == 2 && elsewhere.error.contains("give --runs FOLDER"))
        #expect(try program.run("serve", model, "--port", "70000").code == 2)
        #expect(try program.run("serve", model, "--log-format", "xml").code == 2)
        #expect(try program.run("serve", model, "--tls-cert", "a.pem").code == 2)
        let small = try program.run("serve", model, "--max-memory", "1MiB")
        #expect(small.code == 1)
        #expect(small.error.contains("MiB"))
        let missing = try program.run("serve", model, "--api-key-file", "none.txt")
        #expect(missing.code == 1)
        #expect(missing.error.contains("none.txt"))
        #expect(try program.run("serve", model, model).code == 1)
    }
}

import Dispatch
import Foundation
import Logging
import MartletJSON
import MartletServer
import Synchronization
import Testing
import TinyModels

/// A server of random models on a port of its own, for the time of a test.
final class RunningServer: Sendable {
    let server: Server
    let port: Int
    let folder: String
    private let task: Task<Void, any Error>

    /// - Parameters:
    ///   - models: names of language models; "mixture" has experts, "encoder" is a text encoder, "pair" an encoder-decoder.
    ///   - paths: where models are that are not made for the test.
    static func with<Result>(
        _ models: [String] = ["tiny"], at paths: [String: String] = [:], settings: ServerSettings = ServerSettings(),
        loading: ModelSettings = ModelSettings(),
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        _ body: (RunningServer) async throws -> Result
    ) async throws -> Result {
        let running = try await RunningServer(models, at: paths, settings, loading, logger)
        do {
            let result = try await body(running)
            await running.stop()
            return result
        } catch {
            await running.stop()
            throw error
        }
    }

    private init(
        _ models: [String], at paths: [String: String], _ settings: ServerSettings, _ loading: ModelSettings,
        _ logger: Logger
    ) async throws {
        folder = try Self.write(models.filter { paths[$0] == nil })
        var settings = settings
        settings.port = 0
        settings.limits.beUnhurried()
        var loading = loading
        if paths.isEmpty { loading.cacheBytes = min(loading.cacheBytes, 8 << 20) }
        let folder = folder
        let registry = try ModelRegistry(
            models.map { (name: $0, aliases: ["alias-of-\($0)"], path: paths[$0] ?? "\(folder)/\($0)") }, loading)
        let server = try Server(settings, registry, logger: logger)
        self.server = server
        let (ports, continuation) = AsyncStream<Int>.makeStream()
        task = Task {
            defer { continuation.finish() }
            try await server.run(onRunning: { continuation.yield($0 ?? 0) })
        }
        var found: Int?
        for await port in ports {
            found = port
            break
        }
        guard let found else {
            try await task.value
            throw ServerError("the server ended before it ran")
        }
        port = found
    }

    static func write(_ models: [String]) throws -> String {
        let folder = try ProcessScratch.folder("server")
        for name in models {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
            if name.hasPrefix("encoder") {
                try TinyEncoder.write(folder: "\(folder)/\(name)")
            } else if name.hasPrefix("pair") {
                try FamilyGolden("t5").write(folder: "\(folder)/\(name)", change: { $0["max_length"] = 30 })
                try TinyTokenizer.write(folder: "\(folder)/\(name)")
            } else {
                var model = TinyModel()
                model.contextLength = 1024
                if name.hasPrefix("mixture") { model.experts = 4 }
                try model.write(folder: "\(folder)/\(name)")
            }
        }
        return folder
    }

    private func stop() async {
        task.cancel()
        _ = await task.result
        server.models.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    // MARK: - Requests

    func get(_ path: String, _ fields: [String: String] = [:], method: String = "GET") async throws -> RawReply {
        try await exchange(Self.request(method, path, fields, body: nil))
    }

    func post(_ path: String, _ json: JSON, _ fields: [String: String] = [:]) async throws -> RawReply {
        try await exchange(Self.request("POST", path, fields, body: json.bytes()))
    }

    static func request(_ method: String, _ path: String, _ fields: [String: String], body: [UInt8]?) -> [UInt8] {
        var text = "\(method) \(path) HTTP/1.1\r\n"
        var fields = fields
        fields["Host"] = fields["Host"] ?? "localhost"
        fields["Connection"] = "close"
        if let body { fields["Content-Length"] = "\(body.count)" }
        for (name, value) in fields { text += "\(name): \(value)\r\n" }
        return Array((text + "\r\n").utf8) + (body ?? [])
    }

    /// Sends bytes and reads until the server closes.
    func exchange(_ bytes: [UInt8], halfClose: Bool = false, within seconds: Int = 300) async throws -> RawReply {
        let port = port
        return try await RawSocket.away {
            let socket = try RawSocket(port: port, timeout: seconds)
            try socket.send(bytes)
            if halfClose { socket.shutDownOutput() }
            return try RawReply(socket.readToEnd())
        }
    }
}

extension ServerLimits {
    /// The clients here are threads of a test, which a busy machine may let rest for long: what a test does not set itself
    /// leaves them all the time.
    fileprivate mutating func beUnhurried() {
        let usual = ServerLimits()
        if headerTime == usual.headerTime { headerTime = .seconds(300) }
        if bodyTime == usual.bodyTime { bodyTime = .seconds(300) }
        if idleTime == usual.idleTime { idleTime = .seconds(600) }
        if writeTime == usual.writeTime { writeTime = .seconds(300) }
    }
}

/// A plain TCP connection, whose calls block.
final class RawSocket {
    let descriptor: Int32

    /// - Parameter receiveBuffer: bytes that the system takes without being read.
    init(port: Int, timeout: Int = 300, receiveBuffer: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var time = timeval(tv_sec: timeout, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw ServerError("connect failed with \(errno)") }
    }

    deinit { close(descriptor) }

    /// From now on, reading ends without bytes after this time.
    func waitsToRead(milliseconds: Int) {
        var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Runs blocking calls on a thread that serves nobody else.
    static func away<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
        }
    }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            // What the server has answered already can still be read.
            guard count > 0 else { return }
            sent += count
        }
    }

    /// Whether the server's system took the bytes.
    func sendsAll(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    func shutDownOutput() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next bytes; none at the end.
    func read(upTo limit: Int = 65_536) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &bytes, limit, 0)
        return count > 0 ? Array(bytes.prefix(count)) : []
    }

    func readToEnd() -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let bytes = read()
            if bytes.isEmpty { return all }
            all += bytes
        }
    }

    func read(until text: String) -> [UInt8] {
        var all: [UInt8] = []
        while !String(decoding: all, as: UTF8.self).contains(text) {
            let bytes = read()
            if bytes.isEmpty { return all }
            all += bytes
        }
        return all
    }
}

/// An HTTP reply as it came over the wire.
struct RawReply: Sendable {
    var status: Int
    var fields: [String: String] = [:]
    var body: [UInt8]

    init(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n") else { throw ServerError("no reply in \(text.prefix(200))") }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        guard let first = lines.first, let status = Int(first.split(separator: " ").dropFirst().first ?? "") else {
            throw ServerError("no status in \(text.prefix(200))")
        }
        self.status = status
        for line in lines.dropFirst() {
            let sides = line.split(separator: ":", maxSplits: 1)
            fields[sides[0].lowercased()] = String(sides.last ?? "").trimmingCharacters(in: .whitespaces)
        }
        let head = text[..<end.upperBound].utf8.count
        body = Array(bytes[head...])
        if fields["transfer-encoding"] == "chunked" { body = Self.joined(body) }
    }

    /// Takes chunked bodies apart.
    private static func joined(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = [], rest = bytes[...]
        while let end = rest.firstIndex(of: 0x0D),
            let size = Int(String(decoding: rest[rest.startIndex..<end], as: UTF8.self), radix: 16), size > 0
        {
            let start = end + 2
            guard start + size <= rest.endIndex else { break }
            result += rest[start..<(start + size)]
            rest = rest[min(start + size + 2, rest.endIndex)...]
        }
        return result
    }

    var text: String { String(decoding: body, as: UTF8.self) }
    func json() throws -> JSON { try JSON(parsing: body) }
    /// The payloads of a stream of events.
    var events: [String] {
        text.components(separatedBy: "\n\n").filter { $0.hasPrefix("data: ") }.map { String($0.dropFirst(6)) }
    }
    var errorCode: String? { (try? json())?["error"]?["code"]?.string }
}

import Foundation
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A server on loopback whose every connection is a thread that does what a closure says.
public final class SocketServer: @unchecked Sendable {
    public let port: UInt16
    private let socket: Int32
    private let accepted = Atomic(0)
    private let open = Atomic(0)

    /// Connections so far, and those that are open.
    public var connections: Int { accepted.load(ordering: .relaxed) }
    public var openConnections: Int { open.load(ordering: .relaxed) }
    public var url: String { "http://127.0.0.1:\(port)" }

    public init(_ serve: @escaping @Sendable (Connection) -> Void) {
        #if canImport(Darwin)
        socket = Darwin.socket(AF_INET, SOCK_STREAM, 0)
        #elseif canImport(Glibc)
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #elseif canImport(Musl)
        socket = Musl.socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = socket
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                precondition(bind(descriptor, address, size) == 0 && listen(descriptor, 256) == 0)
                getsockname(descriptor, address, &size)
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            while case let connection = accept(socket, nil, nil), connection >= 0 {
                accepted.add(1, ordering: .relaxed)
                open.add(1, ordering: .relaxed)
                Thread.detachNewThread { [self] in
                    serve(Connection(descriptor: connection))
                    close(connection)
                    open.subtract(1, ordering: .relaxed)
                }
            }
            close(socket)
        }
    }

    /// Wakes the thread that accepts, which ends.
    public func stop() { shutdown(socket, Int32(SHUT_RDWR)) }

    public struct Request: Sendable {
        /// As "GET /path HTTP/1.1".
        public var line: String
        /// By names in lower case.
        public var headers: [String: String]
        public var body: [UInt8]
    }

    public struct Connection: Sendable {
        let descriptor: Int32

        /// The next request; nil where the client is gone.
        public func request() -> Request? {
            var bytes: [UInt8] = []
            var byte: UInt8 = 0
            while !bytes.suffix(4).elementsEqual("\r\n\r\n".utf8) {
                guard read(descriptor, &byte, 1) == 1 else { return nil }
                bytes.append(byte)
            }
            let lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n")
            var headers: [String: String] = [:]
            for line in lines.dropFirst() {
                guard let colon = line.firstIndex(of: ":") else { continue }
                headers[line[..<colon].lowercased()] = line[line.index(after: colon)...]
                    .trimmingCharacters(in: .whitespaces)
            }
            var body: [UInt8] = []
            for _ in 0..<(headers["content-length"].flatMap { Int($0) } ?? 0) {
                guard read(descriptor, &byte, 1) == 1 else { return nil }
                body.append(byte)
            }
            return Request(line: lines[0], headers: headers, body: body)
        }

        /// Whether all of it could be sent.
        @discardableResult public func send(_ text: String) -> Bool { send(Array(text.utf8)) }

        @discardableResult public func send(_ bytes: [UInt8]) -> Bool {
            var start = 0
            while start < bytes.count {
                let count = bytes.withUnsafeBytes {
                    Foundation.send(
                        descriptor, $0.baseAddress! + start, bytes.count - start, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return false }
                start += count
            }
            return true
        }

        /// A whole answer; `headers` are lines with their ends.
        public func answer(_ body: String, status: String = "200 OK", _ headers: String = "") {
            send("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)")
        }
    }
}

/// Waits until something holds, for as long as a busy machine may need.
public func eventually(_ holds: () async throws -> Bool) async throws -> Bool {
    let end = ContinuousClock.now + longestWait
    while try await !holds() {
        guard ContinuousClock.now < end else { return false }
        try await Task.sleep(for: .milliseconds(10))
    }
    return true
}

/// The same on a thread that may block.
@discardableResult public func waited(until holds: () -> Bool) -> Bool {
    let end = ContinuousClock.now + longestWait
    while !holds() {
        guard ContinuousClock.now < end else { return false }
        usleep(10_000)
    }
    return true
}

/// Much longer than anything takes: only what never comes is waited for so long.
private let longestWait = Duration.seconds(120)

import Foundation
import MartletSystem
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A hub on loopback that serves a few files and misbehaves as told.
final class FakeHub: @unchecked Sendable {
    enum Fault {
        /// Closes the connection after so many bytes of the body, this many times.
        case drop(after: Int, times: Int)
        /// Sends a byte now and then after so many, until the client leaves, this many times.
        case crawl(after: Int, times: Int)
        case status(Int, times: Int)
        case wrongSize
        case wrongHash
        case redirect(to: String)
        case ignoresRange
        /// Answers a request for a part with another part, or not at all; the ETag is no hash.
        case otherRange, noRange
        /// 429 with these headers, once.
        case busy([String: String])
    }

    struct Request: Sendable {
        var method: String
        var path: String
        var headers: [String: String]
    }

    static let commit = String(repeating: "c0ffee12", count: 5)
    let port: UInt16
    var endpoint: String { "http://127.0.0.1:\(port)" }
    private let socket: Int32
    private let files: [String: [UInt8]]
    private let faults: Mutex<[String: Fault]>
    private let log = Mutex<[Request]>([])
    /// Names listed besides the files'.
    private let extraNames: [String]

    init(files: [String: [UInt8]], faults: [String: Fault] = [:], extraNames: [String] = []) {
        self.files = files
        self.faults = Mutex(faults)
        self.extraNames = extraNames
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = socket
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                precondition(bind(descriptor, address, size) == 0 && listen(descriptor, 16) == 0)
                getsockname(descriptor, address, &size)
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            while case let connection = accept(socket, nil, nil), connection >= 0 {
                Thread.detachNewThread { [self] in serve(connection) }
            }
            // Closed here and not in `stop`: the number might go to another hub's socket while this thread is on its
            // way back to `accept`, and that hub's visitors would be served these files.
            close(socket)
        }
    }

    /// Wakes the thread that accepts, which ends.
    func stop() { shutdown(socket, Int32(SHUT_RDWR)) }

    var requests: [Request] { log.withLock { $0 } }

    /// Takes one use of a fault away.
    private func fault(_ file: String) -> Fault? {
        faults.withLock { faults in
            switch faults[file] {
            case .drop(let after, let times):
                faults[file] = times > 1 ? .drop(after: after, times: times - 1) : nil
                return .drop(after: after, times: times)
            case .crawl(let after, let times):
                faults[file] = times > 1 ? .crawl(after: after, times: times - 1) : nil
                return .crawl(after: after, times: times)
            case .status(let code, let times):
                faults[file] = times > 1 ? .status(code, times: times - 1) : nil
                return .status(code, times: times)
            case .busy(let headers):
                faults[file] = nil
                return .busy(headers)
            case let other: return other
            }
        }
    }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        guard let request = readRequest(connection) else { return }
        log.withLock { $0.append(request) }
        if request.path.hasPrefix("/api/models/") {
            guard request.path.contains("org/model") else { return reply(connection, 404, [:], []) }
            let names = (files.keys.sorted() + extraNames).map { "{\"rfilename\":\"\($0)\"}" }.joined(separator: ",")
            return reply(connection, 200, [:], Array("{\"sha\":\"\(Self.commit)\",\"siblings\":[\(names)]}".utf8))
        }
        let file = request.path.components(separatedBy: "/\(Self.commit)/").last ?? ""
        guard let body = files[file] else { return reply(connection, 404, [:], []) }
        let isHead = request.method == "HEAD"
        var hash = SHA256.hash(body).hexadecimal
        var size = body.count
        let fault = isHead ? peek(file) : self.fault(file)
        switch fault {
        case .wrongHash: hash = String(repeating: "0", count: 64)
        case .wrongSize: size += 3
        case .status(let code, _) where !isHead: return reply(connection, code, [:], [])
        case .busy(let headers) where !isHead: return reply(connection, 429, headers, [])
        case .otherRange, .noRange: hash = "no-hash"
        case .redirect(let target) where !isHead:
            return reply(connection, 302, ["Location": "\(target)/moved/\(file)"], [])
        default: break
        }
        var headers = ["ETag": "\"\(hash)\"", "X-Repo-Commit": Self.commit, "X-Linked-Size": "\(size)"]
        if isHead {
            headers["Content-Length"] = "\(size)"
            return reply(connection, 200, headers, [], addsLength: false)
        }
        var start = 0
        if let range = request.headers["range"], let from = Int(range.dropFirst(6).dropLast()) {
            if case .ignoresRange = fault {} else { start = from }
        }
        if start > 0 {
            if case .noRange = fault { return reply(connection, 416, [:], []) }
            if case .otherRange = fault { start = 7 }
            headers["Content-Range"] = "bytes \(start)-\(body.count - 1)/\(body.count)"
        }
        var sent = Array(body[start...])
        if case .drop(let after, _) = fault {
            headers["Content-Length"] = "\(sent.count)"
            sent = Array(sent.prefix(after))
            return reply(connection, start > 0 ? 206 : 200, headers, sent, addsLength: false)
        }
        if case .crawl(let after, _) = fault {
            headers["Content-Length"] = "\(sent.count)"
            reply(connection, start > 0 ? 206 : 200, headers, Array(sent.prefix(after)), addsLength: false)
            for byte in sent.dropFirst(after) {
                guard send(connection, [byte], 1, Int32(MSG_NOSIGNAL)) == 1 else { return }
                usleep(200_000)
            }
            return
        }
        reply(connection, start > 0 ? 206 : 200, headers, sent)
    }

    private func peek(_ file: String) -> Fault? { faults.withLock { $0[file] } }

    private func readRequest(_ connection: Int32) -> Request? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !String(decoding: bytes, as: UTF8.self).contains("\r\n\r\n") {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
        }
        let lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n")
        let first = lines[0].split(separator: " ").map(String.init)
        guard first.count == 3 else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        return Request(method: first[0], path: first[1], headers: headers)
    }

    private func reply(
        _ connection: Int32, _ code: Int, _ headers: [String: String], _ body: [UInt8], addsLength: Bool = true
    ) {
        var headers = headers
        if addsLength { headers["Content-Length"] = "\(body.count)" }
        headers["Connection"] = "close"
        let head = "HTTP/1.1 \(code) X\r\n" + headers.map { "\($0): \($1)\r\n" }.joined() + "\r\n"
        var bytes = Array(head.utf8) + body
        while !bytes.isEmpty {
            let count = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            guard count > 0 else { return }
            bytes.removeFirst(count)
        }
    }
}

import MartletCatalog
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What is piped in, whole or not at all: what cannot be read as text is an error, and waiting is told.
enum StandardInput {
    enum Problem: Error, CustomStringConvertible {
        case notUTF8(byte: UInt8, offset: Int, source: String)
        case tooLong(Int)
        case unreadable(String)

        var description: String {
            switch self {
            case .notUTF8(let byte, let offset, let source):
                "\(source) is not UTF-8 text: byte \(offset) is 0x\(byte < 16 ? "0" : "")\(String(byte, radix: 16)); "
                    + "convert it first (iconv -f ENCODING -t utf-8)"
            case .tooLong(let limit):
                "standard input has more than \(Terminal.bytes(limit)) and has not ended; give a file's part, or less text"
            case .unreadable(let reason): "standard input cannot be read: \(reason)"
            }
        }
    }

    /// Bytes at most: more than any model reads, and an end for a pipe that has none.
    static let limit = 64_000_000

    /// All of it as text.
    /// - Parameter patience: seconds after which nothing is waited for where nothing has come, and nil is returned; without
    ///   one it is waited for the end, however long that takes.
    static func read(patience: Int? = nil) throws -> String? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var waited = 0
        while true {
            guard try isReady(within: 5) else {
                waited += 5
                if let patience, bytes.isEmpty, waited >= patience {
                    Terminal.note(
                        "nothing came on standard input within \(waited) seconds: going on without it (< /dev/null says so)"
                    )
                    return nil
                }
                if waited == 5 || waited % 30 == 0 {
                    Terminal.note("waiting for the end of standard input (\(bytes.count) bytes so far)")
                }
                continue
            }
            let count = Glibc.read(STDIN_FILENO, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                // Closed before the start: nothing is piped in. What the process opened since may have its number.
                if errno == EBADF || errno == EINVAL { return "" }
                throw Problem.unreadable(String(cString: strerror(errno)))
            }
            guard count > 0 else { break }
            bytes += buffer[..<count]
            guard bytes.count <= limit else { throw Problem.tooLong(limit) }
        }
        return try text(bytes)
    }

    private static func isReady(within seconds: Int32) throws -> Bool {
        var descriptor = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        let result = poll(&descriptor, 1, seconds * 1000)
        // Whatever it is, reading tells.
        return result != 0
    }

    /// The bytes as text.
    /// - Throws: `Problem.notUTF8` with the first byte that is none.
    static func text(_ bytes: [UInt8], named source: String = "standard input") throws -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        var parser = Unicode.UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var offset = 0
        while case .valid(let scalar) = parser.parseScalar(from: &iterator) { offset += scalar.count }
        throw Problem.notUTF8(byte: offset < bytes.count ? bytes[offset] : 0, offset: offset, source: source)
    }
}

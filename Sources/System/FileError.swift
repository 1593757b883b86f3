#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The reason why a file could not be opened or read.
public struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
    public var path: String
    public var reason: String

    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    /// The reason is the system's message for `errno`.
    public init(path: String, doing action: String, errno code: Int32 = errno) {
        self.init(path: path, reason: "cannot \(action): \(String(cString: strerror(code)))")
    }

    public var description: String { "\(path): \(reason)" }
}

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

    /// Why no file could be made in `folder`, with what to do about it.
    public init(path: String, writingIn folder: String, errno code: Int32 = errno) {
        let shown = folder.quoted(limit: 300)
        let reason: String? =
            switch code {
            case ENOENT: "there is no folder \(shown): make it first (mkdir -p), or name another place"
            case EACCES, EPERM: "this user may not write in \(shown): name another place"
            case EROFS: "\(shown) is on a file system that is read-only: name another place"
            case ENOSPC, EDQUOT: "no room is left in \(shown): free some, or name another place"
            default: nil
            }
        if let reason {
            self.init(path: path, reason: reason)
        } else {
            self.init(path: path, doing: "create a file beside it", errno: code)
        }
    }

    public var description: String { "\(path): \(reason)" }
}

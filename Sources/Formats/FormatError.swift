import MartletSystem
import MartletTensor

/// Why a model file was refused, or could not be read or written. The message has the file and the field.
public struct FormatError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// The system refused: no such file, no permission, disk full.
        case system
        /// The file violates its format.
        case malformed
        /// The file is valid, but contains something that Martlet does not read (a type, a version, a pickle).
        case unsupported
        /// A requested tensor, key or file does not exist.
        case missing
    }

    public var kind: Kind
    public var path: String
    /// The key, tensor or header field with the problem, if there is one.
    public var field: String?
    public var reason: String

    public init(_ kind: Kind, path: String, field: String? = nil, _ reason: String) {
        self.kind = kind
        self.path = path
        self.field = field
        self.reason = reason
    }

    public init(_ error: FileError) {
        self.init(.system, path: error.path, error.reason)
    }

    public var description: String { field.map { "\(path): \($0): \(reason)" } ?? "\(path): \(reason)" }

    /// A name from a file, escaped and shortened for a message.
    package static func quote(_ name: String) -> String { name.quoted(limit: 120) }
}

extension MappedFile {
    /// `init(path:copying:)` and `checkUnchanged`, with this module's error type.
    static func open(_ path: String, copying: Bool) throws(FormatError) -> MappedFile {
        do throws(FileError) { return try MappedFile(path: path, copying: copying) } catch { throw FormatError(error) }
    }

    func recheck() throws(FormatError) {
        do throws(FileError) { try checkUnchanged() } catch { throw FormatError(error) }
    }
}

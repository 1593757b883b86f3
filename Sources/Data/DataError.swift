import MartletFormats
import MartletTensor

/// Why training data was refused. The message has the file and the position.
public struct DataError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// The system refused: no such file, no permission, disk full.
        case system
        /// The data violate their format.
        case malformed
        /// The data are valid, but of a kind that is not supported (a compression, an encoding, a version).
        case unsupported
        /// A requested file, column or field does not exist.
        case missing
        /// An option is invalid: for example a length of 0, or weights that do not fit.
        case invalid
    }

    public var kind: Kind
    /// The file, or nil if an option is invalid.
    public var path: String?
    /// The position in the file ("line 12", "row 3", "header"), if known.
    public var place: String?
    /// The field, column or option.
    public var field: String?
    public var reason: String
    /// Whether only one record is invalid, and reading may continue after it.
    public var isOneRecord = false

    public init(_ kind: Kind, path: String? = nil, place: String? = nil, field: String? = nil, _ reason: String) {
        self.kind = kind
        self.path = path
        self.place = place
        self.field = field
        self.reason = reason
    }

    public init(_ error: FileError) {
        self.init(.system, path: error.path, error.reason)
    }

    public var description: String {
        ([path, place, field.map(FormatError.quote)].compactMap { $0 } + [reason]).joined(separator: ": ")
    }
}

import MartletFormats
import MartletTensor

/// Why training data was refused. Names the file and the place in it.
public struct DataError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// The system refused: no such file, no permission, disk full.
        case system
        /// The data breaks the rules of its format.
        case malformed
        /// The data is sound, but of a kind that is not read (a compression, an encoding, a version).
        case unsupported
        /// A file, column or field that was asked for is not there.
        case missing
        /// What was asked for makes no sense: a length of nothing, weights that do not fit.
        case invalid
    }

    public var kind: Kind
    /// The file, or nil when the trouble is in what was asked for.
    public var path: String?
    /// Where in the file ("line 12", "row 3", "header"), when it is known.
    public var place: String?
    /// The field, column or option.
    public var field: String?
    public var reason: String
    /// Whether one record is at fault, and reading could go on behind it.
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

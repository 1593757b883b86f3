import MartletSystem

/// Why a tokenizer cannot be read, or cannot do what it was asked.
public enum TokenizerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file (or folder) could not be read at all.
    case unreadable(file: String, reason: String)
    /// The file was read, but `field` is not what it has to be.
    case malformed(file: String, field: String, reason: String)
    /// The file asks for something this library does not know.
    case unsupported(file: String, field: String, found: String, known: [String])
    /// The text holds something the vocabulary has no token for, and there is no unknown token.
    case noToken(text: String)
    /// An id that is not in the vocabulary.
    case unknownID(Int32, vocabularySize: Int)
    /// A token that should be in the vocabulary is not.
    case unknownToken(String)

    public var description: String {
        // What files say about themselves is quoted with care: it may be long, or made to confuse a terminal.
        switch self {
        case .unreadable(let file, let reason): "cannot read \(file.shown(limit: 500)): \(reason.shown(limit: 500))"
        case .malformed(let file, let field, let reason):
            "\(file.shown(limit: 500)): \(field.shown(limit: 160)): \(reason.shown(limit: 500))"
        case .unsupported(let file, let field, let found, let known):
            "\(file.shown(limit: 500)): \(field.shown(limit: 160)) is \(found.quoted()), which is not supported"
                + (known.isEmpty ? "" : "; known: \(known.joined(separator: ", "))")
        case .noToken(let text): "the vocabulary has no token for \(text.quoted()) and no unknown token"
        case .unknownID(let id, let size): "token id \(id) is not in the vocabulary (\(size) tokens)"
        case .unknownToken(let token): "the token \(token.quoted()) is not in the vocabulary"
        }
    }
}

import MartletSystem

/// Why a tokenizer cannot be read or cannot encode.
public enum TokenizerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file (or folder) could not be read at all.
    case unreadable(file: String, reason: String)
    /// The file was read, but `field` has an invalid value.
    case malformed(file: String, field: String, reason: String)
    /// The file uses a feature that is not supported.
    case unsupported(file: String, field: String, found: String, known: [String])
    /// The vocabulary has no token for a part of the text, and there is no unknown token.
    case noToken(text: String)
    /// An id that is not in the vocabulary.
    case unknownID(Int32, vocabularySize: Int)
    /// A required token is not in the vocabulary.
    case unknownToken(String)

    public var description: String {
        // Quotes from files are shortened and escaped: they may be long or contain terminal control characters.
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

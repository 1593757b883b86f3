/// Why a grammar cannot be enforced, or why a text left it.
public enum GrammarError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A keyword of a JSON Schema that cannot be enforced, with the JSON pointer of its value.
    case unsupportedKeyword(String, pointer: String, reason: String)
    /// A keyword of a JSON Schema whose value is none that it may have.
    case invalidSchema(pointer: String, problem: String)
    /// An expression, a list of choices or a GBNF text that cannot be read. Positions are Unicode scalars from 0.
    case malformed(GrammarKind, position: Int, problem: String)
    /// No text satisfies the grammar, or what stands at this place of it.
    case unsatisfiable(place: String)
    /// More than a bound on hostile grammars allows.
    case tooLarge(what: String, limit: Int)
    /// A rule that begins with itself, which cannot be run from left to right.
    case leftRecursion(rule: String)
    /// The token is not one that may come next.
    case tokenNotAllowed(Int32)
    /// The vocabulary has no token that could come next.
    case noToken
    /// Nobody waits for the grammar any more.
    case cancelled

    public var description: String {
        switch self {
        case .unsupportedKeyword(let keyword, let pointer, let reason):
            "the keyword \"\(keyword)\" at \"\(pointer)\" cannot be enforced: \(reason)"
        case .invalidSchema(let pointer, let problem): "the schema is invalid at \"\(pointer)\": \(problem)"
        case .malformed(let kind, let position, let problem): "the \(kind), character \(position): \(problem)"
        case .unsatisfiable(let place): "nothing satisfies \(place)"
        case .tooLarge(let what, let limit): "the grammar is too large: more than \(limit) \(what)"
        case .leftRecursion(let rule): "the rule \"\(rule)\" begins with itself"
        case .tokenNotAllowed(let token): "token \(token) is not allowed by the grammar here"
        case .cancelled: "the compilation was cancelled"
        case .noToken: "no token of the vocabulary continues the text as the grammar wants it"
        }
    }
}

/// The languages that grammars are written in.
public enum GrammarKind: Sendable, Hashable, CustomStringConvertible {
    case jsonSchema, regularExpression, choice, gbnf, jsonObject, calls

    public var description: String {
        switch self {
        case .jsonSchema: "JSON schema"
        case .regularExpression: "regular expression"
        case .choice: "choice"
        case .gbnf: "GBNF grammar"
        case .jsonObject: "JSON object"
        case .calls: "form of calls"
        }
    }
}

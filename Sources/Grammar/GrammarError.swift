/// Why a grammar cannot be enforced, or why a token is not allowed.
public enum GrammarError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A JSON Schema keyword that cannot be enforced, with the JSON pointer of its value.
    case unsupportedKeyword(String, pointer: String, reason: String)
    /// A JSON Schema keyword with an invalid value.
    case invalidSchema(pointer: String, problem: String)
    /// A regular expression, a list of choices or a GBNF text with a syntax error. Positions count Unicode scalars from
    /// 0.
    case malformed(GrammarKind, position: Int, problem: String)
    /// No text satisfies the grammar, or the given part of it.
    case unsatisfiable(place: String)
    /// A resource limit was exceeded.
    case tooLarge(what: String, limit: Int)
    /// A left-recursive rule, which cannot be run from left to right.
    case leftRecursion(rule: String)
    /// The token is not among the allowed ones.
    case tokenNotAllowed(Int32)
    /// The vocabulary has no token that may come next.
    case noToken
    /// The compilation was cancelled.
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
        case .noToken: "no token of the vocabulary continues the text as the grammar requires"
        }
    }
}

/// The notations of grammars.
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

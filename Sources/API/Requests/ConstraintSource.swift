import MartletJSON

/// What a reply must look like, as the request wrote it. Compiling it is the grammar's business, which refuses what it
/// cannot enforce.
public enum ConstraintSource: Sendable, Equatable {
    /// Any JSON object.
    case jsonObject
    case jsonSchema(JSON)
    /// A regular expression that the whole reply matches.
    case regex(String)
    /// One of these texts.
    case choice([String])
    /// A grammar in GBNF with the rule `root`.
    case gbnf(String)
    /// Calls of tools in the model's own syntax.
    case toolCalls(ToolCallShape)
}

/// One or more calls: `opening`, then one alternative after another with `separator` between, then `closing`.
public struct ToolCallShape: Sendable, Equatable {
    /// One tool: text before its arguments, a JSON Schema of the arguments, text after.
    public struct Alternative: Sendable, Equatable {
        public var opening: String
        public var arguments: JSON
        public var closing: String
    }

    public var opening: String
    public var alternatives: [Alternative]
    public var separator: String
    public var closing: String
    /// Whether more than one call may be made.
    public var allowsSeveral: Bool
}

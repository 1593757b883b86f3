import MartletGrammar
import MartletInference
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
    /// Calls of tools in a model's own syntax.
    /// - written: special tokens that stand for their spelling in it.
    case calls(CallGrammar, written: Set<Int32> = [])
}

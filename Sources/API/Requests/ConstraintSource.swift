import MartletGrammar
import MartletInference
import MartletJSON

/// The constraint on a reply as written in the request. The grammar compiler refuses what cannot be enforced.
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
    /// Tool calls in a model's own syntax.
    /// - written: special tokens that represent their spelling in it.
    case calls(CallGrammar, written: Set<Int32> = [])

    /// The member of a request that asks for it.
    var parameter: String {
        switch self {
        case .jsonObject, .jsonSchema: "response_format"
        case .regex: "guided_regex"
        case .choice: "guided_choice"
        case .gbnf: "grammar"
        case .calls: "tool_choice"
        }
    }
}

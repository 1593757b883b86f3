/// One token of a template source.
enum JinjaToken: Equatable, Sendable {
    case data(JinjaText)
    case variableBegin, variableEnd, blockBegin, blockEnd
    case name(String)
    case string(JinjaText)
    case integer(Int64)
    case float(Double)
    /// An operator or a bracket, as written.
    case symbol(String)
    case end

    var description: String {
        switch self {
        case .data: "text"
        case .variableBegin: "'{{'"
        case .variableEnd: "'}}'"
        case .blockBegin: "'{%'"
        case .blockEnd: "'%}'"
        case .name(let name): "'\(JinjaQuote.short(name))'"
        case .string: "a string"
        case .integer(let value): "\(value)"
        case .float(let value): "\(value)"
        case .symbol(let symbol): "'\(symbol)'"
        case .end: "the end of the template"
        }
    }
}

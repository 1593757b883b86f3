import MartletInference
import MartletJSON

/// How a family writes calls: what stands before, between and after them. What is missing here (Gemma, Python) spells
/// arguments in ways that no grammar is written for.
struct CallForm {
    let syntax: ToolSyntax
    /// Around all calls.
    private var opening = "", closing = ""
    private var separator = ""
    /// Around the arguments of one, with `NAME` for its name.
    private var before = "", after = "}"

    /// JSON objects, one a line.
    static let json = CallForm(json: "arguments", .json, separator: "\n")

    private init(json arguments: String, _ syntax: ToolSyntax, separator: String) {
        self.syntax = syntax
        self.separator = separator
        before = "{\"name\": \"NAME\", \"\(arguments)\": "
    }

    /// - Parameter template: of a model that was trained to call tools, which tells which of the family's ways it knows.
    init?(_ syntax: ToolSyntax, template: String?) {
        switch syntax {
        case .json: self = .json
        case .llamaJSON: self.init(json: "parameters", .llamaJSON, separator: "; ")
        case .hermes:
            self.init(json: "arguments", .hermes, separator: "\n")
            // Taught in the prompt, it is one line.
            let end = template == nil ? "" : "\n"
            before = "<tool_call>" + end + before
            after += end + "</tool_call>"
        case .mistral:
            self.init(json: "arguments", .mistral, separator: ", ")
            if template?.contains("[ARGS]") ?? false {
                (before, after, separator) = ("[TOOL_CALLS]NAME[ARGS]", "", "")
            } else {
                (opening, closing) = ("[TOOL_CALLS][", "]")
            }
        case .deepSeek:
            self.init(json: "", .deepSeek, separator: "")
            (opening, closing) = (DeepSeekCalls.opening, DeepSeekCalls.closing)
            if template?.contains("```json") ?? true {
                before = DeepSeekCalls.begin + "function" + DeepSeekCalls.separator + "NAME\n```json\n"
                after = "\n```" + DeepSeekCalls.end
                separator = "\n"
            } else {
                before = DeepSeekCalls.begin + "NAME" + DeepSeekCalls.separator
                after = DeepSeekCalls.end
            }
        case .qwenCoder:
            self.init(json: "", .qwenCoder, separator: "\n")
            (before, after) = ("<tool_call>\n<function=NAME>\n", "</function>\n</tool_call>")
        case .pythonic, .gemma: return nil
        }
    }

    /// One call of the tools that may be called, or several where the request allows it and does not name the one; nil
    /// where the syntax cannot be held to the schema of a tool.
    func grammar(_ settings: ToolSettings) -> CallGrammar? {
        var grammar = CallGrammar()
        (grammar.opening, grammar.closing, grammar.separator) = (opening, closing, separator)
        let parts = before.split(separator: "NAME", maxSplits: 1, omittingEmptySubsequences: false)
        for tool in settings.callable {
            var arguments = CallGrammar.Arguments.value(.json(tool.parameters))
            if syntax == .qwenCoder {
                guard let members = XMLCall.members(of: tool.parameters) else { return nil }
                arguments = .members(members)
            }
            grammar.alternatives.append(
                .init(opening: parts.joined(separator: tool.name), arguments: arguments, closing: after))
        }
        grammar.allowsSeveral = settings.allowsParallelCalls
        if case .named = settings.choice { grammar.allowsSeveral = false }
        return grammar
    }
}

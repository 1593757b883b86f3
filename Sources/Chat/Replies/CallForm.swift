import MartletGrammar
import MartletJSON

/// The syntax in which a model family writes tool calls: the text before, between and after them.
package struct CallForm {
    package let syntax: ToolSyntax
    /// Text around all calls.
    private var opening = "", closing = ""
    private var separator = ""
    /// Text around the arguments of one call; `NAME` is replaced by the function's name.
    private var before = "", after = "}"
    /// The quote around strings, for families with a special one.
    private var quote = ""

    /// JSON objects, one per line.
    package static let json = CallForm(json: "arguments", .json, separator: "\n")

    private init(json arguments: String, _ syntax: ToolSyntax, separator: String) {
        self.syntax = syntax
        self.separator = separator
        before = "{\"name\": \"NAME\", \"\(arguments)\": "
    }

    /// - Parameter template: the chat template of a model that was trained to call tools; selects the variant of the
    ///   family's syntax.
    package init(_ syntax: ToolSyntax, template: String?) {
        switch syntax {
        case .json: self = .json
        case .llamaJSON: self.init(json: "parameters", .llamaJSON, separator: "; ")
        case .hermes:
            self.init(json: "arguments", .hermes, separator: "\n")
            // If the syntax is only taught in the prompt, a call is a single line.
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
        case .gemma:
            self.init(json: "", .gemma, separator: "")
            if template?.contains("<start_function_call>") ?? false {
                (before, after) = ("<start_function_call>call:NAME{", "}<end_function_call>")
                quote = "<escape>"
            } else {
                (before, after) = ("<|tool_call>call:NAME{", "}<tool_call|>")
                quote = "<|\"|>"
            }
        case .pythonic:
            self.init(json: "", .pythonic, separator: ", ")
            (opening, closing) = ("[", "]")
            (before, after) = ("NAME(", ")")
        }
    }

    /// The argument syntax of families that do not write JSON.
    private var style: CallMembers? {
        switch syntax {
        case .qwenCoder: .tags
        case .gemma: .quoted(quote)
        case .pythonic: .python
        case .hermes, .llamaJSON, .mistral, .deepSeek, .json: nil
        }
    }

    /// A grammar for one call of the callable tools, or for several if the request allows it and does not name a tool;
    /// nil if the syntax cannot be constrained to the tool's schema.
    package func grammar(_ settings: ToolSettings) -> CallGrammar? {
        var grammar = CallGrammar()
        (grammar.opening, grammar.closing, grammar.separator) = (opening, closing, separator)
        let parts = before.split(separator: "NAME", maxSplits: 1, omittingEmptySubsequences: false)
        for tool in settings.callable {
            var arguments = CallGrammar.Arguments.value(.json(tool.parameters))
            if let style {
                guard let members = style.members(of: tool.parameters), style.canSpell(tool.name) else { return nil }
                arguments = .members(members, separator: style.separator)
            }
            grammar.alternatives.append(
                .init(opening: parts.joined(separator: tool.name), arguments: arguments, closing: after))
        }
        grammar.allowsSeveral = settings.allowsParallelCalls
        if case .named = settings.choice { grammar.allowsSeveral = false }
        return grammar
    }
}

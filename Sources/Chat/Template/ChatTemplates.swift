import MartletJSON

/// The templates of a model by name, and the fallback for a model without one.
public struct ChatTemplates: Sendable {
    /// Sources by name; the usual one is "default".
    public private(set) var sources: [(name: String, source: String)]

    /// Reads `chat_template` of a tokenizer configuration: a string, or `[{"name", "template"}]`.
    public init(_ json: JSON) throws(ChatTemplateError) {
        switch json {
        case .string(let source): sources = [("default", source)]
        case .array(let entries):
            sources = []
            for entry in entries {
                guard let name = entry["name"]?.string, let source = entry["template"]?.string else {
                    throw .source("every entry of the list needs a 'name' and a 'template'")
                }
                sources.append((name, source))
            }
            guard !sources.isEmpty else { throw .source("the list of templates is empty") }
        default: throw .source("expected a string or a list of templates, got \(json.kind)")
        }
    }

    public init(default source: String) { sources = [("default", source)] }

    public subscript(name: String) -> String? { sources.first { $0.name == name }?.source }

    /// The template for a request: "tool_use" if the request has tools and this template exists, else "default".
    public func source(forTools hasTools: Bool) throws(ChatTemplateError) -> String {
        if hasTools, let source = self["tool_use"] { return source }
        if let source = self["default"] { return source }
        if sources.count == 1 { return sources[0].source }
        throw .source("there is no template named 'default' among \(sources.map(\.name).joined(separator: ", "))")
    }

    /// The fallback for models without a template: ChatML. Users should be told its name.
    public static let fallbackName = "chatml"
    public static let fallback =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' "
        + "+ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
}

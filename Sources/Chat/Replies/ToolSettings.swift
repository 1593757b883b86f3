import MartletJSON

/// A function that the model may call.
public struct Tool: Sendable, Equatable {
    public var name: String
    public var description: String?
    /// The JSON Schema of the arguments, which are an object.
    public var parameters: JSON
    public var isStrict: Bool
    /// The JSON of the request, for the template: `{"type": "function", "function": {…}}`.
    public var json: JSON

    public init(name: String, description: String? = nil, parameters: JSON, isStrict: Bool = false, json: JSON) {
        self.name = name
        self.description = description
        self.parameters = parameters
        self.isStrict = isStrict
        self.json = json
    }
}

/// Whether a reply may, must or must not call tools: `tool_choice` of OpenAI's API.
///
/// ```swift
/// for try await event in model.chat(messages, tools: [add, weather], choice: .named("add")) { print(event) }
/// ```
public enum ToolChoice: Sendable, Equatable {
    /// No call; the model is not told of the tools.
    case none
    /// The model decides.
    case auto
    /// At least one call, of any tool.
    case required
    /// Only this tool.
    case named(String)
    /// At least one (or any number) of these tools.
    case allowed([String], isRequired: Bool)
}

/// The tools of a request, and how they may be called.
public struct ToolSettings: Sendable, Equatable {
    public var tools: [Tool]
    public var choice: ToolChoice
    /// Whether a forced reply may have several calls.
    public var allowsParallelCalls: Bool

    public init(_ tools: [Tool] = [], choice: ToolChoice = .auto, allowsParallelCalls: Bool = true) {
        (self.tools, self.choice, self.allowsParallelCalls) = (tools, choice, allowsParallelCalls)
    }

    /// Why a choice cannot be followed.
    package enum Problem: Equatable {
        case noTools
        case unknown(String)
    }

    /// Why the choice cannot be followed; nil if it can.
    package var problem: Problem? {
        let names: [String]
        switch choice {
        case .none, .auto: return nil
        case .required: names = []
        case .named(let name): names = [name]
        case .allowed(let allowed, _): names = allowed
        }
        guard !tools.isEmpty else { return .noTools }
        return names.first { name in !tools.contains { $0.name == name } }.map { .unknown($0) }
    }

    /// The tools that may be called.
    public var callable: [Tool] {
        switch choice {
        case .none: []
        case .auto, .required: tools
        case .named(let name): tools.filter { $0.name == name }
        case .allowed(let names, _): tools.filter { names.contains($0.name) }
        }
    }
}

extension ToolChoice {
    /// Whether a reply without a call violates the request.
    public var forcesCalls: Bool {
        switch self {
        case .required, .named: true
        case .allowed(_, let isRequired): isRequired
        case .none, .auto: false
        }
    }

    /// The choice after a demanded call was made and answered: the model decides, among the same tools.
    package var afterCall: ToolChoice {
        switch self {
        case .required, .named: .auto
        case .allowed(let names, _): .allowed(names, isRequired: false)
        case .none, .auto: self
        }
    }
}

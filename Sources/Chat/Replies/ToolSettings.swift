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

public enum ToolChoice: Sendable, Equatable {
    case none, auto, required
    /// Only this tool.
    case named(String)
    /// At least one (or any number) of these tools.
    case allowed([String], isRequired: Bool)
}

public struct ToolSettings: Sendable, Equatable {
    public var tools: [Tool] = []
    public var choice = ToolChoice.auto
    public var allowsParallelCalls = true

    public init() {}

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
}

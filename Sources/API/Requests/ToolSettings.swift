import MartletJSON

/// A function that the model may call.
public struct Tool: Sendable, Equatable {
    public var name: String
    public var description: String?
    /// JSON Schema of the arguments, an object.
    public var parameters: JSON
    public var isStrict: Bool
    /// As the request wrote it, for the template: `{"type": "function", "function": {…}}`.
    public var json: JSON
}

public enum ToolChoice: Sendable, Equatable {
    case none, auto, required
    /// This one and no other.
    case named(String)
    /// At least one (or any number) of these.
    case allowed([String], isRequired: Bool)
}

public struct ToolSettings: Sendable, Equatable {
    public var tools: [Tool] = []
    public var choice = ToolChoice.auto
    public var allowsParallelCalls = true

    public init() {}
}

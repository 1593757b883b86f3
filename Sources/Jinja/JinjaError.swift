/// Why a template could not be compiled or rendered, and at which line of its source.
public struct JinjaError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: String, Sendable {
        /// The source is not a template.
        case syntax
        /// A part of Jinja that is refused by name (`include`, `import`, `extends`, …).
        case unsupported
        /// An undefined value was used where a value is needed.
        case undefined
        /// An operation on values of the wrong type, or with the wrong arguments.
        case type
        /// A value out of range: overflow, division by zero, a bad format string.
        case value
        /// The template itself called `raise_exception`.
        case raised
        /// A bound on steps, depth, size or time was passed.
        case limit
        /// The task that renders was cancelled, or `JinjaLimits.isCancelled` said so.
        case cancelled
    }

    public var kind: Kind
    /// The reason; for `.raised` exactly the message the template gave.
    public var reason: String
    /// Line of the template source, from 1; 0 where there is none.
    public var line: Int

    public init(_ kind: Kind, _ reason: String, line: Int = 0) {
        self.kind = kind
        self.reason = reason
        self.line = line
    }

    /// On one line and fit for a terminal, whatever the reason quotes.
    public var description: String {
        let reason = JinjaQuote.plain(reason)
        return line > 0 ? "chat template, line \(line): \(reason)" : "chat template: \(reason)"
    }

    static func type(_ reason: String) -> JinjaError { JinjaError(.type, reason) }
    static func value(_ reason: String) -> JinjaError { JinjaError(.value, reason) }
    static func limit(_ reason: String) -> JinjaError { JinjaError(.limit, reason) }
}

/// Bounds on what a template may do. Templates come with downloaded models and are hostile input.
public struct JinjaLimits: Sendable {
    /// Nodes evaluated, items visited or made, and one more for every 64 bytes that are read or made (for every 16 where
    /// each character is looked at). So they bound memory, too: what a template makes of them is at most 256 MiB.
    public var steps = 4_000_000
    /// Macro calls and recursive loops inside one another.
    public var depth = 64
    /// Bytes of the output.
    public var outputBytes = 16 << 20
    public var seconds = 2.0
    /// Asked about ten thousand times a second, beside whether the task was cancelled.
    public var isCancelled: (@Sendable () -> Bool)?

    public init() {}

    /// No single string or list, rendered or intermediate, is larger.
    static let textBytes = 16 << 20
    static let listCount = 1 << 20
    /// Changes between what the template wrote and what came from data, in one text.
    package static let runCount = 1 << 18
    /// Arguments of one call, parameters of one macro.
    static let argumentCount = 1024
    /// Depth of the syntax tree, and of values inside values.
    static let nesting = 200
    /// Frames of the renderer on one another, whatever they are.
    static let frames = 1200
    static let sourceBytes = 1 << 20
}

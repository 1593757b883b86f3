/// Why a template could not be compiled or rendered, with the line of its source.
public struct JinjaError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: String, Sendable {
        /// The source is not a template.
        case syntax
        /// A feature of Jinja that is not supported (`include`, `import`, `extends`, …).
        case unsupported
        /// An undefined value was used where a value is needed.
        case undefined
        /// An operation on values of the wrong type, or with the wrong arguments.
        case type
        /// A value out of range: overflow, division by zero, a bad format string.
        case value
        /// The template itself called `raise_exception`.
        case raised
        /// A limit on steps, depth, size or time was exceeded.
        case limit
        /// The task was cancelled, or `JinjaLimits.isCancelled` returned true.
        case cancelled
    }

    public var kind: Kind
    /// The reason; for `.raised` exactly the template's message.
    public var reason: String
    /// The line of the template source, starting at 1; 0 if there is none.
    public var line: Int

    public init(_ kind: Kind, _ reason: String, line: Int = 0) {
        self.kind = kind
        self.reason = reason
        self.line = line
    }

    /// One line, with control characters escaped.
    public var description: String {
        let reason = JinjaQuote.plain(reason)
        return line > 0 ? "chat template, line \(line): \(reason)" : "chat template: \(reason)"
    }

    static func type(_ reason: String) -> JinjaError { JinjaError(.type, reason) }
    static func value(_ reason: String) -> JinjaError { JinjaError(.value, reason) }
    static func limit(_ reason: String) -> JinjaError { JinjaError(.limit, reason) }
}

/// Limits on what a template may do. Templates come with downloaded models and are untrusted input.
public struct JinjaLimits: Sendable {
    /// Steps: evaluated nodes, items visited or created, and one per 64 bytes read or written (per 16 where each
    /// character is examined). So they also bound memory: a template can create at most 256 MiB.
    public var steps = 4_000_000
    /// Nesting depth of macro calls and recursive loops.
    public var depth = 64
    /// Maximum bytes of output.
    public var outputBytes = 16 << 20
    public var seconds = 2.0
    /// Called about ten thousand times per second, in addition to the task's cancellation.
    public var isCancelled: (@Sendable () -> Bool)?

    public init() {}

    /// The maximum size of a single string or list, including intermediate ones.
    static let textBytes = 16 << 20
    static let listCount = 1 << 20
    /// The maximum number of changes between template text and data in one text.
    package static let runCount = 1 << 18
    /// The maximum number of arguments of a call and of parameters of a macro.
    static let argumentCount = 1024
    /// The maximum depth of the syntax tree, and of nested values.
    static let nesting = 200
    /// The maximum number of nested frames of the renderer.
    static let frames = 1200
    static let sourceBytes = 1 << 20
}

import MartletJSON

/// A compiled template. The syntax is checked once; rendering may run on many threads concurrently.
///
/// ```swift
/// let template = try JinjaTemplate("Hello {{ name }}!")
/// try template.render(["name": "world"])          // Hello world!
/// ```
///
/// Behaves like Jinja 3.1's immutable sandbox with `trim_blocks`, `lstrip_blocks`, loop controls and the `generation`
/// tag, which is how transformers renders chat templates.
public final class JinjaTemplate: Sendable {
    package let statements: [JinjaStatement]
    package let names: JinjaNames
    private let readsLoop: Bool
    /// Whether the template has a `generation` block.
    package let marksGeneration: Bool
    public let limits: JinjaLimits
    public let style: JinjaStyle

    public init(
        _ source: String, limits: JinjaLimits = JinjaLimits(), style: JinjaStyle = .chat
    ) throws(JinjaError) {
        self.style = style
        var parser = try JinjaParser(source, limits: limits, style: style)
        statements = try parser.template()
        names = parser.names
        readsLoop = parser.mentionsLoop
        marksGeneration = parser.marksGeneration
        self.limits = limits
    }

    /// Whether the source contains a variable of this name.
    public func mentions(_ name: String) -> Bool { names.existing(name) != nil }

    /// Renders with JSON variables; all of their strings count as data.
    public func render(_ variables: JSONObject) throws(JinjaError) -> String {
        var values: [(name: String, value: JinjaValue)] = []
        for (name, value) in variables where mentions(name) { values.append((name, JinjaValue(value))) }
        return try render(values, now: JinjaClock.system).text.string
    }

    package func render(
        _ variables: [(name: String, value: JinjaValue)], now: @escaping @Sendable () -> Int
    ) throws(JinjaError) -> (text: JinjaText, generations: [Range<Int>]) {
        let renderer = JinjaRenderer(names: names, limits: limits, now: now)
        renderer.readsLoop = readsLoop
        renderer.isStrict = style == .plain
        defer { renderer.dispose() }
        for (name, value) in variables {
            if let number = names.existing(name) { renderer.scope.set(number, value) }
        }
        renderer.scope = JinjaScope(parent: renderer.scope)
        do throws(JinjaError) {
            _ = try renderer.execute(statements)
        } catch {
            var error = error
            if error.line == 0 { error.line = renderer.line }
            throw error
        }
        return (renderer.output.finish(), renderer.generations)
    }
}

/// How a template treats white space and missing values.
public enum JinjaStyle: Sendable {
    /// As transformers renders chat templates: lines of tags leave no trace, and a missing value prints as nothing.
    case chat
    /// As lm-evaluation-harness renders its tasks: every character stays, and a missing value is an error when it is
    /// printed, tested or looped over (`StrictUndefined`).
    case plain
}

import MartletChat
import MartletJSON
import MartletSystem

/// A tool that replies may call while they are drawn: a definition that the chat template shows, and what a call gives.
///
/// ```swift
/// let clock = RolloutTool("clock", "The time now.", parameters: ["type": "object", "properties": [:]]) { _ in "12:00" }
/// ```
public struct RolloutTool {
    public let name: String
    /// As OpenAI's interface has it: name, description, parameters.
    public let definition: JSON
    /// From arguments to what the model is told.
    public let call: (JSON) throws -> String

    public init(
        _ name: String, _ description: String, parameters: JSON, _ call: @escaping (JSON) throws -> String
    ) {
        self.init(
            definition: ["name": .string(name), "description": .string(description), "parameters": parameters],
            name: name, call)
    }

    init(definition: JSON, name: String, _ call: @escaping (JSON) throws -> String) {
        self.name = name
        self.definition = definition
        self.call = call
    }

    /// For templates: {"type": "function", "function": …}.
    var json: JSON { ["type": "function", "function": definition] }

    /// For the parser of calls.
    var tool: Tool {
        Tool(
            name: name, description: definition["description"]?.string,
            parameters: definition["parameters"] ?? ["type": "object", "properties": [:]], json: json)
    }
}

/// Why a tool could not be used.
public struct ToolError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// It cannot be started, or does not describe itself.
        case unknown
        /// It took longer than it may, or ended.
        case timeout, exited
        /// An answer that is none.
        case malformed
    }
    public var kind: Kind
    public var description: String

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

/// A program with tools, in any language. It is started once, gets JSON lines and answers each with a line:
///
///     {"describe": true}                                       [{"name": "add", "description": "…", "parameters": {…}}]
///     {"name": "add", "arguments": {"a": 1, "b": 2}}           {"result": "3"}, a text alone, or {"error": "…"}
///
/// An error is what the model is told; a program that hangs or ends is one of the run.
public final class ToolProgram {
    public let path: String
    /// That a call may take.
    public let seconds: Double
    private let program: LineProgram

    /// - Throws: `ToolError` where it cannot be started.
    public init(path: String, seconds: Double = 60) throws(ToolError) {
        self.path = path
        self.seconds = seconds
        do { program = try LineProgram(path: path) } catch {
            let reason = (error as? LineProgramFailure)?.reason ?? "\(error)"
            throw ToolError(.unknown, "the tool \(path) \(reason)")
        }
    }

    /// What it describes.
    /// - Throws: `ToolError` where that is no definition of a function, or a list of such.
    public func tools() throws(ToolError) -> [RolloutTool] {
        let answer = try self.answer(["describe": true])
        let definitions = answer.array ?? [answer]
        var tools: [RolloutTool] = []
        for definition in definitions {
            let plain = definition["function"] ?? definition
            guard let name = plain["name"]?.string, !name.isEmpty else {
                throw ToolError(
                    .unknown,
                    "the tool \(path) answers {\"describe\": true} with \(definition.text().prefix(200)); expected name, "
                        + "description and parameters of a function, or a list of such")
            }
            tools.append(
                RolloutTool(definition: plain, name: name) { [self] arguments in try result(name, arguments) })
        }
        guard !tools.isEmpty else { throw ToolError(.unknown, "the tool \(path) describes no function") }
        return tools
    }

    private func result(_ name: String, _ arguments: JSON) throws(ToolError) -> String {
        let answer = try self.answer(["name": .string(name), "arguments": arguments])
        if let error = answer["error"]?.string { return "error: \(error)" }
        let result = answer["result"] ?? answer
        return result.string ?? result.text()
    }

    private func answer(_ line: JSON) throws(ToolError) -> JSON {
        var found: JSON?
        func fail(_ kind: ToolError.Kind, _ reason: String) -> ToolError {
            ToolError(kind, "the tool \(path) \(reason), asked \(line.text().prefix(200))")
        }
        do {
            try program.exchange([line], seconds: seconds) { _, bytes in found = try? JSON(parsing: bytes) }
        } catch let failure as LineProgramFailure {
            switch failure.kind {
            case .start: throw fail(.unknown, failure.reason)
            case .timeout: throw fail(.timeout, "did not answer in \(seconds) s (tool_seconds)")
            case .ended: throw fail(.exited, "ended; what it says is on standard error")
            case .more: throw fail(.malformed, "answered more than a line")
            case .longLine: throw fail(.malformed, "answers with a line of more than a megabyte")
            }
        } catch { throw fail(.malformed, "\(error)") }
        guard let found else { throw fail(.malformed, "answered something else than JSON") }
        return found
    }
}

import Dispatch
import Martlet
import MartletAPI
import Synchronization

extension LoadedModel {
    /// Compiles the grammar of a request for the vocabulary of this model, and checks what a reply may begin with. Runs
    /// apart from the threads that serve requests and from the engine's thread. Cancelled with the task of the request.
    /// - Throws: `APIError` naming what cannot be enforced.
    func compile(_ source: ConstraintSource) async throws -> any TokenConstraint {
        let isCancelled = GrammarCancellation()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                GrammarQueue.next().async { [self] in
                    continuation.resume(with: Result { try compile(source, isCancelled) })
                }
            }
        } onCancel: {
            isCancelled.set()
        }
    }

    private func compile(
        _ source: ConstraintSource, _ cancellation: GrammarCancellation
    ) throws -> any TokenConstraint {
        // A client may have disconnected while other grammars were compiled.
        if cancellation.isSet { throw CancellationError() }
        do throws(GrammarError) {
            // The memory of compilation is free now, whether the grammar was accepted or refused.
            let start = ContinuousClock.now
            defer { if ContinuousClock.now - start > .milliseconds(50) { FreedMemory.trimSoon() } }
            let grammar = try compiler(source.written).compile(source.grammar()) { cancellation.isSet }
            do throws(GrammarError) {
                try grammar.prepare { cancellation.isSet }
            } catch {
                if error != .cancelled { grammarMemory.forget(grammar) }
                throw error
            }
            return grammar
        } catch {
            throw error == .cancelled ? CancellationError() : source.refusal(error)
        }
    }

    /// Created for the first grammar: most models never need one.
    private func compiler(_ written: Set<Int32>) -> GrammarCompiler {
        grammars.withLock { grammars in
            if let known = grammars[written] { return known }
            let ends = engine?.model.endTokens ?? tokenizer.eosTokens
            let made = GrammarCompiler(
                TokenTree(tokenizer, endTokens: ends, written: written), memory: grammarMemory)
            grammars[written] = made
            return made
        }
    }
}

/// Compiles a few grammars at a time, whatever number of requests has one: each takes a core and memory for up to
/// seconds, and the computation of replies has priority.
private enum GrammarQueue {
    private static let queues = (0..<2).map { DispatchQueue(label: "martlet.grammar.\($0)", qos: .utility) }
    private static let turn = Atomic<Int>(0)

    static func next() -> DispatchQueue {
        queues[turn.wrappingAdd(1, ordering: .relaxed).newValue & 1]
    }
}

private final class GrammarCancellation: Sendable {
    private let flag = Atomic(false)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}

extension ConstraintSource {
    fileprivate func grammar() -> GrammarSource {
        switch self {
        case .jsonObject: .jsonObject()
        case .jsonSchema(let schema): .jsonSchema(schema)
        case .regex(let expression): .regularExpression(expression)
        case .choice(let texts): .choice(texts)
        case .gbnf(let text): .gbnf(text)
        case .calls(let calls, _): .calls(calls)
        }
    }

    fileprivate var written: Set<Int32> { if case .calls(_, let written) = self { written } else { [] } }

    /// The parameter in which the request usually has the constraint.
    private var parameter: String {
        switch self {
        case .jsonObject, .jsonSchema: "response_format"
        case .regex: "structured_outputs.regex"
        case .choice: "structured_outputs.choice"
        case .gbnf: "grammar"
        case .calls: "tools"
        }
    }

    fileprivate func refusal(_ error: GrammarError) -> APIError {
        let code: String
        switch error {
        case .unsupportedKeyword: code = "unsupported_schema"
        case .tooLarge: code = "grammar_too_large"
        default: code = "invalid_grammar"
        }
        return APIError("\(error)", parameter: parameter, code: code)
    }
}

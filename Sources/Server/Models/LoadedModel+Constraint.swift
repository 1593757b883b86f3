import Dispatch
import Martlet
import MartletAPI
import Synchronization

extension LoadedModel {
    /// The grammar of a request, compiled for this model's vocabulary, and what a reply may begin with, away from the
    /// threads that serve requests and the one that computes. It ends when the request's task is cancelled.
    /// - Throws: `APIError` that names what cannot be enforced.
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
        // Whoever left while others were compiled has no work done.
        if cancellation.isSet { throw CancellationError() }
        do throws(GrammarError) {
            // Whether it is refused or done, what it was made of is free now.
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

    /// Made when the first grammar comes: most models never see one.
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

/// Grammars are compiled a few at a time, whatever number of requests brings some: each takes a processor and memory for up
/// to seconds, and what computes replies goes before it.
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

    /// Where a request usually says it.
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

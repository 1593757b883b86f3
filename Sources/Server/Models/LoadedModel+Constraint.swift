import Dispatch
import Martlet
import MartletAPI

extension LoadedModel {
    /// The grammar of a request, compiled for this model's vocabulary, away from the threads that serve requests.
    /// - Throws: `APIError` that names what cannot be enforced.
    func compile(_ source: ConstraintSource) async throws -> any TokenConstraint {
        let grammar = source.grammar(), written = source.written
        return try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { [self] in
                continuation.resume(
                    with: Result {
                        do throws(GrammarError) {
                            return try compiler(written).compile(grammar)
                        } catch {
                            throw source.refusal(error)
                        }
                    })
            }
        }
    }

    /// Made when the first grammar comes: most models never see one.
    private func compiler(_ written: Set<Int32>) -> GrammarCompiler {
        grammars.withLock { grammars in
            if let known = grammars[written] { return known }
            let ends = engine?.model.endTokens ?? tokenizer.eosTokens
            let made = GrammarCompiler(TokenTree(tokenizer, endTokens: ends, written: written))
            grammars[written] = made
            return made
        }
    }
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

import MartletChat
import MartletGrammar
import MartletInference
import MartletModels
import MartletTokenizers

extension APIError {
    /// The client-visible form of an engine error; nil for an internal error.
    public init?(_ error: any Error, parameter: String = "messages") {
        switch error {
        case let error as APIError: self = error
        case .overloaded(let seconds) as EngineError:
            self.init(
                status: 429, "The server is busy. Try again later.", type: "rate_limit_error",
                code: "rate_limit_exceeded", retryAfterSeconds: seconds)
        case .contextExceeded(let tokens, let maximum, let limit) as EngineError:
            self = .contextExceeded(promptTokens: tokens, maximumTokens: maximum, limit: limit)
            self.parameter = parameter
        case .shuttingDown as EngineError:
            self.init(
                status: 503, "The server is shutting down.", type: "unavailable_error", code: "unavailable",
                retryAfterSeconds: 5)
        // Too ambiguous, or no token can follow: found only during generation.
        case let error as GrammarError:
            var code = "invalid_grammar"
            if case .tooLarge = error { code = "grammar_too_large" }
            self.init("The reply cannot be constrained as requested: \(error)", parameter: "grammar", code: code)
        case let error as OptionError: self.init("\(error)", parameter: error.option)
        case let error as TokenizerError: self.init("\(error)", parameter: parameter)
        case let error as ChatTemplateError: self.init("\(error)", parameter: parameter)
        case ModelError.fileChanged:
            self.init(
                status: 503, "The model's file was changed while it was in use. Try again: it is loaded anew.",
                type: "server_error", parameter: "model", code: "model_file_changed", retryAfterSeconds: 1)
        case ModelError.tokenOutOfRange: self.init("\(error)", parameter: parameter)
        default: return nil
        }
    }
}

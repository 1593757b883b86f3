import Logging
import MartletAPI

/// What an error becomes on its way out.
enum Failure {
    /// A refusal as it is; anything else as an internal error that tells nothing, with what is known in the log.
    static func refusal(_ error: any Error, requestID: String, logger: Logger) -> APIError {
        if let error = APIError(error) { return error }
        if error is CancellationError {
            return APIError(status: 499, "The client closed the connection.", code: "client_closed_request")
        }
        if let error = error as? ModelLoadFailure {
            logger.error("a model could not be loaded", metadata: ["error": "\(error)"])
            return APIError(
                status: 500, "The model '\(error.model)' could not be loaded. Request id: \(requestID)",
                type: "server_error", parameter: "model", code: "model_load_failed")
        }
        logger.error("request failed", metadata: ["error": "\(error)"])
        return .internalError(requestID: requestID)
    }
}

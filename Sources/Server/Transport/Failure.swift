import Logging
import MartletAPI
import NIOCore

/// What an error becomes on its way out.
enum Failure {
    /// A refusal as it is; anything else as an internal error that tells nothing, with what is known in the log.
    static func refusal(_ error: any Error, requestID: String, logger: Logger) -> APIError {
        if let error = APIError(error) { return error }
        if error is CancellationError { return .clientLeft }
        if isDisconnection(error) {
            // Clients come and go: nothing is wrong here.
            logger.debug("the client left", metadata: ["error": "\(error)"])
            return .clientLeft
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

    /// Whether an error says that the connection is gone: reset, closed, or closed while something was on its way.
    static func isDisconnection(_ error: any Error) -> Bool {
        switch error {
        case let error as IOError: [ECONNRESET, EPIPE, ENOTCONN, ETIMEDOUT, ECONNABORTED].contains(error.errnoCode)
        case let error as ChannelError:
            [.ioOnClosedChannel, .alreadyClosed, .eof, .inputClosed, .outputClosed].contains(error)
        case is NIOAsyncWriterError: true
        default: false
        }
    }
}

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

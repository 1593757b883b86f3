import Logging
import MartletAPI
import NIOCore

/// Converts errors to responses.
enum Failure {
    /// An `APIError` unchanged; any other error becomes an internal error without details, which go to the log.
    static func refusal(_ error: any Error, requestID: String, logger: Logger) -> APIError {
        if let error = APIError(error) { return error }
        if error is CancellationError { return .clientLeft }
        if isDisconnection(error) {
            // A disconnected client is not an error of the server.
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

    /// Whether an error means that the connection is gone: reset, closed, or closed during a transfer.
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

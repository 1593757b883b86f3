import CTransfer

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Why a transfer failed. A complete response with an HTTP error status is not an error here.
public enum TransferError: Error, Sendable, Equatable, CustomStringConvertible {
    /// libcurl is not installed, or cannot be used.
    case noLibrary(reason: String)
    /// The request cannot be sent: its URL or a header has characters that are not allowed there.
    case badRequest(reason: String)
    case cannotResolve(reason: String)
    case cannotConnect(reason: String)
    /// The other side's certificate is not trusted.
    case untrusted(reason: String)
    /// Another failure of TLS, for example a server that does not support it.
    case tls(reason: String)
    case timedOut(reason: String)
    /// The connection ended before the response was complete.
    case interrupted(reason: String)
    /// The response is not HTTP.
    case badAnswer(reason: String)
    case headersTooLarge(limit: Int)
    case bodyTooLarge(limit: Int)
    /// `Transfers.close()` was called before.
    case closed
    case failed(reason: String)

    public var description: String {
        switch self {
        case .noLibrary(let reason):
            "libcurl, which is needed for this, cannot be used (\(reason)); install it: apt-get install libcurl4 on Debian and "
                + "Ubuntu, dnf install libcurl on Fedora, apk add libcurl on Alpine"
        case .badRequest(let reason), .cannotResolve(let reason), .cannotConnect(let reason), .timedOut(let reason),
            .interrupted(let reason), .badAnswer(let reason), .failed(let reason):
            reason
        case .untrusted(let reason):
            "the certificate is not trusted: \(reason); if a proxy of your network has its own, name its file in "
                + "SSL_CERT_FILE"
        case .tls(let reason): "no secure connection: \(reason)"
        case .headersTooLarge(let limit): "the answer's headers take more than \(limit) bytes"
        case .bodyTooLarge(let limit): "the answer takes more than \(limit) bytes"
        case .closed: "the transfers were closed"
        }
    }

    /// Whether the same request may succeed a little later.
    public var isTransient: Bool {
        switch self {
        case .cannotResolve, .cannotConnect, .tls, .timedOut, .interrupted: true
        case .noLibrary, .badRequest, .untrusted, .badAnswer, .headersTooLarge, .bodyTooLarge, .closed, .failed: false
        }
    }

    /// How far a transfer was when libcurl ended it.
    struct Moment {
        var request: TransferRequest
        /// `errno` of a connection that failed, 0 where there is none.
        var systemError: Int32
        var wasSent: Bool
        var hasHead: Bool
    }

    /// What a code of libcurl's means (`CURLcode` in include/curl/curl.h). The same failure always has the same text,
    /// without byte counts and times: failures of many requests are counted by their text.
    /// - Parameter detail: what libcurl says of this case; may be empty.
    init(code: Int32, detail: String, _ moment: Moment) {
        let reason = Self.sentence(detail.isEmpty ? String(cString: martlet_curl_error_text(code)) : detail)
        switch code {
        // The scheme was checked before, so what is unsupported is the protocol of the response, or TLS.
        case 1 where reason.contains("HTTP/0.9"): self = .badAnswer(reason: "what was answered is not HTTP")
        case 3, 43: self = .badRequest(reason: reason)
        case 5, 6: self = .cannotResolve(reason: reason)
        case 7, 97: self = .cannotConnect(reason: Self.refusal(reason, moment))
        case 51, 60, 77, 82, 83, 90, 91: self = .untrusted(reason: reason)
        case 35, 53, 54, 58, 59, 64, 66, 80, 98: self = .tls(reason: reason)
        case 28: self = .timedOut(reason: Self.delay(reason, moment))
        case 18: self = .interrupted(reason: "the connection ended before the answer did")
        case 52: self = .interrupted(reason: "the connection ended without an answer")
        case 16, 55, 56, 92, 95, 96: self = .interrupted(reason: reason)
        case 8, 61, 100: self = .badAnswer(reason: reason)
        default: self = .failed(reason: "\(reason) (libcurl's error \(code))")
        }
    }

    /// Why there is no connection: the system's message, and which host refused it if that is not the URL's host (a
    /// proxy).
    private static func refusal(_ reason: String, _ moment: Moment) -> String {
        guard moment.systemError != 0 else { return reason }
        let words = sentence(String(cString: strerror(moment.systemError)))
        // "failed to connect to 10.0.0.1 port 3128 after 2 ms: …"
        guard let start = reason.firstRange(of: "connect to ")?.upperBound,
            let end = reason.firstRange(of: " after ")?.lowerBound, start < end
        else { return words }
        let asked = reason[start..<end], host = asked.prefix { $0 != " " }
        return moment.request.url.contains(host) ? words : "\(words), says the proxy at \(asked)"
    }

    /// What took too long.
    private static func delay(_ reason: String, _ moment: Moment) -> String {
        let request = moment.request
        guard moment.wasSent else {
            return "no connection within \(min(request.connectTimeout, request.timeout ?? request.connectTimeout))"
        }
        if let idle = request.idleTimeout, request.timeout == nil || reason.hasPrefix("operation too slow") {
            return "fewer than \(request.leastBytesPerSecond) bytes a second came for \(idle)"
        }
        guard let timeout = request.timeout else { return reason }
        return moment.hasHead ? "the answer took longer than \(timeout)" : "no answer within \(timeout)"
    }

    /// As the middle of a sentence: "Connection refused" becomes "connection refused", "TLS …" stays.
    private static func sentence(_ text: String) -> String {
        let word = text.prefix { $0 != " " }
        guard let first = word.first, word.dropFirst().allSatisfy({ $0.isLowercase || $0 == "'" }) else { return text }
        return first.lowercased() + text.dropFirst()
    }
}

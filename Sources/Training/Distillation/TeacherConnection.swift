import Dispatch
import MartletJSON
import MartletSystem
import MartletTransfer

/// Asks a server that speaks OpenAI's interface, with a time limit, and again where that may help.
public final class TeacherConnection: Sendable {
    /// As "http://host:8080/v1", without a slash at its end.
    public let url: String
    /// Of one answer.
    public let seconds: Double
    /// Times that a request is sent again after a failure that may pass.
    public let retries: Int
    /// What the server is to the run, as options call it.
    public let role: String
    private let key: String?
    private let transfers: Transfers
    /// Bytes of an answer at most.
    private static let largestAnswer = 1 << 28

    /// - Parameters:
    ///   - url: of the interface, as "http://host:8080/v1".
    ///   - key: sent as a bearer token.
    ///   - role: "teacher", or "judge": what errors call it, and options begin with.
    /// - Throws: `TeacherError` for what is no URL, or where requests cannot be made at all.
    public init(
        url: String, key: String? = nil, seconds: Double = 120, retries: Int = 3, role: String = "teacher"
    ) throws(TeacherError) {
        func failure(_ reason: String) -> TeacherError {
            var error = TeacherError(.unreachable, url, reason)
            error.role = role
            return error
        }
        var base = url
        while base.hasSuffix("/") { base.removeLast() }
        guard base.hasPrefix("http://") || base.hasPrefix("https://") else {
            throw failure("does not begin with http:// or https://")
        }
        self.role = role
        self.url = base
        self.key = key
        self.seconds = seconds
        self.retries = max(0, retries)
        do { transfers = try Transfers() } catch { throw failure(error.description) }
    }

    /// Whether a name is that of a server and not of a model on this machine.
    public static func isURL(_ name: String) -> Bool { name.hasPrefix("http://") || name.hasPrefix("https://") }

    /// Posts a request and waits for its answer.
    /// - Throws: `TeacherError`: what the server says where it refuses, else why there is no answer, with the attempts.
    public func post(_ path: String, _ body: JSON) throws(TeacherError) -> JSON {
        var attempt = 0
        while true {
            attempt += 1
            let outcome = answer(path, body)
            switch outcome {
            case .success(let json): return json
            case .failure(let failure):
                guard failure.mayPass, attempt <= retries else {
                    var error = failure.error
                    error.role = role
                    if attempt > 1 { error.reason += " (\(attempt) attempts)" }
                    throw error
                }
                // 1, 2, 4 … seconds, or as long as the server asks for.
                pause(min(60, failure.wait ?? Double(1 << min(attempt - 1, 5))))
            }
        }
    }

    private struct Failure: Error {
        var error: TeacherError
        var mayPass: Bool
        var wait: Double?
    }

    private func answer(_ path: String, _ body: JSON) -> Result<JSON, Failure> {
        var request = TransferRequest(.post, url + path)
        request.headers = [TransferHeader("Content-Type", "application/json")]
        if let key { request.headers.append(TransferHeader("Authorization", "Bearer \(key)")) }
        request.body = body.bytes()
        request.timeout = .seconds(seconds)
        let transfers = transfers, url = url, asked = request, role = role
        do {
            return try WaitedExecutor.value {
                do {
                    let response = try await transfers.send(asked)
                    let bytes = try await response.body.collect(upTo: Self.largestAnswer)
                    return Self.read(bytes, response, url, role)
                } catch let error as TransferError {
                    return .failure(
                        Failure(
                            error: TeacherError(.unreachable, url, error.description), mayPass: error.isTransient,
                            wait: nil))
                }
            }
        } catch {
            return .failure(Failure(error: TeacherError(.unreachable, url, "\(error)"), mayPass: false, wait: nil))
        }
    }

    private static func read(
        _ bytes: [UInt8], _ response: TransferResponse, _ url: String, _ role: String
    ) -> Result<JSON, Failure> {
        let json = try? JSON(parsing: bytes)
        let failed = json?["error"]?["message"]?.string ?? json?["error"]?.string
        guard response.status == 200 else {
            // OpenAI's form, llama-server's, or plain text.
            let said =
                failed ?? json?["message"]?.string
                ?? json?["detail"]?.string ?? String(decoding: bytes.prefix(200), as: UTF8.self)
            let next: String
            switch response.status {
            case 401, 403: next = "; name the variable with its key: --\(role)-key-variable"
            case 404: next = "; a URL ends in /v1, and --\(role)-name names one of its models"
            default: next = ""
            }
            return .failure(
                Failure(
                    error: TeacherError(.refused, url, "status \(response.status): \(said.quoted(limit: 300))\(next)"),
                    mayPass: [408, 409, 425, 429, 500, 502, 503, 504].contains(response.status),
                    wait: response.headers["retry-after"].flatMap(Double.init)))
        }
        guard let json else {
            let start = String(decoding: bytes.prefix(100), as: UTF8.self)
            return .failure(
                Failure(
                    error: TeacherError(.malformed, url, "answers no JSON: \(start.quoted(limit: 100))"),
                    mayPass: false,
                    wait: nil))
        }
        // Gateways answer so where what is behind them does not.
        if json["choices"] == nil, let failed {
            let error = TeacherError(.refused, url, "answers with an error: \(failed.quoted(limit: 300))")
            return .failure(Failure(error: error, mayPass: true, wait: nil))
        }
        return .success(json)
    }

    private func pause(_ seconds: Double) {
        _ = DispatchSemaphore(value: 0).wait(timeout: .now() + seconds)
    }
}

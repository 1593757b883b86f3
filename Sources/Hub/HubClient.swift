import Foundation
import MartletJSON
import MartletSystem
import MartletTransfer

/// The metadata of a file, which the hub sends before the file.
struct RemoteFile: Sendable {
    var commit: String
    /// SHA-256 (64 hexadecimal digits) or git-blob SHA-1 (40), otherwise an opaque value.
    var etag: String
    var size: Int
}

/// The requests a hub understands. The token goes to the hub's own host only.
struct HubClient: Sendable {
    let settings: HubSettings
    let transfers: Transfers

    /// Runs `body` with a client that is closed afterwards.
    static func with<Value: Sendable>(
        _ settings: HubSettings, _ body: (HubClient) async throws -> Value
    ) async throws -> Value {
        guard URL(string: settings.endpoint)?.user == nil else {
            throw HubError.transfer(
                url: "HF_ENDPOINT", reason: "a user's name is not sent to a hub; put a token into HF_TOKEN")
        }
        guard ["http", "https"].contains(URL(string: settings.endpoint)?.scheme?.lowercased()) else {
            throw HubError.transfer(
                url: "HF_ENDPOINT",
                reason: "\(settings.endpoint.quoted()) is no address of a hub: it begins with https://, as "
                    + "https://huggingface.co")
        }
        let transfers: Transfers
        do { transfers = try Transfers() } catch {
            throw HubError.transfer(url: settings.endpoint, reason: "\(error)")
        }
        do {
            let value = try await body(HubClient(settings: settings, transfers: transfers))
            await transfers.close()
            return value
        } catch {
            await transfers.close()
            throw error
        }
    }

    /// Tries again after a transient failure, with growing pauses.
    /// - Parameter received: the number of bytes received so far. An attempt that received many bytes resets the count
    ///   of attempts.
    func retrying<Value: Sendable>(
        atMost retries: Int? = nil, received: () -> Int = { 0 }, _ body: () async throws -> Value
    ) async throws -> Value {
        let retries = retries ?? settings.retries
        var attempt = 0
        while true {
            let before = received()
            do { return try await body() } catch let error as HubError where error.isTransient {
                if received() - before >= settings.goodDeal { attempt = 0 }
                var pause = settings.firstPause * (1 << min(attempt, 16))
                // Who asks earlier than a busy hub allows is refused for longer.
                if case .status(_, _, let wait?) = error { pause = max(pause, .seconds(wait)) }
                guard attempt < retries, pause <= settings.longestPause else { throw error }
                settings.onRetry?("\(error); trying again (\(attempt + 1) of \(retries))")
                try await Task.sleep(for: pause)
                attempt += 1
            }
        }
    }

    /// The files of a revision and the commit it stands for.
    func listing(_ repository: String, revision: String) async throws -> (commit: String, files: [String]) {
        let url =
            "\(settings.endpoint)/api/models/\(Self.escape(repository))/revision/\(Self.escape(revision, keepsSlash: false))"
        return try await retrying(atMost: min(settings.retries, settings.firstRetries)) {
            let response = try await send(.get, url, repository: repository, file: nil)
            let body = try await transport(url) { try await response.body.collect(upTo: 64 << 20) }
            let json: JSON
            do { json = try JSON(parsing: body) } catch {
                throw HubError.badAnswer(url: url, reason: "the listing is not JSON: \(error)")
            }
            guard let commit = json["sha"]?.string, Self.isCommit(commit), let siblings = json["siblings"]?.array else {
                throw HubError.badAnswer(url: url, reason: "the listing has no \"sha\" or no \"siblings\"")
            }
            let files = siblings.compactMap { $0["rfilename"]?.string }
            for name in files where !Self.isSafe(name) {
                throw HubError.badFileName(repository: repository, name: name)
            }
            return (commit, files)
        }
    }

    func url(_ repository: String, _ file: String, revision: String) -> String {
        "\(settings.endpoint)/\(Self.escape(repository))/resolve/\(Self.escape(revision, keepsSlash: false))/\(Self.escape(file))"
    }

    /// The metadata of a file. Redirects are not followed, because ETag and commit are headers of the hub's own
    /// response.
    func describe(_ repository: String, _ file: String, revision: String) async throws -> RemoteFile {
        let url = url(repository, file, revision: revision)
        return try await retrying {
            let response = try await send(.head, url, repository: repository, file: file, followsRedirects: false)
            let headers = response.headers
            guard let mark = headers["x-linked-etag"] ?? headers["etag"] else {
                throw HubError.badAnswer(url: url, reason: "the answer has no ETag")
            }
            let etag = (mark.hasPrefix("W/") ? String(mark.dropFirst(2)) : mark).filter { $0 != "\"" }
            guard !etag.isEmpty, etag.utf8.count <= 128,
                etag.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") })
            else {
                throw HubError.badAnswer(url: url, reason: "the ETag \(etag.debugDescription) cannot be a file name")
            }
            guard
                let size = (headers["x-linked-size"] ?? headers["content-length"]).flatMap({ Int($0) }),
                size >= 0
            else {
                throw HubError.badAnswer(url: url, reason: "the answer does not say the size")
            }
            guard let commit = headers["x-repo-commit"], Self.isCommit(commit) else {
                throw HubError.badAnswer(url: url, reason: "the answer has no X-Repo-Commit")
            }
            return RemoteFile(commit: commit, etag: etag, size: size)
        }
    }

    /// The bytes of a file from `offset` on; redirects are followed.
    func body(_ repository: String, _ file: String, revision: String, from offset: Int) async throws
        -> TransferResponse
    {
        try await send(
            .get, url(repository, file, revision: revision), repository: repository, file: file,
            range: offset > 0 ? "bytes=\(offset)-" : nil)
    }

    private func send(
        _ method: TransferRequest.Method, _ first: String, repository: String, file: String?, range: String? = nil,
        followsRedirects: Bool = true
    ) async throws -> TransferResponse {
        var target = first
        let home = URL(string: settings.endpoint)
        for _ in 0..<6 {
            guard let address = URL(string: target), address.scheme == "http" || address.scheme == "https" else {
                throw HubError.badAnswer(url: first, reason: "a redirect to \(target.debugDescription)")
            }
            // As Foundation parsed it, so that the request goes to the host that was checked before the token was
            // added.
            var request = TransferRequest(method, address.absoluteString)
            request.connectTimeout = .seconds(min(settings.idleSeconds, 3))
            request.idleTimeout = .seconds(settings.idleSeconds)
            request.leastBytesPerSecond = Self.leastBytesPerSecond
            request.headers = [
                TransferHeader("User-Agent", "martlet/0.1"),
                // A compressed body would have another size and hash than the hub announces.
                TransferHeader("Accept-Encoding", "identity"),
            ]
            if let range { request.headers.append(TransferHeader("Range", range)) }
            if let token = settings.token, address.host == home?.host, address.port == home?.port,
                address.scheme == home?.scheme
            {
                request.headers.append(TransferHeader("Authorization", "Bearer \(token)"))
            }
            let response = try await transport(target) { try await transfers.send(request) }
            switch response.status {
            case 200..<300: return response
            case 301, 302, 303, 307, 308:
                guard let location = response.headers["location"] else {
                    throw HubError.badAnswer(url: target, reason: "a redirect without a location")
                }
                guard let next = URL(string: location, relativeTo: address)?.absoluteURL else {
                    throw HubError.badAnswer(url: target, reason: "a redirect to \(location.debugDescription)")
                }
                // The hub moves renamed repositories on the same host; other hosts only store the bytes.
                if !followsRedirects, next.host != address.host || response.headers["x-linked-etag"] != nil {
                    return response
                }
                target = next.absoluteString
            case 401, 403: throw HubError.unauthorized(repository: repository, hasToken: settings.token != nil)
            case 404: throw HubError.notFound(repository: repository, file: file)
            case let code: throw HubError.status(url: target, code: code, wait: Self.wait(response.headers))
            }
        }
        throw HubError.badAnswer(url: first, reason: "too many redirects")
    }

    /// Seconds until a request is welcome again: `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3), else what is
    /// left of the window of `RateLimit: "api";r=0;t=55`, as Hugging Face's hub says it.
    private static func wait(_ headers: [TransferHeader]) -> Int? {
        if let text = headers["retry-after"] {
            if let seconds = Double(text), seconds.isFinite { return Int(min(max(seconds, 0), 1e9).rounded(.up)) }
            let reader = DateFormatter()
            reader.locale = Locale(identifier: "en_US_POSIX")
            reader.timeZone = TimeZone(secondsFromGMT: 0)
            reader.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
            return reader.date(from: text).map { Int(min(max($0.timeIntervalSinceNow, 0), 1e9).rounded(.up)) }
        }
        let parts = headers["ratelimit"]?.split(separator: ";").map { $0.filter { $0 != " " } } ?? []
        guard parts.contains("r=0") else { return nil }
        return parts.first { $0.hasPrefix("t=") }.flatMap { Int($0.dropFirst(2)) }.map { max($0, 0) }
    }

    /// Turns what goes wrong below HTTP into a `HubError`.
    func transport<Value>(_ url: String, _ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let error as TransferError {
            switch error {
            case .badAnswer, .headersTooLarge, .bodyTooLarge: throw HubError.badAnswer(url: url, reason: "\(error)")
            case _ where error.isTransient: throw HubError.unreachable(url: url, reason: "\(error)")
            default: throw HubError.transfer(url: url, reason: "\(error)")
            }
        }
    }

    /// A connection that is slower than this for `idleSeconds` is dropped: a new one may be faster, and resumes where
    /// the old one stopped.
    private static let leastBytesPerSecond = 100

    static func isCommit(_ text: String) -> Bool { text.utf8.count == 40 && text.allSatisfy(\.isHexDigit) }

    /// Whether a file name from a listing stays inside the folder it is written to (no path traversal).
    static func isSafe(_ name: String) -> Bool {
        guard !name.isEmpty, name.utf8.count <= 1024, !name.hasPrefix("/"), !name.contains("\\") else { return false }
        guard name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return false }
        return name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
            !["", ".", ".."].contains($0)
        }
    }

    private static func escape(_ path: String, keepsSlash: Bool = true) -> String {
        var allowed = CharacterSet(charactersIn: "-._~")
        allowed.insert(charactersIn: "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        if keepsSlash { allowed.insert("/") }
        return path.addingPercentEncoding(withAllowedCharacters: allowed) ?? path
    }
}

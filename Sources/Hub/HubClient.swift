import AsyncHTTPClient
import Foundation
import MartletJSON
import NIOCore
import NIOHTTP1

/// What a hub says of a file before it sends it.
struct RemoteFile: Sendable {
    var commit: String
    /// SHA-256 (64 hexadecimal digits) or git-blob SHA-1 (40), else an opaque mark.
    var etag: String
    var size: Int
}

/// The requests a hub understands. The token goes to the hub's own host only.
struct HubClient: Sendable {
    let settings: HubSettings
    let http: HTTPClient

    /// Runs `body` with a client that is shut down afterwards.
    static func with<Value: Sendable>(
        _ settings: HubSettings, _ body: (HubClient) async throws -> Value
    ) async throws -> Value {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout = .init(
            connect: .seconds(Int64(min(settings.idleSeconds, 5))), read: .seconds(Int64(settings.idleSeconds)))
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        do {
            let value = try await body(HubClient(settings: settings, http: http))
            try await http.shutdown()
            return value
        } catch {
            try? await http.shutdown()
            throw error
        }
    }

    /// Tries again after a transient failure, with growing pauses.
    func retrying<Value: Sendable>(
        atMost retries: Int? = nil, _ body: () async throws -> Value
    ) async throws -> Value {
        let retries = retries ?? settings.retries
        var pause = settings.firstPause
        for attempt in 0... {
            do { return try await body() } catch let error as HubError
                where error.isTransient && attempt < retries
            {
                settings.onRetry?("\(error); trying again (\(attempt + 1) of \(retries))")
                try await Task.sleep(for: pause)
                pause *= 2
            }
        }
        throw CancellationError()
    }

    /// The files of a revision and the commit it stands for.
    func listing(_ repository: String, revision: String) async throws -> (commit: String, files: [String]) {
        let url =
            "\(settings.endpoint)/api/models/\(Self.escape(repository))/revision/\(Self.escape(revision, keepsSlash: false))"
        return try await retrying(atMost: min(settings.retries, settings.firstRetries)) {
            let response = try await send(.GET, url, repository: repository, file: nil)
            let body = try await transport(url) { try await response.body.collect(upTo: 64 << 20) }
            let json: JSON
            do { json = try JSON(parsing: Array(body.readableBytesView)) } catch {
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

    /// What the hub says of a file. Redirects are not followed: the marks stand on the hub's own answer.
    func describe(_ repository: String, _ file: String, revision: String) async throws -> RemoteFile {
        let url = url(repository, file, revision: revision)
        return try await retrying {
            let response = try await send(.HEAD, url, repository: repository, file: file, followsRedirects: false)
            let headers = response.headers
            guard let mark = headers.first(name: "x-linked-etag") ?? headers.first(name: "etag") else {
                throw HubError.badAnswer(url: url, reason: "the answer has no ETag")
            }
            let etag = (mark.hasPrefix("W/") ? String(mark.dropFirst(2)) : mark).filter { $0 != "\"" }
            guard !etag.isEmpty, etag.utf8.count <= 128,
                etag.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") })
            else {
                throw HubError.badAnswer(url: url, reason: "the ETag \(etag.debugDescription) cannot be a file name")
            }
            guard
                let size = (headers.first(name: "x-linked-size") ?? headers.first(name: "content-length")).flatMap({
                    Int($0)
                }),
                size >= 0
            else {
                throw HubError.badAnswer(url: url, reason: "the answer does not say the size")
            }
            guard let commit = headers.first(name: "x-repo-commit"), Self.isCommit(commit) else {
                throw HubError.badAnswer(url: url, reason: "the answer has no X-Repo-Commit")
            }
            return RemoteFile(commit: commit, etag: etag, size: size)
        }
    }

    /// The bytes of a file from `offset` on; redirects are followed.
    func body(_ repository: String, _ file: String, revision: String, from offset: Int) async throws
        -> HTTPClientResponse
    {
        try await send(
            .GET, url(repository, file, revision: revision), repository: repository, file: file,
            range: offset > 0 ? "bytes=\(offset)-" : nil)
    }

    private func send(
        _ method: HTTPMethod, _ first: String, repository: String, file: String?, range: String? = nil,
        followsRedirects: Bool = true
    ) async throws -> HTTPClientResponse {
        var target = first
        let home = URL(string: settings.endpoint)
        for _ in 0..<6 {
            guard let address = URL(string: target), address.scheme == "http" || address.scheme == "https" else {
                throw HubError.badAnswer(url: first, reason: "a redirect to \(target.debugDescription)")
            }
            var request = HTTPClientRequest(url: target)
            request.method = method
            request.headers.add(name: "User-Agent", value: "martlet/0.1")
            // A compressed body would have neither the size nor the hash that the hub announces.
            request.headers.add(name: "Accept-Encoding", value: "identity")
            if let range { request.headers.add(name: "Range", value: range) }
            if let token = settings.token, address.host == home?.host, address.port == home?.port,
                address.scheme == home?.scheme
            {
                request.headers.add(name: "Authorization", value: "Bearer \(token)")
            }
            let response = try await transport(target) {
                try await http.execute(request, timeout: .seconds(24 * 3600))
            }
            switch response.status.code {
            case 200..<300: return response
            case 301, 302, 303, 307, 308:
                guard let location = response.headers.first(name: "location") else {
                    throw HubError.badAnswer(url: target, reason: "a redirect without a location")
                }
                guard let next = URL(string: location, relativeTo: address)?.absoluteURL else {
                    throw HubError.badAnswer(url: target, reason: "a redirect to \(location.debugDescription)")
                }
                // The hub moves renamed repositories on the same host; other hosts only store the bytes.
                if !followsRedirects, next.host != address.host || response.headers.contains(name: "x-linked-etag") {
                    return response
                }
                target = next.absoluteString
            case 401, 403: throw HubError.unauthorized(repository: repository, hasToken: settings.token != nil)
            case 404: throw HubError.notFound(repository: repository, file: file)
            default: throw HubError.status(url: target, code: Int(response.status.code))
            }
        }
        throw HubError.badAnswer(url: first, reason: "too many redirects")
    }

    /// Turns what goes wrong below HTTP into a `HubError`.
    func transport<Value>(_ url: String, _ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let error as HubError { throw error } catch is CancellationError {
            throw CancellationError()
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw HubError.unreachable(url: url, reason: "\(error)")
        }
    }

    static func isCommit(_ text: String) -> Bool { text.utf8.count == 40 && text.allSatisfy(\.isHexDigit) }

    /// Whether a name from a listing stays below the folder it is put in.
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

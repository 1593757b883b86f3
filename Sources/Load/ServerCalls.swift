import Foundation
import MartletJSON
import MartletTransfer

/// Why a server did not do what it was asked.
public enum ServerCallError: Error, LocalizedError, Sendable, CustomStringConvertible {
    case unreachable(url: String, reason: String)
    /// What the server itself says.
    case refused(status: Int, message: String)

    public var description: String {
        switch self {
        case .unreachable(let url, let reason):
            "nothing answers at \(url): \(reason); start one with `martlet serve`, or name it with --url"
        case .refused(let status, let message): "the server says: \(message) (\(status))"
        }
    }
    public var errorDescription: String? { description }
}

/// Single requests to a running server, as verbs of the command line make them.
public struct ServerCalls: Sendable {
    let url: String
    let key: String?

    /// - Parameter url: as "http://127.0.0.1:8080".
    public init(url: String, key: String?) {
        var url = url.contains("://") ? url : "http://" + url
        while url.hasSuffix("/") { url.removeLast() }
        self.url = url
        self.key = key
    }

    public func get(_ path: String) async throws -> JSON { try await send(path, nil) }
    public func post(_ path: String, _ body: JSON) async throws -> JSON { try await send(path, body) }

    private func send(_ path: String, _ body: JSON?) async throws -> JSON {
        let transfers: Transfers
        do { transfers = try Transfers() } catch {
            throw ServerCallError.unreachable(url: url, reason: "\(error)")
        }
        do {
            let answer = try await answer(transfers, path, body)
            await transfers.close()
            return answer
        } catch {
            await transfers.close()
            throw error
        }
    }

    private func answer(_ transfers: Transfers, _ path: String, _ body: JSON?) async throws -> JSON {
        var request = TransferRequest(body == nil ? .get : .post, url + path)
        request.connectTimeout = .seconds(3)
        // None of these calls waits for a reply to be generated.
        request.timeout = .seconds(60)
        if let key { request.headers.append(TransferHeader("Authorization", "Bearer \(key)")) }
        if let body {
            request.headers.append(TransferHeader("Content-Type", "application/json"))
            request.body = body.bytes()
        }
        let response: TransferResponse, bytes: [UInt8]
        do {
            response = try await transfers.send(request)
            bytes = try await response.body.collect(upTo: 16 << 20)
        } catch let error as TransferError {
            throw ServerCallError.unreachable(url: url, reason: "\(error)")
        }
        let json = try? JSON(parsing: bytes)
        guard (200..<300).contains(response.status) else {
            let message =
                json?["error"]?["message"]?.string ?? json?["error"]?.string ?? "status \(response.status)"
            throw ServerCallError.refused(status: response.status, message: message)
        }
        return json ?? .null
    }
}

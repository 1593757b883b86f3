import HTTPTypes
import Logging
import MartletAPI
import MartletJSON

/// A request that has passed all checks, with its whole body and its caller.
package struct Call: Sendable {
    package let head: HTTPRequest
    /// The path parameters of the route: `{model}`.
    package let parameters: [String: String]
    package let query: [String: String]
    package let body: [UInt8]
    package let caller: Caller
    package let requestID: String
    package let connection: Connection
    package var logger: Logger
    /// Information for the log and the metrics.
    package let note: CallNote

    /// The body as JSON.
    package func json() throws(APIError) -> JSON {
        guard !body.isEmpty else { throw APIError("The request has no body; expected a JSON object.") }
        do { return try JSON(parsing: body) } catch {
            throw APIError("The request's body is not valid JSON: \(error)", code: "invalid_json")
        }
    }
}

/// Splits a request target: `/a%20b?c=d` has the path "/a b" and the query c.
struct RequestTarget {
    var path: String
    var query: [String: String] = [:]

    /// Nil if an escape is invalid or the path is not UTF-8.
    init?(_ target: String) {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = Self.decoded(parts.first ?? "", plusIsSpace: false) else { return nil }
        self.path = Self.plain(path)
        guard parts.count == 2 else { return }
        for pair in parts[1].split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decoded(sides[0], plusIsSpace: true),
                let value = Self.decoded(sides.count > 1 ? sides[1] : "", plusIsSpace: true)
            else { return nil }
            query[name] = value
        }
    }

    /// Removes extra slashes left by base URLs: `//v1/models/` becomes `/v1/models`.
    private static func plain(_ path: String) -> String {
        guard path.hasPrefix("/"), path.contains("//") || path.hasSuffix("/") else { return path }
        return "/" + path.split(separator: "/").joined(separator: "/")
    }

    private static func decoded(_ text: Substring, plusIsSpace: Bool) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit) else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(0x20)
            default: bytes.append(byte)
            }
        }
        guard !bytes.contains(0) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

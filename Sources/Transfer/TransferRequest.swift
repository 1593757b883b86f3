import MartletSystem

/// One request over HTTP or HTTPS.
public struct TransferRequest: Sendable {
    public enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case post = "POST"
    }

    public var method: Method
    /// Begins with http:// or https://.
    public var url: String
    public var headers: [TransferHeader] = []
    /// The request body.
    public var body: [UInt8] = []
    /// The timeout for connecting, including name resolution and the TLS handshake.
    public var connectTimeout = Duration.seconds(10)
    /// The idle timeout: the transfer is aborted when fewer than `leastBytesPerSecond` arrive for this long; nil for
    /// none. Pauses that the reader causes do not count.
    public var idleTimeout: Duration?
    public var leastBytesPerSecond = 1
    /// The timeout for the whole transfer, to its last byte; nil for none.
    public var timeout: Duration?
    /// HTTP/2 is spoken where the other side offers it with TLS; several transfers then share a connection.
    public var allowsHTTP2 = true
    /// The size of the body's buffer; when it is full, receiving pauses (backpressure).
    public var bufferedBytes = 1 << 20
    /// The largest size of the response headers, in bytes.
    public var headerLimit = 256 << 10

    public init(_ method: Method, _ url: String) {
        self.method = method
        self.url = url
    }

    /// Refuses requests that another program could parse differently: a line break would begin another header (header
    /// injection); with a backslash or a user name, two parsers of the URL may see different hosts.
    func check() throws(TransferError) {
        guard let authority else {
            throw .badRequest(reason: "\(url.quoted()) does not begin with http:// or https://")
        }
        for byte in url.utf8 where byte <= 0x20 || byte >= 0x7F || #""<>\^`{|}"#.utf8.contains(byte) {
            throw .badRequest(reason: "\(url.quoted()) has a character that must be written as %… in a URL")
        }
        guard !authority.isEmpty else { throw .badRequest(reason: "\(url.quoted()) names no host") }
        guard !authority.contains("@") else {
            throw .badRequest(reason: "\(url.quoted(limit: 12)) has a user's name, which is not sent")
        }
        for header in headers {
            guard !header.name.isEmpty, header.name.utf8.allSatisfy(Self.isTokenByte) else {
                throw .badRequest(reason: "\(header.name.quoted()) is no name of a header")
            }
            // The value may be a secret: it is not shown.
            guard header.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
                throw .badRequest(reason: "the value of \(header.name) has a line break or another control character")
            }
        }
    }

    /// `tchar` of RFC 9110, 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// Host and port; nil where the URL is neither http:// nor https://.
    private var authority: Substring? {
        let scheme = ["http://", "https://"].first { url.lowercased().hasPrefix($0) }
        return scheme.map { url.dropFirst($0.count).prefix { !"/?#".contains($0) } }
    }

    /// Whether the host is this machine: then no proxy is used, whatever the environment says.
    var isLoopback: Bool {
        guard let authority = authority?.lowercased() else { return false }
        if authority.hasPrefix("[") { return authority.prefix { $0 != "]" } == "[::1" }
        let host = authority.prefix { $0 != ":" }
        if host == "localhost" || host.hasSuffix(".localhost") { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}

/// A header of a request or an answer.
public struct TransferHeader: Sendable, Equatable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

extension [TransferHeader] {
    /// The first value of a header; names are compared without case.
    public subscript(_ name: String) -> String? {
        let name = name.lowercased()
        return first { $0.name.lowercased() == name }?.value
    }
}

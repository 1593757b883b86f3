import HTTPTypes

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The host in a `Host` or `Origin` field.
enum HostName {
    /// "example.org" for "example.org:8080", "::1" for "[::1]:8080"; nil when something other than a port follows the
    /// host.
    static func name(of authority: some StringProtocol) -> String? {
        let name: String
        let rest: Substring
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            name = String(authority[authority.index(after: authority.startIndex)..<end])
            rest = Substring(authority[authority.index(after: end)...])
        } else {
            name = String(authority.prefix { $0 != ":" }).lowercased()
            rest = Substring(authority.drop { $0 != ":" })
        }
        guard rest.isEmpty || rest.first == ":" && rest.dropFirst().utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        return name
    }

    /// Whether this is a host name or an address, with or without a port, and nothing else (RFC 3986, section 3.2.2).
    static func isWellFormed(_ authority: some StringProtocol) -> Bool {
        guard let name = name(of: authority), !name.isEmpty else { return false }
        let port = authority.utf8.reversed().prefix { (0x30...0x39).contains($0) }.count
        guard !authority.contains(":") || authority.hasSuffix("]") || port <= 5 else { return false }
        if authority.hasPrefix("[") {
            return name.utf8.allSatisfy { byte in
                UnicodeScalar(byte).properties.isASCIIHexDigit || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
            }
        }
        let others = "-._~%!$&'()*+,;=".utf8
        return name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (0x30...0x39).contains(byte)
                || others.contains(byte)
        }
    }

    static func isAddress(_ name: String) -> Bool {
        var storage = in6_addr()
        return inet_pton(AF_INET, name, &storage) == 1 || inet_pton(AF_INET6, name, &storage) == 1
    }
}

/// Protects a server that accepts requests without a key from web pages of other sites.
///
/// A page can let its own host name resolve to 127.0.0.1 (DNS rebinding): the browser then takes the server for the
/// site of the page, but still sends that name in `Host`. Without keys, a request whose `Host` is not listed is
/// refused. A page can also send requests to a server whose replies it may not read. Browsers state the origin of the
/// page in `Origin`, which must be this server or a listed origin; where `Origin` is left out, as for images and links,
/// `Sec-Fetch-Site` is checked instead. Both checks apply to every request that changes state, GET included.
struct SiteRules: Sendable {
    var hosts: Set<String>
    var origins: Set<String>
    var hasKeys: Bool

    init(_ settings: ServerSettings) {
        hosts = Set(settings.allowedHosts.map { $0.lowercased() } + [settings.host.lowercased()])
        origins = Set(settings.allowedOrigins.map { $0.lowercased() })
        hasKeys = !settings.keys.isEmpty
    }

    func allows(host authority: String?) -> Bool {
        guard let authority, !hasKeys, !hosts.contains("*") else { return true }
        guard let name = HostName.name(of: authority) else { return false }
        return name == "localhost" || name.hasSuffix(".localhost") || HostName.isAddress(name) || hosts.contains(name)
    }

    /// Whether a page of this origin may send requests that change state, and read replies.
    func allows(origin: String, authority: String?) -> Bool {
        let origin = origin.lowercased()
        if origins.contains("*") || origins.contains(origin) { return true }
        guard let authority, let scheme = origin.range(of: "://") else { return false }
        return origin[scheme.upperBound...] == authority.lowercased()
    }

    /// Whether a request that can change state comes from no web page, or from a page that may send it.
    func allowsChange(_ head: HTTPRequest) -> Bool {
        if let origin = head.headerFields[.origin] { return allows(origin: origin, authority: head.authority) }
        guard let site = head.headerFields[.fetchSite]?.lowercased() else { return true }
        return site == "same-origin" || site == "none" || origins.contains("*")
    }

    /// The header fields that let a page of another, listed origin read the reply.
    func fields(origin: String?) -> HTTPFields {
        guard let origin, origins.contains("*") || origins.contains(origin.lowercased()) else { return [:] }
        return [.accessControlAllowOrigin: origin, .vary: "Origin", .accessControlExposeHeaders: "x-request-id"]
    }

    /// The reply to a preflight request, in which the browser asks which requests it may send.
    func preflightFields(origin: String?, methods: String) -> HTTPFields {
        var fields = fields(origin: origin)
        guard !fields.isEmpty else { return fields }
        fields[.accessControlAllowMethods] = methods
        fields[.accessControlAllowHeaders] =
            "authorization, content-type, x-api-key, api-key, anthropic-version, x-request-id"
        fields[.accessControlMaxAge] = "600"
        return fields
    }
}

extension String {
    /// The first occurrence of `other`.
    fileprivate func range(of other: String) -> Range<Index>? { firstRange(of: other) }
}

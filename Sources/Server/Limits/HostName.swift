import HTTPTypes

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The host of a `Host` or `Origin` field.
enum HostName {
    /// "example.org" of "example.org:8080", "::1" of "[::1]:8080"; nil where anything but a port follows.
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

    /// Whether this is a name or an address, with a port or without, and nothing else (RFC 3986, 3.2.2).
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

/// Keeps other people's web pages from using a server that trusts whoever reaches it.
///
/// A page can have its own name point at 127.0.0.1 (DNS rebinding): the browser then takes the server for the page's own,
/// but still says the name in `Host`. A name that is not listed is refused where no key protects the server. A page can
/// also send requests to a server whose replies it may not read. Browsers say where they come from: in `Origin`, which must
/// be this server or listed, or, where that is left out, as for pictures and links, in `Sec-Fetch-Site`. Whatever changes
/// anything is held to both, whether its method is GET or not.
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

    /// Whether a page of this origin may send requests that change something, and read replies.
    func allows(origin: String, authority: String?) -> Bool {
        let origin = origin.lowercased()
        if origins.contains("*") || origins.contains(origin) { return true }
        guard let authority, let scheme = origin.range(of: "://") else { return false }
        return origin[scheme.upperBound...] == authority.lowercased()
    }

    /// Whether a request that can change something comes from no page, or from one that may send it.
    func allowsChange(_ head: HTTPRequest) -> Bool {
        if let origin = head.headerFields[.origin] { return allows(origin: origin, authority: head.authority) }
        guard let site = head.headerFields[.fetchSite]?.lowercased() else { return true }
        return site == "same-origin" || site == "none" || origins.contains("*")
    }

    /// What lets a page of another, listed origin read the reply.
    func fields(origin: String?) -> HTTPFields {
        guard let origin, origins.contains("*") || origins.contains(origin.lowercased()) else { return [:] }
        return [.accessControlAllowOrigin: origin, .vary: "Origin", .accessControlExposeHeaders: "x-request-id"]
    }

    /// The answer to a browser that asks what it may send.
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
    /// The first place of `other`.
    fileprivate func range(of other: String) -> Range<Index>? { firstRange(of: other) }
}

import MartletSystem

/// An API key; only its SHA-256 is stored.
public struct APIKey: Sendable {
    public var name: String
    package var digest: [UInt8]
    package var scopes: Set<Scope>
    public var quota: KeyQuota

    package init(name: String, digest: [UInt8], scopes: Set<Scope>, quota: KeyQuota = KeyQuota()) {
        self.name = name
        self.digest = digest
        self.scopes = scopes
        self.quota = quota
    }

    /// The only key of a server with one user: it has every permission.
    public init(name: String = "owner", secret: String) {
        self.init(name: name, digest: Self.digest(secret), scopes: Set(Scope.allCases))
    }

    package static func digest(_ secret: String) -> [UInt8] { SHA256.hash(secret.utf8) }
}

/// The quota of one key; nil is unlimited.
public struct KeyQuota: Sendable, Equatable {
    public var requestsPerMinute: Int?
    /// Tokens of prompts and replies together.
    public var tokensPerDay: Int?
    public var concurrentRequests: Int?

    public init() {}
}

/// The caller of a request.
package struct Caller: Sendable {
    /// The key's name; nil for a caller without one.
    package var name: String?
    package var scopes: Set<Scope>
    package var meter: KeyMeter?

    /// Separates the cached prompts of this caller from those of others.
    package var cacheSalt: String { name ?? "" }
}

/// All keys, compared so that the time does not reveal how close a guess was.
package final class KeyRing: Sendable {
    private let entries: [(key: APIKey, meter: KeyMeter)]

    package init(_ keys: [APIKey]) { entries = keys.map { ($0, KeyMeter($0.quota)) } }

    package var isEmpty: Bool { entries.isEmpty }

    /// Compares the digest with that of every key, each in full.
    package func caller(showing secret: String) -> Caller? {
        let digest = APIKey.digest(secret)
        var found: Int?
        for (index, entry) in entries.enumerated() {
            var difference: UInt8 = 0
            for (a, b) in zip(entry.key.digest, digest) { difference |= a ^ b }
            if difference == 0 { found = index }
        }
        guard let found else { return nil }
        let entry = entries[found]
        return Caller(name: entry.key.name, scopes: entry.key.scopes, meter: entry.meter)
    }
}

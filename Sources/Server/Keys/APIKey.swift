import MartletSystem

/// A key that callers show, known by its SHA-256 alone.
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

    /// The one key of a server of one person: it may do everything.
    public init(name: String = "owner", secret: String) {
        self.init(name: name, digest: Self.digest(secret), scopes: Set(Scope.allCases))
    }

    package static func digest(_ secret: String) -> [UInt8] { SHA256.hash(secret.utf8) }
}

/// What one key may use up; nil is without bound.
public struct KeyQuota: Sendable, Equatable {
    public var requestsPerMinute: Int?
    /// Of prompts and replies together.
    public var tokensPerDay: Int?
    public var concurrentRequests: Int?

    public init() {}
}

/// Who asks.
package struct Caller: Sendable {
    /// The key's name; nil for a caller without one.
    package var name: String?
    package var scopes: Set<Scope>
    package var meter: KeyMeter?

    /// Separates what is cached for this caller from what is for others.
    package var cacheSalt: String { name ?? "" }
}

/// All keys, and how to tell them apart without telling how close a guess was.
package final class KeyRing: Sendable {
    private let entries: [(key: APIKey, meter: KeyMeter)]

    package init(_ keys: [APIKey]) { entries = keys.map { ($0, KeyMeter($0.quota)) } }

    package var isEmpty: Bool { entries.isEmpty }

    /// Compares the digest with that of every key, each to its end.
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

import Martlet
import MartletSystem
import Synchronization

/// The adapters of a model that are in memory, by their numbers and scales. Requests may name any scale, so that those used longest
/// ago are evicted, but none that a reply is computed with.
struct AdapterCache {
    private struct Entry {
        let key: String
        var adapter: LoadedAdapter
        var lastUse = ContinuousClock.now
    }
    private var entries: [Entry] = []
    private static let most = 64

    /// Bytes of all of them.
    var byteCount: Int { entries.reduce(0) { $0.adding(clamped: $1.adapter.byteCount) } }
    var count: Int { entries.count }

    mutating func find(_ key: String) -> LoadedAdapter? {
        guard let index = entries.firstIndex(where: { $0.key == key }) else { return nil }
        entries[index].lastUse = .now
        return entries[index].adapter
    }

    mutating func add(_ adapter: LoadedAdapter, _ key: String) {
        while entries.count >= Self.most, evictOldestIdle() != nil {}
        entries.append(Entry(key: key, adapter: adapter))
    }

    /// When the one was used that `evictOldestIdle` would evict.
    mutating func oldestIdleUse() -> ContinuousClock.Instant? { oldestIdle().map { entries[$0].lastUse } }

    /// - Returns: what was evicted; nil where every one is in use.
    mutating func evictOldestIdle() -> LoadedAdapter? { oldestIdle().map { entries.remove(at: $0).adapter } }

    /// One that nobody but the cache refers to is computed with by nobody.
    private mutating func oldestIdle() -> Int? {
        var oldest: Int?
        for index in entries.indices where isKnownUniquelyReferenced(&entries[index].adapter) {
            if oldest.map({ entries[index].lastUse < entries[$0].lastUse }) ?? true { oldest = index }
        }
        return oldest
    }

    mutating func forget(_ number: Int) { entries.removeAll { $0.key.contains("\u{1}\(number)\u{0}") } }

    static func key(_ shares: [AdapterShare]) -> String {
        shares.map { "\u{1}\($0.adapter.number)\u{0}\($0.strength)" }.joined()
    }
}

extension ModelRegistry {
    /// The adapters of a reply, read where they are not in memory. Reading takes a while: not on the threads that serve.
    /// - Throws: `AdapterError` for files that are none of this model; `APIError` where there is no memory for them.
    package func adapter(_ shares: [AdapterShare], on model: LoadedModel, name: String) async throws -> LoadedAdapter? {
        guard let engine = model.engine, !shares.isEmpty else { return nil }
        let key = AdapterCache.key(shares)
        if let known = model.loadedAdapters.withLock({ $0.find(key) }) { return known }
        let references = shares.map { AdapterReference($0.adapter.path, strength: $0.strength) }
        let adapter = try await WorkLane.medium.run { try engine.model.loadAdapter(references, name: name) }
        return try keep(adapter, key, on: model)
    }
}

extension LoadedModel {
    func forget(_ adapter: ServedAdapter) { loadedAdapters.withLock { $0.forget(adapter.number) } }

    /// Bytes of the adapters that are kept with it.
    package var adapterBytes: Int { loadedAdapters.withLock { $0.byteCount } }
}

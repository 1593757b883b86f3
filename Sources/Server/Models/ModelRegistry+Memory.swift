import Logging
import Martlet
import MartletAPI
import MartletSystem
import Synchronization

/// The memory that models and their adapters take together.
extension ModelRegistry {
    /// Bytes that models and their adapters may still take together; nil where nothing bounds them.
    private func room(_ entries: [Entry]) -> Int? {
        let machine = MachineMemory().available
        guard let left = budget(entries) else { return machine }
        return min(left, machine ?? .max)
    }

    /// What is left of the settings' bound; below 0 where more is held.
    private func budget(_ entries: [Entry]) -> Int? {
        settings.maximumMemory?.adding(clamped: -entries.reduce(0) { $0.adding(clamped: $1.held) })
    }

    /// Makes room for a model, or says why there is none.
    /// - Returns: bytes for the model's cache.
    func admit(_ model: ServedModel, _ entries: inout [Entry], unloading: inout [LoadedModel]) throws(APIError)
        -> Int
    {
        let plan = model.plan(settings.engine)
        var left = room(entries)
        if let available = left { left = makeRoom(for: plan.minimum, of: available, &entries, &unloading) }
        if let left, left < plan.minimum {
            throw APIError(
                status: 503,
                "The model '\(model.name)' needs \(plan.minimum.asBytes) of memory (weights "
                    + "\(plan.weights.asBytes), one context \(plan.context.asBytes), working space "
                    + "\(MemoryPlan.working.asBytes)), and \(tell(left))",
                type: "server_error", code: "insufficient_memory", retryAfterSeconds: 30)
        }
        guard model.generates else { return 0 }
        // A cache may be as large as all that is allowed: adapters are left a part.
        let spare = left.map { settings.maximumMemory == nil ? 0 : ($0 - plan.minimum) / 8 } ?? 0
        return plan.cache(available: (left ?? .max / 2) - spare, wanted: settings.cacheBytes)
    }

    /// Takes adapters and models out of memory that nobody uses until so much is left, as far as it goes: first adapters, which are read
    /// again in less time, and of either the one that was used longest ago.
    /// - Returns: bytes that are left then. What the machine has back shows only later.
    private func makeRoom(
        for bytes: Int, of available: Int, _ entries: inout [Entry], _ unloading: inout [LoadedModel]
    ) -> Int {
        var left = available
        left = left.adding(clamped: evictAdapters(entries, freeing: bytes.adding(clamped: -left)))
        while left < bytes {
            let idle = entries.indices.filter { entries[$0].users == 0 && entries[$0].isLoaded }
            guard let index = idle.min(by: { entries[$0].lastUse < entries[$1].lastUse }) else { break }
            if case .loaded(let loaded) = entries[index].state { unloading.append(loaded) }
            left = left.adding(clamped: entries[index].held)
            entries[index].unload()
        }
        return left
    }

    /// "3 MiB are left of the 500 MiB that models may take.", for messages.
    private func tell(_ available: Int) -> String {
        "\(max(available, 0).asBytes) are left"
            + (settings.maximumMemory.map { " of the \($0.asBytes) that models may take." } ?? ".")
    }

    /// Evicts adapters that no reply is computed with, the one used longest ago first, whichever model it is of.
    /// - Returns: bytes that are free by it: at least `bytes`, where there are so many.
    private func evictAdapters(_ entries: [Entry], freeing bytes: Int) -> Int {
        let models = entries.compactMap(\.loaded)
        var freed = 0
        while freed < bytes {
            let oldest = models.compactMap { model in
                model.loadedAdapters.withLock { $0.oldestIdleUse() }.map { (model: model, use: $0) }
            }.min { $0.use < $1.use }
            guard let model = oldest?.model, let adapter = model.loadedAdapters.withLock({ $0.evictOldestIdle() })
            else { break }
            freed = freed.adding(clamped: adapter.byteCount)
            settings.logger.info(
                "adapter evicted",
                metadata: [
                    "model": .string(model.name), "adapter": .string(adapter.name), "bytes": "\(adapter.byteCount)",
                ])
        }
        return freed
    }

    /// Keeps an adapter that was read with its model, within the memory that models may take.
    /// - Returns: the adapter, or the same one that another request has read meanwhile.
    /// - Throws: `APIError` where there is no room beside those that replies are computed with.
    func keep(_ adapter: LoadedAdapter, _ key: String, on model: LoadedModel) throws(APIError) -> LoadedAdapter {
        var unloaded: [LoadedModel] = []
        defer { for model in unloaded { model.stop() } }
        return try entries.withLock { entries throws(APIError) in
            // Another request may have been first: replies share what it read.
            if let known = model.loadedAdapters.withLock({ $0.find(key) }) { return known }
            // Of the machine's memory it has its part already; a machine that is short of it has others evicted.
            if let machine = MachineMemory().available, machine < MemoryPlan.working {
                _ = evictAdapters(entries, freeing: MemoryPlan.working.adding(clamped: -machine))
            }
            let bytes = adapter.byteCount
            var left = budget(entries)
            if let available = left { left = makeRoom(for: bytes, of: available, &entries, &unloaded) }
            if let left, left < bytes {
                throw APIError(
                    status: 503,
                    "The adapter '\(adapter.name.shown(limit: 200))' needs \(bytes.asBytes) of memory, and \(tell(left))",
                    type: "server_error", code: "insufficient_memory", retryAfterSeconds: 30)
            }
            model.loadedAdapters.withLock { $0.add(adapter, key) }
            return adapter
        }
    }
}

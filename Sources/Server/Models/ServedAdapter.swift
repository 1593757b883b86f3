import Martlet
import MartletAPI
import MartletSystem
import Synchronization

/// An adapter that clients ask for as a model of its own: requests of several of them, and of their base, share a batch.
package struct ServedAdapter: Sendable {
    package let name: String
    /// The base's name.
    package let base: String
    package let path: String
    package let created: Int
    /// How much of it requests of the base itself get: `/lora-adapters` of llama.cpp's server sets it. 0: none.
    package var scale = 0.0
}

/// The adapters of a server. Their files are read when first asked for, and kept with the model that they stand on.
package final class AdapterTable: Sendable {
    private let entries = Mutex<[ServedAdapter]>([])

    init() {}

    package var all: [ServedAdapter] { entries.withLock { $0 } }

    func find(_ name: String?) -> ServedAdapter? {
        guard let name else { return nil }
        return entries.withLock { entries in entries.first { $0.name == name } }
    }

    /// - Returns: false where there is one of that name.
    func add(_ adapter: ServedAdapter) -> Bool {
        entries.withLock { entries in
            guard !entries.contains(where: { $0.name == adapter.name }) else { return false }
            entries.append(adapter)
            return true
        }
    }

    /// - Returns: whether there was one.
    func remove(_ name: String) -> ServedAdapter? {
        entries.withLock { entries in
            guard let index = entries.firstIndex(where: { $0.name == name }) else { return nil }
            return entries.remove(at: index)
        }
    }

    /// Sets the scales by place in the list; those that are not named become 0, as llama.cpp's server has it.
    /// - Returns: the first place that there is none for.
    func setScales(_ scales: [(id: Int, scale: Double)]) -> Int? {
        entries.withLock { entries in
            if let wrong = scales.first(where: { !entries.indices.contains($0.id) }) { return wrong.id }
            for index in entries.indices { entries[index].scale = 0 }
            for (id, scale) in scales { entries[id].scale = scale }
            return nil
        }
    }

    /// What a reply of a model is computed with: the adapter that was named, or those that all requests of the base get.
    func wanted(_ name: String?, base: String) -> [AdapterReference] {
        if let named = find(name) { return [AdapterReference(named.path)] }
        return all.filter { $0.base == base && $0.scale != 0 }.map { AdapterReference($0.path, strength: $0.scale) }
    }
}

extension ModelRegistry {
    /// Takes an adapter under a name.
    /// - Parameter base: the model it stands on; where nil the one its files name, or the only language model.
    /// - Throws: `APIError` where the name is taken, and where it does not fit its base.
    package func addAdapter(_ name: String, path: String, base: String? = nil) async throws {
        guard !models.contains(where: { $0.model.answers(to: name) }) else {
            throw APIError("A model is called '\(name.shown(limit: 200))'.", parameter: "lora_name", code: "name_taken")
        }
        guard adapters.find(name) == nil else {
            throw APIError(
                "The lora adapter '\(name.shown(limit: 200))' has already been loaded.", type: "BadRequestError",
                parameter: "lora_name", code: "adapter_loaded")
        }
        let model = try baseOfAdapter(path, named: base)
        // Whether it fits is known before anybody asks for it.
        let lease = try await use(model.name, for: .generates)
        do { _ = try await lease.model.adapter([AdapterReference(path)], name: name) } catch let error as AdapterError {
            throw APIError("\(error)", type: "BadRequestError", parameter: "lora_path", code: "adapter_refused")
        }
        guard
            adapters.add(ServedAdapter(name: name, base: model.name, path: path, created: ServedModel.modified(path)))
        else {
            throw APIError(
                "The lora adapter '\(name.shown(limit: 200))' has already been loaded.", type: "BadRequestError",
                parameter: "lora_name", code: "adapter_loaded")
        }
    }

    /// Forgets an adapter; replies under way end with it.
    package func removeAdapter(_ name: String) throws(APIError) {
        guard let removed = adapters.remove(name) else {
            throw APIError(
                status: 404, "The lora adapter '\(name.shown(limit: 200))' cannot be found.", type: "NotFoundError",
                parameter: "lora_name", code: "adapter_not_found")
        }
        for model in loaded where model.name == removed.base { model.forgetAdapters(of: removed.path) }
    }

    private func baseOfAdapter(_ path: String, named name: String?) throws -> ServedModel {
        if let name { return try find(name, for: .generates) }
        let all = models.map(\.model).filter { $0.kind == .generates }
        if let base = try? ModelLocator.base(ofAdapter: path), let real = Folder.real(base),
            let fitting = all.first(where: { Folder.real($0.path) == real })
        {
            return fitting
        }
        return try find(nil, for: .generates)
    }
}

extension LoadedModel {
    /// The adapters in memory, read where they are not. Reading takes a while: not on the threads that serve.
    package func adapter(_ references: [AdapterReference], name: String) async throws -> LoadedAdapter? {
        guard let engine, !references.isEmpty else { return nil }
        let key = references.map { "\($0.path)\u{0}\($0.strength)" }.joined(separator: "\u{1}")
        if let known = loadedAdapters.withLock({ $0[key] }) { return known }
        let adapter = try await WorkLane.medium.run { try engine.model.loadAdapter(references, name: name) }
        return loadedAdapters.withLock { adapters in
            // Another request may have been first: replies share what it read.
            if let known = adapters[key] { return known }
            adapters[key] = adapter
            return adapter
        }
    }

    func forgetAdapters(of path: String) {
        loadedAdapters.withLock { adapters in
            for key in adapters.keys where key.contains(path + "\u{0}") { adapters[key] = nil }
        }
    }
}

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
    /// Whether it has a chat template of its own, so that it chats where its base does not.
    var hasChatTemplate = false
    /// Another adapter has another number, under the same name and from the same path too: what lies there may have changed.
    let number = count.add(1, ordering: .relaxed).newValue

    private static let count = Atomic(0)

    init(name: String, base: String, path: String) {
        (self.name, self.base, self.path, created) = (name, base, path, ServedModel.modified(path))
    }
}

/// An adapter, and how much of it a reply gets.
package struct AdapterShare: Sendable {
    let adapter: ServedAdapter
    let strength: Double
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

    /// - Parameter replacing: one of that name gives its place in the list, and its scale, to this one.
    /// - Returns: whether it was taken (not where there is one of that name that stays), and the one that it replaced.
    func add(_ adapter: ServedAdapter, replacing: Bool = false) -> (isTaken: Bool, replaced: ServedAdapter?) {
        entries.withLock { entries in
            guard let index = entries.firstIndex(where: { $0.name == adapter.name }) else {
                entries.append(adapter)
                return (true, nil)
            }
            guard replacing else { return (false, nil) }
            let replaced = entries[index]
            entries[index] = adapter
            if replaced.base == adapter.base { entries[index].scale = replaced.scale }
            return (true, replaced)
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

    /// What a reply of a model is computed with: the adapters that the request scales, the one that it names, or those that all
    /// requests of the base get.
    /// - Parameter scales: by places in the list; the others give nothing.
    /// - Throws: `APIError` naming a place that has no adapter, or one of another base; where the name is neither an adapter's
    ///   (any more) nor the base's.
    func wanted(
        _ name: String?, base: ServedModel, scales: [(id: Int, scale: Double)]? = nil
    ) throws(APIError) -> [AdapterShare] {
        let named = find(name), all = all
        if named == nil, let name, !name.isEmpty, !base.answers(to: name) { throw .unknownModel(name) }
        guard let scales else {
            if let named { return [AdapterShare(adapter: named, strength: 1)] }
            return all.filter { $0.base == base.name && $0.scale != 0 }.map {
                AdapterShare(adapter: $0, strength: $0.scale)
            }
        }
        if let named {
            throw .invalid("lora", "cannot be given where model is the adapter '\(named.name.shown(limit: 200))'")
        }
        var wanted = [Double](repeating: 0, count: all.count)
        for (index, (id, scale)) in scales.enumerated() {
            guard all.indices.contains(id) else {
                throw .invalid("lora[\(index)].id", "is \(id); there are \(all.count) adapters (GET /lora-adapters)")
            }
            guard all[id].base == base.name else {
                throw .invalid("lora[\(index)].id", "is \(id), an adapter of '\(all[id].base)', not of '\(base.name)'")
            }
            wanted[id] = scale
        }
        return zip(all, wanted).filter { $1 != 0 }.map { AdapterShare(adapter: $0, strength: $1) }
    }
}

extension ModelRegistry {
    /// Takes an adapter under a name.
    /// - Parameters:
    ///   - base: the model it stands on; where nil the one its files name, or the only language model.
    ///   - replacing: takes the place of an adapter of that name, whose replies under way end with it; else there may be none.
    /// - Throws: `APIError` where the name is taken, and where it does not fit its base: what was there then stays.
    package func addAdapter(_ name: String, path: String, base: String? = nil, replacing: Bool = false) async throws {
        guard !models.contains(where: { $0.model.answers(to: name) }) else {
            throw APIError("A model is called '\(name.shown(limit: 200))'.", parameter: "lora_name", code: "name_taken")
        }
        guard replacing || adapters.find(name) == nil else { throw APIError.adapterIsThere(name) }
        let model = try baseOfAdapter(path, named: base)
        var adapter = ServedAdapter(name: name, base: model.name, path: path)
        // Whether it fits is known before anybody asks for it.
        let lease = try await use(model.name, for: .generates)
        do {
            let loaded = try await self.adapter(
                [AdapterShare(adapter: adapter, strength: 1)], on: lease.model, name: name)
            adapter.hasChatTemplate = loaded?.chatTemplate != nil
        } catch let error as AdapterError {
            throw APIError("\(error)", type: "BadRequestError", parameter: "lora_path", code: "adapter_refused")
        }
        let (isTaken, replaced) = adapters.add(adapter, replacing: replacing)
        if let replaced { forget(replaced) }
        guard isTaken else {
            lease.model.forget(adapter)
            throw APIError.adapterIsThere(name)
        }
    }

    /// Serves an adapter under a name: on its base where that is served and requests of other adapters can share it, else as a
    /// model of its own.
    /// - Returns: why it has a copy of its base; nil where it shares it.
    /// - Throws: `APIError` where the name is taken, and where neither goes.
    @discardableResult
    public func serveAdapter(_ name: String, path: String, replacing: Bool = false) async throws -> String? {
        do {
            try await addAdapter(name, path: path, replacing: replacing)
            return nil
        } catch let error as APIError where error.code == "adapter_refused" {
            // Its own error says more than that the folder is no model.
            guard (try? ServedModel(name: name, path: path)) != nil, (try? ModelLocator.base(ofAdapter: path)) != nil
            else { throw error }
            if replacing, adapters.find(name) != nil { try removeAdapter(name) }
            try add(name, path: path)
            return error.message
        }
    }

    /// The same of a run; one that was offered before is read anew.
    package func offerAdapter(_ name: String, path: String) async throws {
        let base = Folder.real(try ModelLocator.base(ofAdapter: path)), all = models
        // One that had a copy of its base gives its place to the next.
        guard !all.contains(where: { $0.model.name == name }),
            all.contains(where: { $0.model.kind == .generates && Folder.real($0.model.path) == base })
        else {
            if adapters.find(name) != nil { try removeAdapter(name) }
            return try add(name, path: path)
        }
        try await serveAdapter(name, path: path, replacing: true)
    }

    /// Forgets an adapter; replies under way end with it.
    package func removeAdapter(_ name: String) throws(APIError) {
        guard let removed = adapters.remove(name) else {
            throw APIError(
                status: 404, "The lora adapter '\(name.shown(limit: 200))' cannot be found.", type: "NotFoundError",
                parameter: "lora_name", code: "adapter_not_found")
        }
        forget(removed)
    }

    private func forget(_ adapter: ServedAdapter) {
        for model in loaded where model.name == adapter.base { model.forget(adapter) }
    }

    private func baseOfAdapter(_ path: String, named name: String?) throws -> ServedModel {
        if let name {
            do throws(APIError) { return try find(name, for: .generates) } catch {
                var error = error
                error.parameter = "base_model_name"
                throw error
            }
        }
        let all = models.map(\.model).filter { $0.kind == .generates }
        if let base = try? ModelLocator.base(ofAdapter: path), let real = Folder.real(base),
            let fitting = all.first(where: { Folder.real($0.path) == real })
        {
            return fitting
        }
        return try find(nil, for: .generates)
    }
}

extension APIError {
    fileprivate static func adapterIsThere(_ name: String) -> APIError {
        APIError(
            "The lora adapter '\(name.shown(limit: 200))' has already been loaded; load_inplace: true replaces it.",
            type: "BadRequestError", parameter: "lora_name", code: "adapter_loaded")
    }
}

import Dispatch
import Logging
import Martlet
import MartletAPI
import MartletSystem
import Synchronization

/// How models come into memory and leave it.
public struct ModelSettings: Sendable {
    /// Bytes that all models may take together; nil is what the machine, or the control group, has.
    public var maximumMemory: Int?
    /// Bytes of keys and values for each language model, where there is room.
    public var cacheBytes = 1 << 30
    /// A model nobody has used for so long leaves memory; nil keeps it.
    public var idleUnload: Duration?
    public var engine = EngineOptions()
    /// `.exact`: language models compute in float32, with float32 keys and values.
    public var precision = Precision.fast
    /// Hears at each load what of a model's files is passed over and may matter.
    public var logger = Logger(label: "martlet")

    public init() {}
}

/// The models that a server offers: loaded when first asked for, at most once, and unloaded when nobody needs them or
/// another one needs the memory.
public final class ModelRegistry: Sendable {
    enum State: Sendable {
        case unloaded
        case loading(Task<LoadedModel, any Error>)
        case loaded(LoadedModel)
    }
    struct Entry: Sendable {
        var model: ServedModel
        var state = State.unloaded
        var users = 0
        var lastUse = ContinuousClock.now
        /// Bytes that a load under way has been promised.
        var promised = 0
        /// What the last request that spoke of it asked for.
        var stay = Stay.asSet
    }
    /// How long a model stays in memory that nobody uses.
    enum Stay: Sendable, Equatable { case asSet, forGood, after(Duration) }

    let settings: ModelSettings
    let entries: Mutex<[Entry]>
    /// Adapters that are served as models.
    package let adapters = AdapterTable()

    /// - Parameter models: names, and the paths they stand for.
    /// - Throws: what is wrong with a model's files; `ServerError` where two have one name.
    public init(_ models: [(name: String, aliases: [String], path: String)], _ settings: ModelSettings = .init()) throws
    {
        self.settings = settings
        var all: [Entry] = []
        for model in models {
            let served = try ServedModel(
                name: model.name, aliases: model.aliases, path: model.path, precision: settings.precision,
                cache: settings.engine.cacheType)
            if all.contains(where: { $0.model.answers(to: served.name) }) {
                throw ServerError("two models are called \"\(served.name)\"; give one another name as NAME=MODEL")
            }
            all.append(Entry(model: served))
        }
        entries = Mutex(all)
    }

    /// Offers one more model, from now on; one of the same name that nobody uses is replaced.
    /// - Throws: what is wrong with its files; `APIError` where a model of that name is in use.
    package func add(_ name: String, path: String) throws {
        let served = try ServedModel(
            name: name, path: path, precision: settings.precision, cache: settings.engine.cacheType)
        var stopped: LoadedModel?
        try entries.withLock { entries throws(APIError) in
            guard let index = entries.firstIndex(where: { $0.model.name == name }) else {
                guard !entries.contains(where: { $0.model.answers(to: name) }) else {
                    throw APIError(
                        status: 409, "Another model is called '\(name.shown(limit: 200))' too.", parameter: "model",
                        code: "name_taken")
                }
                return entries.append(Entry(model: served))
            }
            guard entries[index].users == 0 else { throw .inUse(name) }
            if case .loaded(let loaded) = entries[index].state { stopped = loaded }
            entries[index] = Entry(model: served)
        }
        stopped?.stop()
    }

    /// Offers a model no longer.
    /// - Throws: `APIError` where it is in use.
    package func remove(_ name: String) throws(APIError) {
        let model = try find(name)
        var stopped: LoadedModel?
        try entries.withLock { entries throws(APIError) in
            guard let index = entries.firstIndex(where: { $0.model.name == model.name }) else { return }
            guard entries[index].users == 0 else { throw .inUse(model.name) }
            if case .loaded(let loaded) = entries[index].state { stopped = loaded }
            entries.remove(at: index)
        }
        stopped?.stop()
    }

    /// What is offered, with whether it is in memory.
    package var models: [(model: ServedModel, loaded: LoadedModel?)] {
        entries.withLock { entries in
            entries.map { entry in
                if case .loaded(let loaded) = entry.state { (entry.model, loaded) } else { (entry.model, nil) }
            }
        }
    }

    package var loaded: [LoadedModel] { models.compactMap(\.loaded) }

    /// The model a request names, or the only one (of its kind) where it names none.
    package func find(_ name: String?, for kinds: ModelKind...) throws(APIError) -> ServedModel {
        try find(name, among: kinds)
    }

    func find(_ name: String?, among kinds: [ModelKind]) throws(APIError) -> ServedModel {
        let all = models.map(\.model)
        guard let name, !name.isEmpty else {
            let fitting = all.filter { kinds.isEmpty || kinds.contains($0.kind) }
            guard fitting.count == 1, let only = fitting.first else {
                throw APIError(
                    "model is missing; this server has \(Self.list(fitting))", parameter: "model", code: "model_missing"
                )
            }
            return only
        }
        let base = adapters.find(name)?.base
        guard let found = all.first(where: { $0.answers(to: base ?? name) }) else { throw unknown(name, all) }
        guard kinds.isEmpty || kinds.contains(found.kind) else {
            let does =
                switch found.kind {
                case .generates: "generates text, and makes no embeddings and no scores."
                case .embeds: "makes embeddings and generates no text."
                case .translates:
                    "is an encoder-decoder: it answers /v1/completions, /api/generate and chats where it has a template, "
                        + "and nothing that is for decoders or encoders alone."
                case .scores: "scores pairs of texts, and makes no embeddings and no text."
                case .classifies: "classifies texts, which no route of this server does."
                }
            throw APIError(
                "The model '\(base == nil ? found.name : name)' \(does)", parameter: "model", code: "wrong_model_kind")
        }
        return found
    }

    /// The model that is meant where none is named and several could be: the one the server was started with first.
    package func first() throws(APIError) -> ServedModel {
        guard let first = models.first?.model else {
            throw APIError(status: 404, "This server has no models.", parameter: "model", code: "model_not_found")
        }
        return first
    }

    /// Whether somebody waits for the tokens of a reply.
    package var isGenerating: Bool {
        loaded.contains { ($0.engine?.statistics().runningRequests ?? 0) > 0 }
    }

    /// Replies of one model computed together at most.
    var maximumRunning: Int { settings.engine.maximumRunning }

    private static func list(_ models: [ServedModel]) -> String {
        models.isEmpty ? "none of this kind" : models.map(\.name).joined(separator: ", ")
    }

    /// Adapters are models, too. Of many names some are told, and of all of them the one that is most like it.
    private func unknown(_ name: String, _ models: [ServedModel]) -> APIError {
        let names = models.map(\.name) + adapters.all.map(\.name), most = 20
        let others = names.count > most ? " and \(names.count - most) others (GET /v1/models)" : ""
        let near = Spelling.nearest(to: name, among: names).map { " Did you mean '\($0)'?" } ?? ""
        return APIError(
            status: 404,
            "The model '\(name.shown(limit: 200))' does not exist; this server has "
                + (names.isEmpty ? "none" : names.prefix(most).joined(separator: ", ")) + "\(others).\(near)",
            parameter: "model", code: "model_not_found")
    }

    /// The model in memory, for as long as the lease is held.
    package func use(_ name: String?, for kinds: ModelKind...) async throws -> ModelLease {
        let model = try find(name, among: kinds)
        let (task, loaded) = try begin(model.name)
        do {
            let result = if let loaded { loaded } else { try await task?.value }
            guard let result else { throw CancellationError() }
            return ModelLease(result) { [weak self] in self?.end(model.name) }
        } catch {
            end(model.name)
            throw error
        }
    }

    private func end(_ name: String) {
        var stopped: LoadedModel?
        change(name) { entry in
            entry.users -= 1
            entry.lastUse = .now
            guard case .loaded(let model) = entry.state, entry.users == 0 else { return }
            // Nobody will compute with it again.
            if model.hasChangedFile { entry.state = .unloaded }
            if entry.stay == .after(.zero) {
                entry.unload()
                stopped = model
            }
        }
        stopped?.stop()
    }

    /// How long a model stays in memory after its last use, from now on and until it leaves.
    /// - Parameters:
    ///   - seconds: 0 unloads it when its last user is done, below 0 keeps it for good, nil is as the settings say.
    ///   - mayShorten: false lets it stay longer than the settings say, never shorter.
    package func keep(_ name: String, seconds: Double?, mayShorten: Bool) {
        change(name) { entry in
            guard let seconds else { return entry.stay = .asSet }
            guard seconds >= 0 else { return entry.stay = .forGood }
            let time = Duration.seconds(seconds)
            entry.stay = .after(time)
            if !mayShorten, time < settings.idleUnload ?? time + .seconds(1) { entry.stay = .asSet }
        }
    }

    /// Seconds until a model leaves memory if nobody asks for it again; nil where it stays.
    package func secondsLeft(_ name: String, now: ContinuousClock.Instant = .now) -> Double? {
        entries.withLock { entries in
            guard let entry = entries.first(where: { $0.model.name == name }),
                let limit = entry.idleLimit(settings.idleUnload)
            else { return nil }
            return (limit - (entry.users > 0 ? .zero : now - entry.lastUse)).inSeconds
        }
    }

    private func change(_ name: String, _ body: (inout Entry) -> Void) {
        entries.withLock { entries in
            if let index = entries.firstIndex(where: { $0.model.name == name }) { body(&entries[index]) }
        }
    }

    /// Counts a user, and begins to load where nobody has.
    private func begin(_ name: String) throws -> (Task<LoadedModel, any Error>?, LoadedModel?) {
        var unloaded: [LoadedModel] = []
        defer { for model in unloaded { model.stop() } }
        return try entries.withLock { entries in
            guard let index = entries.firstIndex(where: { $0.model.name == name }) else {
                throw APIError.unknownModel(name)
            }
            // Those who still have it end with an error of their own and take it with them.
            if case .loaded(let model) = entries[index].state, model.hasChangedFile { entries[index].state = .unloaded }
            switch entries[index].state {
            case .loaded(let model):
                entries[index].users += 1
                return (nil, model)
            case .loading(let task):
                entries[index].users += 1
                return (task, nil)
            case .unloaded:
                let model = entries[index].model
                let cache = try admit(model, &entries, unloading: &unloaded)
                let engine = settings.engine, logger = settings.logger
                let task = Task { [weak self] in
                    do {
                        let loaded = try await Self.load(model, cacheBytes: cache, engine) {
                            [weak self] in self?.isGenerating ?? false
                        }
                        for warning in loaded.warnings {
                            logger.warning("\(warning)", metadata: ["model": .string(name)])
                        }
                        self?.change(name) { $0.state = .loaded(loaded) }
                        return loaded
                    } catch {
                        self?.change(name) { $0.state = .unloaded }
                        throw ModelLoadFailure(model: name, reason: "\(error)")
                    }
                }
                entries[index].state = .loading(task)
                entries[index].users += 1
                entries[index].promised = model.plan(engine).promise(cache: model.generates ? cache : 0)
                return (task, nil)
            }
        }
    }

    /// Loading computes for seconds: not on the threads that serve requests.
    private static func load(
        _ model: ServedModel, cacheBytes: Int, _ options: EngineOptions, isShared: @escaping @Sendable () -> Bool
    ) async throws -> LoadedModel {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    with: Result { try model.load(cacheBytes: cacheBytes, options, isShared: isShared) })
            }
        }
    }

    /// Takes a model out of memory unless it is in use.
    /// - Returns: whether it was in memory and now is not.
    package func unload(_ name: String) throws(APIError) -> Bool {
        let model = try find(name)
        let (stopped, isInUse): (LoadedModel?, Bool) = entries.withLock { entries in
            guard let index = entries.firstIndex(where: { $0.model.name == model.name }),
                case .loaded(let loaded) = entries[index].state
            else { return (nil, false) }
            guard entries[index].users == 0 else { return (nil, true) }
            entries[index].unload()
            return (loaded, false)
        }
        if isInUse { throw .inUse(model.name) }
        stopped?.stop()
        return stopped != nil
    }

    /// Unloads what has been idle for longer than the settings, or the last request that spoke of it, allow.
    package func unloadIdle(now: ContinuousClock.Instant = .now) {
        let stopped: [LoadedModel] = entries.withLock { entries in
            var stopped: [LoadedModel] = []
            for index in entries.indices where entries[index].users == 0 {
                guard let limit = entries[index].idleLimit(settings.idleUnload),
                    now - entries[index].lastUse >= limit, case .loaded(let loaded) = entries[index].state
                else { continue }
                stopped.append(loaded)
                entries[index].unload()
            }
            return stopped
        }
        for model in stopped { model.stop() }
    }

    /// Waits for what the engines have taken on.
    package func drain() async {
        await withTaskGroup { group in
            for case let engine? in loaded.map(\.engine) { group.addTask { await engine.drain() } }
        }
    }

    /// Ends whatever runs.
    package func stop() { for model in loaded { model.stop() } }
}

extension ModelRegistry.Entry {
    fileprivate func idleLimit(_ settings: Duration?) -> Duration? {
        switch stay {
        case .asSet: settings
        case .forGood: nil
        case .after(let time): time
        }
    }

    mutating func unload() {
        state = .unloaded
        stay = .asSet
    }

    var loaded: LoadedModel? { if case .loaded(let model) = state { model } else { nil } }
    var isLoaded: Bool { loaded != nil }

    /// Bytes that count for the memory limit: what its load was promised, and its adapters.
    var held: Int {
        switch state {
        case .unloaded: 0
        case .loading: promised
        case .loaded(let model): promised.adding(clamped: model.adapterBytes)
        }
    }
}

extension APIError {
    fileprivate static func inUse(_ name: String) -> APIError {
        APIError(
            status: 409, "The model '\(name.shown(limit: 200))' is in use.", code: "model_in_use", retryAfterSeconds: 1)
    }
}

import MartletModels
import MartletNN
import MartletTensor

/// An adapter of a model: new or read from files, attached to the model's layers or used for some sequences of a batch.
///
/// ```swift
/// let adapter = try Adapter(configuration, of: decoder, seed: 1)      // new and trained; all else is frozen
/// try adapter.attach()
/// let other = try Adapter(PEFTFolder.read("runs/id"), of: decoder)    // read
/// let set = try other.set()                                           // for Pass(adapters:)
/// ```
public final class Adapter {
    public let name: String
    public let configuration: AdapterConfiguration
    /// The model's layers and their adapters, in the order of application.
    let linears: [(layer: Linear, adapter: any LinearAdapter)]
    let tables: [(layer: Embedding, adapter: any TableAdapter)]
    /// The model's own parameters that the adapter replaces: modules saved as a whole, biases.
    package let replaced: [ReplacedParameter]
    let prompt: VirtualPrompt?
    /// In the order they are stored.
    package let tensors: [AdapterTensor]
    let base: AdapterBase
    private let trainedPrompt: [Parameter]
    public private(set) var isAttached = false

    /// A parameter of the model that the adapter replaces.
    package struct ReplacedParameter {
        let leaf: any ModuleLeaf
        package let path: String
        package let tensor: Tensor
        /// The original parameter.
        var original: Tensor?
    }

    /// Creates a new adapter, which is trained.
    /// - Parameters:
    ///   - seed: the seed of random initialisation.
    ///   - original: for `start` `.residual`, the model before it was quantised.
    /// - Throws: `AdapterError` for targets that name nothing, with near names.
    public convenience init(
        _ configuration: AdapterConfiguration, of decoder: Decoder, seed: UInt64 = 1, original: Decoder? = nil,
        name: String = "default"
    ) throws {
        try self.init(configuration, of: AdapterBase(decoder), seed: seed, original: original, name: name)
    }

    /// The same on any kind of model.
    public convenience init(
        _ configuration: AdapterConfiguration, of base: AdapterBase, seed: UInt64 = 1, original: Decoder? = nil,
        name: String = "default"
    ) throws {
        try self.init(configuration, base, FreshTensors(), seed: seed, original: original, name: name)
    }

    /// Creates a stored adapter.
    /// - Parameter isTrained: whether it is trained further.
    /// - Throws: `AdapterError` naming the first tensor that does not fit.
    public convenience init(
        _ stored: StoredAdapter, of decoder: Decoder, isTrained: Bool = false, name: String = "default"
    ) throws {
        try self.init(stored, of: AdapterBase(decoder), isTrained: isTrained, name: name)
    }

    /// The same on any kind of model.
    public convenience init(
        _ stored: StoredAdapter, of base: AdapterBase, isTrained: Bool = false, name: String = "default"
    ) throws {
        let stored = try JoinedExperts.separated(base.renamed(stored), base.published)
        let source = StoredTensors(stored.tensors, file: stored.file, isTrained: isTrained)
        try self.init(stored.configuration, base, source, seed: 0, original: nil, name: name)
        let task = stored.configuration.taskType ?? ""
        let hasHead = ["SEQ_CLS", "TOKEN_CLS"].contains(task)
        try source.finish(
            besides: base.unread,
            next: hasHead && base.headModules.isEmpty
                ? ". It is of a reward model or classifier (task_type \(task)), whose head no language model has: a "
                    + "reward model is named as --reward, a classifier is asked by martlet classify" : "")
    }

    private init(
        _ configuration: AdapterConfiguration, _ base: AdapterBase, _ source: any AdapterSource, seed: UInt64,
        original: Decoder?, name: String
    ) throws {
        var builder = try AdapterBuilder(configuration, base, source, seed: seed, original: original, name: name)
        try builder.build()
        (linears, tables, replaced, prompt) = (builder.linears, builder.tables, builder.replaced, builder.prompt)
        tensors = builder.tensors
        trainedPrompt = builder.promptParameters
        (self.configuration, self.base, self.name) = (builder.configuration, base, name)
    }

    // MARK: - On the model

    /// Puts the adapter on the model's layers, behind those that are there.
    public func attach() throws {
        guard !isAttached else { return }
        for (layer, adapter) in linears { layer.adapters.append(adapter) }
        for (layer, adapter) in tables { layer.adapters.append(adapter) }
        if let prompt { base.decoder?.prompt = prompt }
        try replaced.replaceInModel(base)
        isAttached = true
    }

    /// Detaches the adapter.
    public func detach() throws {
        guard isAttached else { return }
        for (layer, adapter) in linears { layer.adapters.removeAll { $0 === adapter } }
        for (layer, adapter) in tables { layer.adapters.removeAll { $0 === adapter } }
        if prompt != nil { base.decoder?.prompt = nil }
        try replaced.restoreInModel()
        isAttached = false
    }

    /// If false, the model computes as without the adapter: the reference of preference objectives. Parameters that the
    /// adapter replaced stay replaced.
    public var isEnabled: Bool {
        get { linears.first?.adapter.isEnabled ?? tables.first?.adapter.isEnabled ?? (base.decoder?.prompt != nil) }
        set {
            for (_, adapter) in linears { adapter.isEnabled = newValue }
            for (_, adapter) in tables { adapter.isEnabled = newValue }
            if let prompt, isAttached { base.decoder?.prompt = newValue ? prompt : nil }
        }
    }

    /// Whether the model is exactly the base when the adapter is disabled: it replaces no parameter.
    public var canBeSwitchedOff: Bool { replaced.isEmpty }

    /// Runs `body` with the model as it is without the adapter.
    public func disabled<Result>(_ body: () throws -> Result) rethrows -> Result {
        let before = isEnabled
        isEnabled = false
        defer { isEnabled = before }
        return try body()
    }

    /// Sets the factor on what the adapter adds.
    /// - Throws: `AdapterError` for kinds that add nothing.
    public func setStrength(_ strength: Double) throws {
        guard strength != 1 else { return }
        guard replaced.isEmpty, prompt == nil else {
            throw AdapterError(
                .unsupported, "adapters of the kind \(configuration.title) are on or off: they cannot be scaled")
        }
        for (_, adapter) in linears {
            switch adapter {
            case let adapter as LowRankAdapter: adapter.scale *= Float(strength)
            case let adapter as MagnitudeAdapter: adapter.scale *= Float(strength)
            default:
                throw AdapterError(
                    .unsupported, "adapters of the kind \(configuration.title) multiply: they cannot be scaled")
            }
        }
        for case let (_, adapter as LowRankTable) in tables { adapter.scale *= Float(strength) }
    }

    // MARK: - For some sequences of a batch

    /// What sequences of a batch are computed with. The adapter is not attached then.
    /// - Throws: `AdapterError` where it replaces parts of the model, which all sequences share.
    public func set() throws -> AdapterSet { try Self.set(of: [self]) }

    /// The same for several adapters of one model, applied in order.
    public static func set(of adapters: [Adapter]) throws -> AdapterSet {
        guard let tree = adapters.first?.base.tree else {
            throw AdapterError(.configuration, "no adapter is named")
        }
        var layers: [String: [any LinearAdapter]] = [:]
        for adapter in adapters {
            try adapter.demandMixable()
            for (layer, one) in adapter.linears { layers[layer.path, default: []].append(one) }
        }
        return try tree.adapterSet(layers)
    }

    private func demandMixable() throws {
        let isOnHead = linears.contains { $0.layer.path == "lm_head" }
        guard !isOnHead, replaced.isEmpty, tables.isEmpty, prompt == nil else {
            let what =
                prompt != nil
                ? "learnt tokens before the text"
                : replaced.first.map { "\($0.path) as a whole" }
                    ?? (isOnHead ? "a part of the output projection" : "rows of the embedding")
            throw AdapterError(
                .unsupported,
                "the adapter has \(what), which requests of other adapters beside it do not: serve its "
                    + "folder as a model of its own (martlet serve FOLDER), or merge it (martlet merge)")
        }
    }

    // MARK: - What it is

    /// What an optimiser works on, by the names they are stored under where they are stored as they are trained.
    public var parameters: [Parameter] {
        linears.flatMap(\.adapter.parameters) + tables.flatMap(\.adapter.parameters)
            + replaced.map {
                Parameter(name: $0.path, role: $0.path.hasSuffix(".bias") ? .bias : .weight, tensor: $0.tensor)
            } + trainedPrompt
    }

    /// By name, as PEFT stores them.
    public func published() throws -> [(String, Tensor)] { try tensors.map { ($0.key, try $0.published()) } }

    /// Whether `published` is `parameters`, name by name.
    public var isStoredAsTrained: Bool {
        let names = Set(parameters.map(\.name))
        return names.count == tensors.count && tensors.allSatisfy { $0.isStoredAsTrained && names.contains($0.key) }
    }

    /// Those of linear layers, in the order of the layers.
    package var linearAdapters: [any LinearAdapter] { linears.map(\.adapter) }

    public var count: Int { parameters.reduce(0) { $0 + $1.tensor.elementCount } }
}

extension [Adapter.ReplacedParameter] {
    fileprivate func replaceInModel(_ base: AdapterBase) throws {
        for one in self {
            if one.leaf is Embedding { base.untieHead() }
            if let linear = one.leaf as? Linear { linear.untie() }
            one.leaf.replaceParameters { parameter, tensor in parameter.path == one.path ? one.tensor : tensor }
            if let linear = one.leaf as? Linear, linear.path + ".weight" == one.path {
                try linear.replaceMatrix(one.tensor)
            }
        }
    }

    fileprivate func restoreInModel() throws {
        for one in self {
            guard let original = one.original else { continue }
            one.leaf.replaceParameters { parameter, tensor in parameter.path == one.path ? original : tensor }
        }
    }
}

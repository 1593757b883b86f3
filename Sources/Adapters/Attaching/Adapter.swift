import MartletModels
import MartletNN
import MartletTensor

/// An adapter of a model: made anew or read, attached to the model's layers or kept for some sequences of a batch.
///
/// ```swift
/// let adapter = try Adapter(configuration, of: decoder, seed: 1)      // new and trained; all else is frozen
/// adapter.attach()
/// let other = try Adapter(PEFTFolder(path: "runs/id"), of: decoder)   // read
/// let set = try other.set()                                           // for Pass(adapters:)
/// ```
public final class Adapter {
    public let name: String
    public let configuration: AdapterConfiguration
    /// The model's layers and what they get, in the order they are applied.
    let linears: [(layer: Linear, adapter: any LinearAdapter)]
    let tables: [(layer: Embedding, adapter: any TableAdapter)]
    /// Parameters of the model itself that are the adapter's: modules saved as a whole, biases.
    package let replaced: [ReplacedParameter]
    let prompt: VirtualPrompt?
    /// In the order they are stored.
    package let tensors: [AdapterTensor]
    let decoder: Decoder
    private let trainedPrompt: [Parameter]
    public private(set) var isAttached = false

    /// A parameter of the model in whose place the adapter has another.
    package struct ReplacedParameter {
        let leaf: any ModuleLeaf
        package let path: String
        package let tensor: Tensor
        /// What stood there before.
        var original: Tensor?
    }

    /// One that begins anew and is trained.
    /// - Parameters:
    ///   - seed: of what begins at random.
    ///   - original: for `start` `.residual`, the model before it was quantised.
    /// - Throws: `AdapterError` for targets that name nothing, with near names.
    public convenience init(
        _ configuration: AdapterConfiguration, of decoder: Decoder, seed: UInt64 = 1, original: Decoder? = nil,
        name: String = "default"
    ) throws {
        try self.init(configuration, decoder, FreshTensors(), seed: seed, original: original, name: name)
    }

    /// One that was stored.
    /// - Parameter isTrained: whether it is trained on.
    /// - Throws: `AdapterError` naming the first tensor that does not fit.
    public convenience init(
        _ stored: StoredAdapter, of decoder: Decoder, isTrained: Bool = false, name: String = "default"
    ) throws {
        let source = StoredTensors(stored.tensors, file: stored.file, isTrained: isTrained)
        try self.init(stored.configuration, decoder, source, seed: 0, original: nil, name: name)
        try source.finish()
    }

    private init(
        _ configuration: AdapterConfiguration, _ decoder: Decoder, _ source: any AdapterSource, seed: UInt64,
        original: Decoder?, name: String
    ) throws {
        var builder = try AdapterBuilder(configuration, decoder, source, seed: seed, original: original, name: name)
        try builder.build()
        (linears, tables, replaced, prompt) = (builder.linears, builder.tables, builder.replaced, builder.prompt)
        tensors = builder.tensors
        trainedPrompt = builder.promptParameters
        (self.configuration, self.decoder, self.name) = (configuration, decoder, name)
    }

    // MARK: - On the model

    /// Puts the adapter on the model's layers, behind those that are there.
    public func attach() throws {
        guard !isAttached else { return }
        for (layer, adapter) in linears { layer.adapters.append(adapter) }
        for (layer, adapter) in tables { layer.adapters.append(adapter) }
        if let prompt { decoder.prompt = prompt }
        try replaced.replaceInModel(decoder)
        isAttached = true
    }

    /// Takes it off again.
    public func detach() throws {
        guard isAttached else { return }
        for (layer, adapter) in linears { layer.adapters.removeAll { $0 === adapter } }
        for (layer, adapter) in tables { layer.adapters.removeAll { $0 === adapter } }
        if prompt != nil { decoder.prompt = nil }
        try replaced.restoreInModel(decoder)
        isAttached = false
    }

    /// Switched off, the model computes as without it: the reference of preference objectives. Parameters of the model
    /// itself stay those of the adapter.
    public var isEnabled: Bool {
        get { linears.first?.adapter.isEnabled ?? tables.first?.adapter.isEnabled ?? (decoder.prompt != nil) }
        set {
            for (_, adapter) in linears { adapter.isEnabled = newValue }
            for (_, adapter) in tables { adapter.isEnabled = newValue }
            if let prompt, isAttached { decoder.prompt = newValue ? prompt : nil }
        }
    }

    /// Whether switching it off leaves nothing of it: no parameter of the model itself is its own.
    public var canBeSwitchedOff: Bool { replaced.isEmpty }

    /// Runs `body` with the model as it is without the adapter.
    public func disabled<Result>(_ body: () throws -> Result) rethrows -> Result {
        let before = isEnabled
        isEnabled = false
        defer { isEnabled = before }
        return try body()
    }

    /// Multiplies what it adds.
    /// - Throws: `AdapterError` for kinds that add nothing.
    public func setStrength(_ strength: Double) throws {
        guard strength != 1 else { return }
        guard replaced.isEmpty, prompt == nil else {
            throw AdapterError(
                .unsupported, "an adapter of this kind (\(configuration.title)) is there or is not: it takes no scale")
        }
        for (_, adapter) in linears {
            switch adapter {
            case let adapter as LowRankAdapter: adapter.scale *= Float(strength)
            case let adapter as MagnitudeAdapter: adapter.scale *= Float(strength)
            default:
                throw AdapterError(
                    .unsupported, "an adapter of this kind (\(configuration.title)) multiplies: it takes no scale")
            }
        }
        for case let (_, adapter as LowRankTable) in tables { adapter.scale *= Float(strength) }
    }

    // MARK: - For some sequences of a batch

    /// What sequences of a batch are computed with. The adapter is not attached then.
    /// - Throws: `AdapterError` where it replaces parts of the model, which all sequences share.
    public func set() throws -> AdapterSet { try Self.set(of: [self]) }

    /// The same of several adapters of one model, one behind the other.
    public static func set(of adapters: [Adapter]) throws -> AdapterSet {
        guard let decoder = adapters.first?.decoder else {
            throw AdapterError(.configuration, "no adapter is named")
        }
        var layers: [String: [any LinearAdapter]] = [:]
        for adapter in adapters {
            try adapter.demandMixable()
            for (layer, one) in adapter.linears { layers[layer.path, default: []].append(one) }
        }
        return try decoder.tree.adapterSet(layers)
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
                "the adapter has \(what), which requests of other adapters beside it do not: merge it (martlet merge) and "
                    + "serve it as a model of its own")
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

    public var count: Int { parameters.reduce(0) { $0 + $1.tensor.elementCount } }
}

extension [Adapter.ReplacedParameter] {
    fileprivate func replaceInModel(_ decoder: Decoder) throws {
        for one in self {
            if one.leaf is Embedding { decoder.untieHead() }
            if let linear = one.leaf as? Linear { linear.untie() }
            one.leaf.replaceParameters { parameter, tensor in parameter.path == one.path ? one.tensor : tensor }
            if let linear = one.leaf as? Linear, linear.path + ".weight" == one.path {
                try linear.replaceMatrix(one.tensor)
            }
        }
    }

    fileprivate func restoreInModel(_ decoder: Decoder) throws {
        for one in self {
            guard let original = one.original else { continue }
            one.leaf.replaceParameters { parameter, tensor in parameter.path == one.path ? original : tensor }
        }
    }
}

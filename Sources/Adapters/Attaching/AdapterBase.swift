import MartletModels
import MartletNN
import MartletTensor

/// The model that adapters are put on: a language model, a text encoder, or a classifier on one.
///
/// ```swift
/// let checkpoint = try Checkpoint(path: "all-MiniLM-L6-v2")
/// let base = try AdapterBase(checkpoint.embeddingModel(), of: checkpoint)
/// let adapter = try Adapter(PEFTFolder.read("runs/emb"), of: base)
/// try adapter.attach()
/// ```
public struct AdapterBase {
    /// All layers by the model's own paths.
    public let tree: ModuleTree
    /// Of a language model.
    let decoder: Decoder?
    /// The layers by the names of published files.
    let published: PublishedLayers
    /// The modules of a classifier's head, by the shortest names that PEFT's `modules_to_save` may have for them: new in
    /// most runs, so they are trained and stored as a whole.
    public let headModules: [String]
    /// Modules that transformers' class has and nothing here is computed with.
    let unread: [String]
    /// What stands before the names of the layers in the class with a head: "model.", "bert.".
    private let prefix: String
    /// Whether the names are those of transformers' class without a head.
    private let isBare: Bool
    /// Sizes that the base is known by.
    let sizes: [Int]
    /// Whether all layers have the parameters of the first.
    let sharesLayers: Bool

    /// A language model, as transformers' class with an output projection names its layers.
    /// - Throws: `AdapterError` for a family whose published names are not known.
    public init(_ decoder: Decoder) throws { try self.init(decoder, isBare: false) }

    private init(_ decoder: Decoder, isBare: Bool) throws {
        let layers = try PublishedLayers(decoder), spec = decoder.configuration
        // "model.layers.0…" of most, "transformer.h.0…" of GPT-2.
        let first = layers.linears.first { $0.layer.path != "lm_head" }?.published.module.split(separator: ".").first
        prefix = first.map { "\($0)." } ?? ""
        self.isBare = isBare
        published = isBare ? layers.withoutPrefix(prefix) : layers
        (tree, self.decoder, headModules, unread) = (decoder.tree, decoder, [], [])
        sizes = [
            spec.vocabularySize, spec.hiddenSize, spec.layerCount, spec.feedForward.size, spec.attention.heads,
        ]
        sharesLayers = false
    }

    /// An embedding model, as transformers' class without a head names the layers of its body.
    public init(_ model: EmbeddingModel, of checkpoint: Checkpoint) throws {
        if let decoder = model.decoder {
            try self.init(decoder, isBare: true)
            return
        }
        guard let encoder = model.encoder else {
            throw AdapterError(.unsupported, "\(checkpoint.path) has neither an encoder nor a decoder")
        }
        try self.init(encoder.configuration, encoder.tree, checkpoint, hasHead: false)
    }

    /// A classifier, as transformers' `…ForSequenceClassification` and `…ForTokenClassification` name its layers.
    package init(_ model: AnyClassifier, of checkpoint: Checkpoint) throws {
        try self.init(model.encoder.configuration, model.tree, checkpoint, hasHead: true)
    }

    private init(
        _ spec: EncoderConfiguration, _ tree: ModuleTree, _ checkpoint: Checkpoint, hasHead: Bool
    ) throws {
        let folder = try EncoderFolder(checkpoint, hasHead: hasHead)
        self.tree = tree
        published = PublishedLayers(tree, folder)
        (decoder, prefix, isBare) = (nil, folder.basePrefix, !hasHead)
        unread = hasHead ? [] : ["pooler.dense", "pooler"]
        sharesLayers = spec.sharesLayers
        sizes = [spec.vocabularySize, spec.hiddenSize, spec.layerCount, spec.feedForwardSize, spec.heads]
        var heads: [String] = []
        for (layer, module) in published.modules where !layer.path.hasPrefix("model.") {
            // "bert.pooler.dense" is of the module "pooler", "classifier.out_proj" of "classifier".
            let own = prefix.isEmpty || !module.hasPrefix(prefix) ? module[...] : module.dropFirst(prefix.count)
            let name = own.split(separator: ".").first.map(String.init) ?? module
            if !heads.contains(name) { heads.append(name) }
        }
        headModules = heads
    }

    /// What files may call a module: its own name, and where this class leaves a prefix out, the name with it.
    func names(of module: String) -> [String] { isBare && !prefix.isEmpty ? [module, prefix + module] : [module] }

    /// The layers of the head.
    func isOfHead(_ path: String) -> Bool { decoder == nil && !path.hasPrefix("model.") }

    /// An adapter with the names of this base's class: transformers names the layers of a class without a head without the
    /// prefix that they have in one with a head, and PEFT follows.
    func renamed(_ stored: StoredAdapter) -> StoredAdapter {
        // What is trained as it is has the model's own names.
        guard !prefix.isEmpty, stored.configuration.kind != .partial else { return stored }
        let start = "base_model.model.", whole = start + prefix
        let hasPrefix = stored.tensors.keys.contains { $0.hasPrefix(whole) }
        guard hasPrefix == isBare else { return stored }
        var result = stored
        if isBare {
            result.tensors = stored.tensors.reduce(into: [:]) { tensors, one in
                let key = one.key.hasPrefix(whole) ? start + one.key.dropFirst(whole.count) : one.key
                tensors[key] = one.value
            }
            result.configuration.rename { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }
            return result
        }
        // Names that have the prefix here.
        let known = Set(
            published.names.filter { $0.hasPrefix(prefix) }
                .compactMap { $0.dropFirst(prefix.count).split(separator: ".").first })
        func isBareName(_ name: Substring) -> Bool { name.split(separator: ".").first.map(known.contains) ?? false }
        result.tensors = stored.tensors.reduce(into: [:]) { tensors, one in
            let rest = one.key.hasPrefix(start) ? one.key.dropFirst(start.count) : ""
            tensors[isBareName(rest) ? whole + rest : one.key] = one.value
        }
        result.configuration.rename { isBareName($0[...]) ? prefix + $0 : $0 }
        return result
    }

    // MARK: - Its parameters

    /// The number of parameters; those that layers share count once.
    var parameterCount: Int { ownParameters.reduce(0) { $0 + $1.count } }

    /// Bytes of the parameters as they are stored.
    package var byteCount: Int { ownParameters.reduce(0) { $0 + $1.value.byteCount } }

    private var ownParameters: [ModuleParameter] {
        guard sharesLayers else { return tree.parameters }
        return tree.parameters.filter { !$0.path.hasPrefix("model.layers.") || $0.path.hasPrefix("model.layers.0.") }
    }

    /// An output projection that shares the table of embeddings gets a matrix of its own.
    func untieHead() { decoder?.untieHead() }

    func releasePrepared() {
        if let decoder { decoder.releasePrepared() } else { tree.release() }
    }
}

extension AdapterConfiguration {
    /// Changes the names of target modules; expressions stay.
    fileprivate mutating func rename(_ change: (String) -> String) {
        if case .names(let names) = targets { targets = .names(names.map(change)) }
        if case .names(let names)? = excluded { excluded = .names(names.map(change)) }
    }
}

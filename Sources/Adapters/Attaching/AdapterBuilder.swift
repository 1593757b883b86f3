import MartletModels
import MartletNN
import MartletTensor

/// Makes the parts of an adapter for the layers its configuration names.
struct AdapterBuilder {
    let configuration: AdapterConfiguration
    let base: AdapterBase
    let source: any AdapterSource
    let seed: UInt64
    let original: Decoder?
    let name: String
    let published: PublishedLayers
    let matcher: ModuleNameMatcher

    var linears: [(layer: Linear, adapter: any LinearAdapter)] = []
    var tables: [(layer: Embedding, adapter: any TableAdapter)] = []
    var replaced: [Adapter.ReplacedParameter] = []
    var prompt: VirtualPrompt?
    var promptParameters: [Parameter] = []
    var tensors: [AdapterTensor] = []
    /// What belongs to a matrix that files hold joined, by its name: shared by its parts.
    private var joined: [String: [String: Tensor]] = [:]
    /// What modules began as and is taken off again, by their names.
    private var origins: [String: (down: Tensor, up: Tensor)] = [:]

    init(
        _ configuration: AdapterConfiguration, _ base: AdapterBase, _ source: any AdapterSource, seed: UInt64,
        original: Decoder?, name: String
    ) throws {
        (self.base, self.source) = (base, source)
        (self.seed, self.original, self.name) = (seed, original, name)
        published = base.published
        var configuration = configuration
        if configuration.kind == .ia3, case .allLinear = configuration.targets {
            let (targets, feedForward) = published.scaledModules
            guard !targets.isEmpty else {
                throw AdapterError(
                    .configuration, "the model has no products that ia3 scales by itself: name them as its targets")
            }
            (configuration.targets, configuration.feedForwardModules) = (.names(targets), feedForward)
        }
        self.configuration = configuration
        matcher = try ModuleNameMatcher(configuration)
    }

    mutating func build() throws {
        if base.decoder == nil { try demandForEncoder() }
        if configuration.kind.isPrompt { return try buildPrompt() }
        if configuration.kind != .partial { try buildTargets() }
        try buildTrainedTokens()
        try buildSavedModules()
        try buildBiases()
        if configuration.kind == .partial { try buildPartial() }
        guard !tensors.isEmpty || source.isStored else {
            throw AdapterError(
                .configuration,
                configuration.bias == .all
                    ? "the model has no biases to train" : "the adapter names nothing that is trained")
        }
    }

    /// - Throws: `AdapterError` for what an encoder has no place or no meaning for.
    private func demandForEncoder() throws(AdapterError) {
        let title = configuration.title
        if configuration.kind.isPrompt {
            throw AdapterError(
                .unsupported,
                "\(title): learnt tokens stand before what a language model reads; on a text encoder take lora, rslora, dora, "
                    + "pissa, ia3, oft, bitfit or freeze")
        }
        if configuration.start == .residual {
            throw AdapterError(
                .unsupported,
                "loftq begins from what quantisation took away, and text encoders are trained from folders that are not "
                    + "quantised: take lora or pissa")
        }
        guard base.sharesLayers, configuration.kind == .partial || configuration.bias != .none else { return }
        throw AdapterError(
            .unsupported,
            "\(configuration.kind == .partial ? title : "train_bias"): the layers of this model share their parameters, which "
                + "are trained all together or not at all: take lora, or train the model itself")
    }

    // MARK: - Targets

    private mutating func buildTargets() throws {
        let ranks = try NameOverrides(configuration.rankPattern)
        let alphas = try NameOverrides(configuration.alphaPattern)
        var found: Set<String> = []
        // The head is not one of all linear layers, whatever the family's files call it.
        let spares: String? = if case .allLinear = configuration.targets { "lm_head" } else { nil }
        for (layer, place) in published.linears where layer.path != spares && matcher.isTarget(place.module) {
            found.insert(place.module)
            let adapter: any LinearAdapter
            switch configuration.kind {
            case .lora:
                let names = base.names(of: place.module)
                adapter = try lowRank(
                    layer, place, names.firstNonNil(ranks.value), names.firstNonNil(alphas.value))
            case .ia3: adapter = try scaling(layer, place)
            default: adapter = try rotation(layer, place)
            }
            linears.append((layer, adapter))
        }
        for (table, module) in published.tables where configuration.kind == .lora && matcher.isTarget(module) {
            // A pattern for all products means no tables.
            if case .allLinear = configuration.targets { continue }
            found.insert(module)
            let names = base.names(of: module)
            try buildTable(table, module, names.firstNonNil(ranks.value), names.firstNonNil(alphas.value))
        }
        // Of a stored one the first tensor that belongs to nothing is named.
        if !source.isStored { try demandFound(found) }
    }

    /// Every name that was given names something; else near names are told.
    private func demandFound(_ found: Set<String>) throws {
        var missing: String?
        if case .names(let names) = configuration.targets {
            missing = names.first { name in !found.contains { ModuleNameMatcher.ends($0, with: name) } }
            // Of a name that is there, but not in the layers that were asked for.
            if let name = missing, !found.isEmpty,
                published.names.contains(where: { ModuleNameMatcher.ends($0, with: name) })
            {
                missing = nil
            }
        } else if found.isEmpty, configuration.layers == nil {
            if case .expression(let text) = configuration.targets { missing = text } else { missing = "all-linear" }
        }
        guard let missing else {
            guard found.isEmpty else { return }
            throw AdapterError(.configuration, "no layer of \(configuration.layers ?? []) has the adapter's targets")
        }
        throw AdapterError(
            .configuration, "no module of the model is called \(missing.quoted()); \(published.near(missing))")
    }

    private static let prefix = "base_model.model."
    private func key(_ module: String) -> String { Self.prefix + module }

    /// A tensor of a module; of a joined matrix the one that its first part made.
    private mutating func tensor(
        _ place: PublishedLayer, _ suffix: String, shape: Shape, order: RowOrder? = nil, initial: () throws -> Tensor
    ) throws -> Tensor {
        if place.part != nil, let known = joined[place.module]?[suffix] { return known }
        let key = key(place.module) + "." + suffix
        let made = try source.tensor(key, shape: shape, order: order, initial: initial)
        if place.part != nil { joined[place.module, default: [:]][suffix] = made }
        tensors.append(AdapterTensor(key, made, order: order))
        return made
    }

    private mutating func lowRank(
        _ layer: Linear, _ place: PublishedLayer, _ ownRank: Int?, _ ownAlpha: Double?
    ) throws -> any LinearAdapter {
        let key = key(place.module)
        let rank = try source.storedRank(key + ".lora_A.weight") ?? ownRank ?? configuration.rank
        guard rank > 0 else { throw AdapterError(.configuration, "\(place.module): the rank is \(rank)") }
        let alpha = ownAlpha ?? configuration.alpha
        let scale = configuration.scale(rank: rank, alpha: alpha)
        let start = try source.has(key + ".lora_A.weight") ? nil : beginning(layer, place, rank: rank, scale: scale)
        let initializer = Initializer(
            configuration.start == .gaussian ? .normal(deviation: 1 / Double(rank), layers: 1) : .kaimingUniform,
            seed: seed)
        let down = try tensor(place, "lora_A.weight", shape: [rank, layer.inputSize]) {
            start?.down
                ?? initializer.parameter(key + ".lora_A.weight", shape: [rank, layer.inputSize], role: .weight)
        }
        let up = try tensor(place, "lora_B.weight", shape: [place.outputs, rank], order: place.order) {
            try start?.up ?? Tensor.zeros([place.outputs, rank])
        }
        guard configuration.usesMagnitude else {
            let adapter = try LowRankAdapter(
                of: layer, down: down, up: up, scale: scale, dropout: configuration.dropout, part: place.part, key: key,
                name: name)
            if configuration.start == .principal, let start {
                origins[place.module] = (start.down, start.up)
                append(start.down, axis: 0, to: key + ".lora_A.weight")
                append(try start.up.negative(), axis: 1, to: key + ".lora_B.weight")
            }
            adapter.origin = origins[place.module]
            return adapter
        }
        let published = published, layers = place.part == nil ? [layer] : published.parts(of: place.module)
        let magnitude = try tensor(place, "lora_magnitude_vector", shape: [place.outputs], order: place.order) {
            let squares = try layers.map { try MagnitudeAdapter.squaredNorms(of: $0.matrix).reshape([-1]) }
            return try published.joined(squares, of: place).sqrt()
        }
        return try MagnitudeAdapter(
            of: layer, down: down, up: up, magnitude: magnitude, scale: scale, dropout: configuration.dropout,
            part: place.part, key: key, name: name)
    }

    private mutating func append(_ tensor: Tensor, axis: Int, to key: String) {
        if let index = tensors.firstIndex(where: { $0.key == key }) { tensors[index].appended = (tensor, axis) }
    }

    private mutating func scaling(_ layer: Linear, _ place: PublishedLayer) throws -> any LinearAdapter {
        let scalesInput = configuration.feedForwardModules.contains { ModuleNameMatcher.ends(place.module, with: $0) }
        let shape: Shape = scalesInput ? [1, layer.inputSize] : [place.outputs, 1]
        let vector = try tensor(place, "ia3_l", shape: shape, order: scalesInput ? nil : place.order) {
            try Tensor.ones(shape)
        }
        return try ScalingAdapter(
            of: layer, vector: vector, scalesInput: scalesInput, part: place.part, key: key(place.module), name: name)
    }

    private mutating func rotation(_ layer: Linear, _ place: PublishedLayer) throws -> any LinearAdapter {
        let size =
            configuration.blockSize > 0 ? configuration.blockSize : layer.inputSize / max(configuration.blocks, 1)
        guard size > 0, layer.inputSize % size == 0 else {
            throw AdapterError(
                .configuration,
                "\(place.module) has \(layer.inputSize) inputs, which blocks of \(size) do not divide: choose another "
                    + "block size")
        }
        let shape: Shape = [configuration.sharesBlocks ? 1 : layer.inputSize / size, size * (size - 1) / 2]
        let angles = try tensor(place, "oft_R.weight", shape: shape) { try Tensor.zeros(shape) }
        return try RotationAdapter(
            of: layer, angles: angles, blockSize: size, neumannTerms: configuration.neumannTerms, part: place.part,
            key: key(place.module), name: name)
    }

    private mutating func buildTable(
        _ table: Embedding, _ module: String, _ ownRank: Int?, _ ownAlpha: Double?
    ) throws {
        let key = key(module), count = table.weight.shape[0], size = table.weight.shape[1]
        let rank = try source.storedRank(key + ".lora_embedding_A") ?? ownRank ?? configuration.rank
        let down = try source.tensor(key + ".lora_embedding_A", shape: [rank, count], order: nil) {
            try Tensor.zeros([rank, count])
        }
        let up = try source.tensor(key + ".lora_embedding_B", shape: [size, rank], order: nil) {
            Initializer(.normal(deviation: 1, layers: 1), seed: seed)
                .parameter(key + ".lora_embedding_B", shape: [size, rank], role: .weight)
        }
        tensors += [AdapterTensor(key + ".lora_embedding_A", down), AdapterTensor(key + ".lora_embedding_B", up)]
        let scale = configuration.scale(rank: rank, alpha: ownAlpha ?? configuration.alpha)
        tables.append((table, try LowRankTable(of: table, down: down, up: up, scale: scale, key: key, name: name)))
    }

    // MARK: - Parts of the model itself

    private mutating func buildTrainedTokens() throws {
        let ids = configuration.trainedTokens
        guard !ids.isEmpty else { return }
        guard let (table, module) = published.tables.first else { return }
        guard ids.allSatisfy({ (0..<table.weight.shape[0]).contains(Int($0)) }) else {
            throw AdapterError(
                .configuration,
                "tokens \(ids.filter { !(0..<table.weight.shape[0]).contains(Int($0)) }.prefix(8)) are beyond the "
                    + "model's \(table.weight.shape[0])")
        }
        let key = key(module) + ".token_adapter.trainable_tokens_delta"
        let rows = try source.tensor(key, shape: [ids.count, table.weight.shape[1]], order: nil) {
            try noGrad { try Fused.embed(ids, table.weight, scale: 1) }
        }
        tensors.append(AdapterTensor(key, rows))
        let adapter = try TrainedRows(of: table, ids: ids, rows: rows, key: self.key(module), name: name)
        tables.append((table, adapter))
        if let head = base.tree.linears.first(where: { $0.path == "lm_head" }), head.sharesTable {
            linears.append((head, TrainedRowsOfHead(adapter)))
        }
    }

    /// PEFT takes every module whose name ends so: "norm" means "input_layernorm" as well.
    private mutating func buildSavedModules() throws {
        for saved in configuration.savedModules {
            var found = false
            for (layer, place) in published.linears where isSaved(place.module, by: saved) {
                guard place.part == nil, !place.isTransposed, place.order == nil else {
                    throw AdapterError(
                        .unsupported,
                        "\(place.module) cannot be saved as a whole: the base holds it in another order than its files")
                }
                found = true
                try save(layer, "weight", layer.matrix, module: place.module)
                if let bias = layer.bias { try save(layer, "bias", bias, module: place.module) }
            }
            for (table, module) in published.tables where isSaved(module, by: saved) {
                found = true
                try save(table, "weight", table.weight, module: module)
            }
            for (leaf, module) in published.others where isSaved(module, by: saved) {
                found = true
                for parameter in leaf.parameters {
                    let kind = String(parameter.path.split(separator: ".").last ?? "weight")
                    try save(leaf, kind, parameter.value, module: module)
                }
            }
            // PEFT names heads of several kinds of models beside each other; a stored tensor that belongs to nothing is told,
            // unless it is of a head that this class does not have.
            guard found || source.isStored else {
                throw AdapterError(
                    .configuration,
                    "modules_to_save: no module of the model is called \(saved.quoted()); \(published.near(saved))")
            }
        }
    }

    /// Whether a module is one of that name, or a part of one: "classifier" means "classifier.out_proj" as well.
    private func isSaved(_ module: String, by name: String) -> Bool {
        module.hasSuffix(name) || ModuleNameMatcher.isWithin(module, name)
    }

    private mutating func save(_ leaf: any ModuleLeaf, _ kind: String, _ value: any WeightMatrix, module: String) throws
    {
        try replace(leaf, leaf.path + "." + kind, value, key: key(module) + "." + kind)
    }

    private mutating func replace(
        _ leaf: any ModuleLeaf, _ path: String, _ value: any WeightMatrix, key: String, order: RowOrder? = nil
    ) throws {
        if let norm = leaf as? Norm, norm.weightOffset == 0,
            base.decoder?.configuration.family.hasPrefix("gemma") ?? false
        {
            throw AdapterError(
                .unsupported,
                "a GGUF file of this family stores \(path) with 1 added (1 + w): train from the model's folder")
        }
        // A module may have several of the names that are saved.
        guard !replaced.contains(where: { $0.path == path }) else { return }
        let tensor = try source.tensor(key, shape: value.shape, order: order) { try value.float32Copy() }
        tensors.append(AdapterTensor(key, tensor, order: order))
        replaced.append(
            Adapter.ReplacedParameter(leaf: leaf, path: path, tensor: tensor, original: (value as? Tensor)?.detach()))
    }

    private mutating func buildBiases() throws {
        guard configuration.bias != .none else { return }
        let adapted = Set(linears.map { ObjectIdentifier($0.layer) })
        let known = Set(replaced.map(\.path))
        for (layer, place) in published.linears {
            guard let bias = layer.bias, !known.contains(layer.path + ".bias") else { continue }
            let isAdapted = adapted.contains(ObjectIdentifier(layer))
            guard configuration.bias == .all || isAdapted else { continue }
            let key = key(place.module) + (isAdapted ? ".base_layer.bias" : ".bias")
            if let part = place.part {
                try replaceJoined(layer, bias, part, key: key, outputs: place.outputs)
            } else {
                try replace(layer, layer.path + ".bias", bias, key: key, order: place.order)
            }
        }
        guard configuration.bias == .all else { return }
        for (leaf, module) in published.others {
            for parameter in leaf.parameters where parameter.path.hasSuffix(".bias") && !known.contains(parameter.path)
            {
                try replace(leaf, parameter.path, parameter.value, key: key(module) + ".bias")
            }
        }
    }

    /// The part of a bias that files hold joined.
    private mutating func replaceJoined(
        _ layer: Linear, _ bias: Tensor, _ part: JoinedPart, key: String, outputs: Int
    ) throws {
        let tensor: Tensor
        if source.has(key) {
            let whole = try source.tensor(key, shape: [outputs], order: nil) { bias }
            let own = try Optional(part).rows(of: whole.detach()).copied()
            tensor = whole.requiresGrad ? try own.requiringGrad() : own
        } else {
            tensor = try source.tensor(key, shape: bias.shape, order: nil) { bias }
        }
        if let index = tensors.firstIndex(where: { $0.key == key }) {
            tensors[index].pieces.append(AdapterTensor.Piece(tensor: tensor, order: nil))
        } else {
            var joined = AdapterTensor(key, tensor)
            joined.groups = part.groups
            tensors.append(joined)
        }
        replaced.append(
            Adapter.ReplacedParameter(
                leaf: layer, path: layer.path + ".bias", tensor: tensor, original: bias.detach()))
    }

    /// Layers and parameters of the model as they are, by its own paths.
    private mutating func buildPartial() throws {
        let known = Set(replaced.map(\.path))
        for text in configuration.trainedPatterns {
            for leaf in try base.tree.find(text) {
                if let layers = configuration.layers {
                    guard let number = ModuleNameMatcher.layer(of: leaf.path), layers.contains(number) else { continue }
                }
                for parameter in leaf.parameters where !known.contains(parameter.path) {
                    guard !replaced.contains(where: { $0.path == parameter.path }) else { continue }
                    let order = (leaf as? Linear).flatMap { published.order(of: $0) }
                    try replace(leaf, parameter.path, parameter.value, key: key(parameter.path), order: order)
                }
            }
        }
    }
}

extension PublishedLayers {
    /// "there are q_proj, k_proj": names that look like one.
    func near(_ name: String) -> String {
        let pattern = ModulePattern(name)
        let near = pattern.nearNames(names)
        return near.isEmpty ? "it has none" : "there are \(near.map { $0.quoted() }.joined(separator: ", "))"
    }

    /// Rows of the layers of a joined matrix, in the order that it has them.
    func joined(_ parts: [Tensor], of place: PublishedLayer) throws -> Tensor {
        guard parts.count > 1 else { return parts[0] }
        guard let groups = place.part?.groups, groups > 1 else { return try Tensor.concatenate(parts) }
        return try WeightPlace.grouped(parts, groups: groups)
    }

    /// The layers that files hold joined under a name, in order.
    func parts(of module: String) -> [Linear] {
        var places: Set<Int> = []
        return linears.filter { $0.published.module == module }
            .sorted { ($0.published.part?.rows.lowerBound ?? 0) < ($1.published.part?.rows.lowerBound ?? 0) }
            // Of layers that share a matrix, the first.
            .filter { places.insert($0.published.part?.rows.lowerBound ?? 0).inserted }
            .map(\.layer)
    }
}

extension WeightMatrix {
    /// Its values as float32 of memory of its own: also of a vector.
    fileprivate func float32Copy() throws -> Tensor {
        if let tensor = self as? Tensor, tensor.shape.rank == 1 { return try tensor.detach().to(.float32).copied() }
        return try float32Matrix().detach().copied()
    }
}

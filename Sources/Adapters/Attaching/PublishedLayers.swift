import MartletFormats
import MartletModels
import MartletNN
import MartletTensor

/// How a layer stands in the published files of its model, where adapters are named and shaped by them.
struct PublishedLayer {
    /// "model.layers.3.self_attn.q_proj", "transformer.h.3.attn.c_attn".
    let module: String
    /// Where the files hold the layer joined with others.
    let part: JoinedPart?
    /// Outputs of the whole matrix in the files.
    let outputs: Int
    /// Where the model's rows lie in another order than the files'.
    let order: RowOrder?
    /// The files hold it `[in, out]`.
    let isTransposed: Bool

    /// The same under another name.
    func named(_ module: String) -> PublishedLayer {
        PublishedLayer(module: module, part: part, outputs: outputs, order: order, isTransposed: isTransposed)
    }
}

/// An order of rows: a GGUF file's queries and keys are interleaved within each head, those of folders are not.
struct RowOrder: Equatable {
    /// For each row of the files, which of the model's it is.
    let published: [Int64]

    /// - Parameter head: numbers of a head.
    init(interleaved count: Int, head: Int) {
        published = HeadRows.separated(count, head: head).map(Int64.init)
    }

    func toPublished(_ tensor: Tensor) throws -> Tensor { try tensor.indexSelect(0, Tensor(published)) }

    func fromPublished(_ tensor: Tensor) throws -> Tensor {
        var inverse = published
        for (row, own) in published.enumerated() { inverse[Int(own)] = Int64(row) }
        return try tensor.indexSelect(0, Tensor(inverse))
    }
}

/// The layers of a model by the names of its published files.
struct PublishedLayers {
    /// In the tree's order.
    let linears: [(layer: Linear, published: PublishedLayer)]
    let tables: [(layer: Embedding, module: String)]
    let others: [(layer: any ModuleLeaf, module: String)]

    /// - Throws: `AdapterError` for a family whose published names are not known.
    init(_ decoder: Decoder) throws {
        let configuration = decoder.configuration
        guard let family = Family.named(configuration.family) else {
            throw AdapterError(.unsupported, "the family \(configuration.family) has no published names")
        }
        self.init(decoder.tree) { path in
            family.publishedPlaces(path + ".weight", configuration).first
        } order: { layer in
            // Only of families whose GGUF files turn them; Cohere, GLM-4 and GPT-J have them so in folders as well.
            guard family.interleavesInGGUF else { return nil }
            guard layer.path.hasSuffix("self_attn.q_proj") || layer.path.hasSuffix("self_attn.k_proj"),
                let number = ModuleNameMatcher.layer(of: layer.path), number < configuration.layers.count
            else { return nil }
            let attention = configuration.layers[number].attention
            guard attention.latent == nil, attention.rotary?.layout == .interleaved,
                layer.outputSize % attention.headDimension == 0
            else {
                return nil
            }
            return RowOrder(interleaved: layer.outputSize, head: attention.headDimension)
        }
    }

    /// The layers of an encoder, and of a head on it, as its folder is written.
    init(_ tree: ModuleTree, _ folder: EncoderFolder) {
        self.init(tree) {
            folder.place($0 + ".weight")
        } order: { _ in
            nil
        }
    }

    /// What IA³ scales where nobody names it: keys, values, and what goes into the last product of the feed-forward layers (Liu
    /// et al. 2022, section 3.3). By two names, since GPT-2 calls two products of a layer c_proj.
    var scaledModules: (targets: [String], feedForward: [String]) {
        var targets: [String] = [], feedForward: [String] = []
        for (layer, place) in linears {
            let isInner = layer.path.hasSuffix(".mlp.down_proj")
            guard isInner || [".self_attn.k_proj", ".self_attn.v_proj"].contains(where: layer.path.hasSuffix) else {
                continue
            }
            let name = place.module.split(separator: ".").suffix(2).joined(separator: ".")
            if !targets.contains(name) { targets.append(name) }
            if isInner, !feedForward.contains(name) { feedForward.append(name) }
        }
        return (targets, feedForward)
    }

    private init(
        linears: [(layer: Linear, published: PublishedLayer)], tables: [(layer: Embedding, module: String)],
        others: [(layer: any ModuleLeaf, module: String)]
    ) {
        (self.linears, self.tables, self.others) = (linears, tables, others)
    }

    /// The same, with names that lack a prefix.
    func withoutPrefix(_ prefix: String) -> PublishedLayers {
        func bare(_ name: String) -> String { name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name }
        return PublishedLayers(
            linears: linears.map { ($0.layer, $0.published.named(bare($0.published.module))) },
            tables: tables.map { ($0.layer, bare($0.module)) }, others: others.map { ($0.layer, bare($0.module)) })
    }

    private init(
        _ tree: ModuleTree, place: (String) -> WeightPlace?, order: (Linear) -> RowOrder?
    ) {
        var linears: [(Linear, PublishedLayer)] = [], tables: [(Embedding, String)] = []
        var others: [(any ModuleLeaf, String)] = []
        func name(_ stored: String) -> String {
            stored.hasSuffix(".weight") ? String(stored.dropLast(".weight".count)) : stored
        }
        // A matrix that several layers have is named by each of them (ALBERT): they share what belongs to it.
        var uses: [String: Int] = [:], seen: Set<String> = []
        for case let layer as Linear in tree.leaves {
            if case .tensor(let stored)? = place(layer.path) { uses[stored, default: 0] += 1 }
        }
        for leaf in tree.leaves {
            let where_ = place(leaf.path) ?? .tensor(leaf.path + ".weight")
            switch (leaf, where_) {
            case (let layer as Linear, .tensor(let stored)):
                linears.append(
                    (
                        layer,
                        PublishedLayer(
                            module: name(stored),
                            part: uses[stored] ?? 1 > 1
                                ? JoinedPart(rows: 0..<layer.outputSize, isFirst: seen.insert(stored).inserted) : nil,
                            outputs: layer.outputSize, order: order(layer), isTransposed: false)
                    ))
            case (let layer as Linear, .rows(let stored, let sizes, let part)),
                (let layer as Linear, .transposedColumns(let stored, let sizes, let part)):
                // The sizes may be given in proportion only.
                let unit = max(layer.outputSize / max(sizes[part], 1), 1)
                let first = unit * sizes[..<part].reduce(0, +)
                let isTransposed = if case .transposedColumns = where_ { true } else { false }
                linears.append(
                    (
                        layer,
                        PublishedLayer(
                            module: name(stored),
                            part: sizes.count > 1
                                ? JoinedPart(rows: first..<first + unit * sizes[part], isFirst: part == 0) : nil,
                            outputs: unit * sizes.reduce(0, +), order: order(layer),
                            isTransposed: isTransposed)
                    ))
            case (let layer as Linear, .groupedRows(let stored, let groups, let sizes, let part)):
                let unit = max(layer.outputSize / max(groups * sizes[part], 1), 1)
                let first = unit * sizes[..<part].reduce(0, +)
                linears.append(
                    (
                        layer,
                        PublishedLayer(
                            module: name(stored),
                            part: JoinedPart(
                                rows: first..<first + unit * sizes[part], groups: groups, isFirst: part == 0),
                            outputs: groups * unit * sizes.reduce(0, +), order: order(layer), isTransposed: false)
                    ))
            case (let layer as Linear, .expert(let stored, let index)):
                linears.append(
                    (
                        layer,
                        PublishedLayer(
                            module: "\(name(stored)).\(index)", part: nil, outputs: layer.outputSize, order: nil,
                            isTransposed: false)
                    ))
            case (let layer as Linear, .expertPart(let stored, let index, let part)):
                let suffix = part.share.count == 1 ? "" : ".\(part.share.part)"
                linears.append(
                    (
                        layer,
                        PublishedLayer(
                            module: "\(name(stored)).\(index)\(suffix)", part: nil, outputs: layer.outputSize,
                            order: nil,
                            isTransposed: false)
                    ))
            case (let layer as Embedding, let place): tables.append((layer, name(place.publishedName)))
            case (_, let place): others.append((leaf, name(place.publishedName)))
            }
        }
        (self.linears, self.tables, self.others) = (linears, tables, others)
    }

    /// All names, for errors.
    var names: [String] { modules.map(\.module) }

    /// All layers with their names.
    var modules: [(layer: any ModuleLeaf, module: String)] {
        linears.map { (layer: $0.layer as any ModuleLeaf, module: $0.published.module) }
            + tables.map { (layer: $0.layer as any ModuleLeaf, module: $0.module) } + others
    }
}

import MartletFormats
import MartletModels
import MartletNN
import MartletSystem
import MartletTensor

/// An adapter as llama.cpp reads it: a GGUF file with `general.type` "adapter", `adapter.type` "lora", `adapter.lora.alpha`,
/// and for a matrix NAME the tensors `NAME.lora_a` `[rank, in]` and `NAME.lora_b` `[out, rank]` (in GGUF's order of
/// dimensions the other way round). The scale is α / rank of each matrix. Queries and keys of Llamas are interleaved there as
/// in the models' files. Of the table of embeddings A is turned, `[vocabulary, rank]`, so that a token takes a row of it.
public enum GGUFAdapter {
    /// - Parameter decoder: the base, whose names and order of rows it follows.
    public static func read(_ path: String, of decoder: Decoder) throws -> StoredAdapter {
        let file = try GGUFFile(path: path)
        guard isAdapter(file) else {
            throw AdapterError(.file, "\(path) is no adapter: its general.type is not \"adapter\"")
        }
        let type = file.metadata["adapter.type"]?.string ?? "none"
        guard type == "lora" else {
            throw AdapterError(.unsupported, "\(path): adapter.type is \(type.quoted()); Martlet reads lora")
        }
        guard let alpha = file.metadata["adapter.lora.alpha"]?.double, alpha.isFinite else {
            throw AdapterError(.file, "\(path) has no adapter.lora.alpha")
        }
        guard file.metadata["adapter.alora.invocation_tokens"] == nil else {
            throw AdapterError(
                .unsupported,
                "\(path): adapter.alora.invocation_tokens has it begin within a text, which is not computed: take an adapter "
                    + "that is on from the beginning")
        }
        let places = try Places(decoder)
        var tensors: [String: Tensor] = [:], modules: [String] = [], largest = 0
        for name in file.names {
            let isDown = name.hasSuffix(".lora_a")
            guard isDown || name.hasSuffix(".lora_b") else {
                throw AdapterError(.unsupported, "\(path): \(name) is neither a lora_a nor a lora_b")
            }
            let stored = String(name.dropLast(7))
            if let (table, module) = places.table(of: stored) {
                let tensor = try file.tensor(name).to(.float32), size = table.weight.shape[isDown ? 0 : 1]
                guard tensor.rank == 2, tensor.shape[0] == size else {
                    throw AdapterError(
                        .otherBase,
                        "\(path): \(name) is \(tensor.shape), the base's table \(table.weight.shape): the adapter was made "
                            + "for another model")
                }
                tensors["base_model.model.\(module).lora_embedding_\(isDown ? "A" : "B")"] =
                    isDown ? try tensor.transposed().contiguous() : tensor
                if isDown {
                    modules.append(module)
                    largest = max(largest, tensor.shape[1])
                }
                continue
            }
            guard let (layer, published) = places.layer(of: stored) else {
                throw AdapterError(.otherBase, "\(path): \(name) belongs to no matrix of the base")
            }
            var tensor = try file.tensor(name).to(.float32)
            guard tensor.rank == 2, tensor.shape[isDown ? 1 : 0] == (isDown ? layer.inputSize : published.outputs)
            else {
                throw AdapterError(
                    .otherBase,
                    "\(path): \(name) is \(tensor.shape), the base's matrix \(layer.matrix.shape): the adapter was made "
                        + "for another model")
            }
            if !isDown, places.isInterleaved(layer) {
                tensor = try RowOrder(interleaved: layer.outputSize, head: places.head).toPublished(tensor)
            }
            tensors["base_model.model.\(published.module).lora_\(isDown ? "A" : "B").weight"] = tensor
            if isDown {
                modules.append(published.module)
                largest = max(largest, tensor.shape[0])
            }
        }
        for module in modules
        where !["lora_B.weight", "lora_embedding_B"].contains(where: {
            tensors["base_model.model.\(module).\($0)"] != nil
        }) {
            throw AdapterError(.file, "\(path) has a lora_a of \(module) and no lora_b")
        }
        guard !modules.isEmpty else { throw AdapterError(.file, "\(path) holds no lora_a") }
        var configuration = AdapterConfiguration(.lora)
        configuration.targets = .names(modules.sorted())
        configuration.rank = largest
        configuration.alpha = alpha
        return StoredAdapter(file: path, form: .gguf, configuration, tensors)
    }

    public static func isAdapter(_ path: String) -> Bool {
        guard path.hasSuffix(".gguf"), Folder.isFile(path), let file = try? GGUFFile(path: path) else { return false }
        return isAdapter(file)
    }

    private static func isAdapter(_ file: GGUFFile) -> Bool { file.metadata["general.type"]?.string == "adapter" }

    /// - Throws: `AdapterError` for what llama.cpp has no form for.
    public static func write(_ stored: StoredAdapter, of decoder: Decoder, to path: String) throws {
        let configuration = stored.configuration, places = try Places(decoder)
        guard configuration.kind == .lora, !configuration.usesMagnitude else {
            throw AdapterError(
                .unsupported, "GGUF has no adapters of the kind \(configuration.title): merge it into its base instead")
        }
        guard let architecture = Family.named(decoder.configuration.family)?.architectureOfGGUF else {
            throw AdapterError(.unsupported, "GGUF has no models of the family \(decoder.configuration.family)")
        }
        let scales = try LowRankScales(stored)
        var writer = GGUFWriter()
        writer.metadata["general.type"] = .string("adapter")
        writer.metadata["general.architecture"] = .string(architecture)
        writer.metadata["adapter.type"] = .string("lora")
        writer.metadata["adapter.lora.alpha"] = .float32(Float(configuration.alpha))
        // Of a table that it adapts, PEFT keeps the base's own numbers beside.
        let own = stored.tensors.filter { !$0.key.hasSuffix(".base_layer.weight") }
        for (key, tensor) in own.sorted(by: { $0.key < $1.key }) {
            let ends = [".lora_A.weight", ".lora_B.weight", ".lora_embedding_A", ".lora_embedding_B"]
            guard let end = ends.first(where: key.hasSuffix) else {
                throw AdapterError(
                    .unsupported, "GGUF has no form for \(key): merge the adapter into its base instead")
            }
            let isDown = end.contains("_A"), isOfTable = end.contains("embedding")
            let module = String(key.dropLast(end.count).dropFirst("base_model.model.".count))
            let table = isOfTable ? places.storedTable(of: module) : nil
            let matrix = isOfTable ? nil : places.stored(of: module)
            guard let name = table ?? matrix?.name else {
                throw AdapterError(
                    .unsupported,
                    "\(module) has no place in GGUF: merge the adapter into its base instead")
            }
            var value = try tensor.to(.float32)
            if isDown, let own = scales.of(module) {
                // The file has one alpha: the A of a module with another scale is multiplied instead.
                let usual = configuration.alpha / Double(value.shape[0])
                if abs(own - usual) > 1e-9 * abs(usual), usual != 0 { value = try value * (own / usual) }
            }
            if isDown, isOfTable { value = try value.transposed() }
            if !isDown, let layer = matrix?.layer, places.isInterleaved(layer) {
                value = try RowOrder(interleaved: layer.outputSize, head: places.head).fromPublished(value)
            }
            writer.add("\(name).\(isDown ? "lora_a" : "lora_b")", value.contiguous())
        }
        try writer.write(to: path)
    }

    /// The names of the base's matrices in GGUF and in folders.
    private struct Places {
        private let decoder: Decoder
        private let published: PublishedLayers
        private let family: Family
        var head: Int { decoder.configuration.attention.headDimension }

        init(_ decoder: Decoder) throws {
            self.decoder = decoder
            published = try PublishedLayers(decoder)
            guard let family = Family.named(decoder.configuration.family) else {
                throw AdapterError(.unsupported, "the family \(decoder.configuration.family) is not known")
            }
            self.family = family
        }

        /// The GGUF name of a layer's matrix; a matrix that folders store joined is joined there too.
        private func name(_ layer: Linear, _ published: PublishedLayer) -> String? {
            for place in family.placesInGGUF(layer.path + ".weight", decoder.configuration) {
                switch place {
                case .tensor(let name) where published.part == nil: return name
                case .rows(let name, _, _) where published.part != nil: return name
                default: continue
                }
            }
            return nil
        }

        func layer(of stored: String) -> (layer: Linear, published: PublishedLayer)? {
            published.linears.first { name($0.layer, $0.published) == stored }
        }

        func stored(of module: String) -> (layer: Linear, name: String)? {
            guard let found = published.linears.first(where: { $0.published.module == module }) else { return nil }
            return name(found.layer, found.published).map { (found.layer, $0) }
        }

        /// The GGUF name of a table of embeddings.
        private func name(_ table: Embedding) -> String? {
            for case .tensor(let name) in family.placesInGGUF(table.path + ".weight", decoder.configuration) {
                return name
            }
            return nil
        }

        func table(of stored: String) -> (layer: Embedding, module: String)? {
            published.tables.first { name($0.layer) == stored }
        }

        func storedTable(of module: String) -> String? {
            published.tables.first { $0.module == module }.flatMap { name($0.layer) }
        }

        /// Whether GGUF stores the layer's rows interleaved, in whatever form the base is stored.
        func isInterleaved(_ layer: Linear) -> Bool {
            family.interleavesInGGUF
                && (layer.path.hasSuffix("self_attn.q_proj") || layer.path.hasSuffix("self_attn.k_proj"))
        }
    }
}

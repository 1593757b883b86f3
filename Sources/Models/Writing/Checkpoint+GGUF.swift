import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

extension Checkpoint {
    /// A model as a GGUF file has it: metadata of the architecture, without a tokenizer, and tensors in their order.
    public struct GGUFContents {
        public var metadata: GGUFMetadata
        public var tensors: [WrittenTensor]
        /// Whether there is an output projection of its own.
        public let hasOutput: Bool
        /// Of the first layer: query heads for each key head, and experts.
        public let queryGroups: Int
        public let experts: Int
        public let layers: Int
    }

    /// What a GGUF file of this model holds. A GGUF file gives what it has; a folder is presented as its family's files
    /// are, for llama.cpp and others to read: names, rows of queries and keys as the architecture rotates them, norms
    /// with what is added to them, experts in stacks.
    /// - Throws: `ModelError.unsupported` for families GGUF has no architecture for that is known here, and for what an
    ///   architecture cannot say.
    public func ggufContents() throws -> GGUFContents {
        var reading = try decoderReading()
        // Modules of multi-token prediction are written where files of the architecture may hold them.
        if gguf == nil, reading.family.writtenGGUF?.hasPredictions == true {
            var spec = reading.configuration
            spec.predictionModules = predictionModules
            reading = DecoderReading(family: reading.family, configuration: spec, warnings: reading.warnings)
        }
        let spec = reading.configuration
        func contents(_ metadata: GGUFMetadata, _ tensors: [WrittenTensor]) -> GGUFContents {
            GGUFContents(
                metadata: metadata, tensors: tensors, hasOutput: !spec.tiedEmbeddings,
                queryGroups: spec.attention.heads / max(spec.attention.keyValueHeads, 1),
                experts: spec.feedForward.experts?.count ?? 0, layers: spec.layerCount)
        }
        if let gguf { return contents(gguf.metadata.forAnotherFile, try copied(gguf, reading)) }
        let family = reading.family.published.flatMap { Family.named($0.modelType) } ?? reading.family
        guard let form = family.writtenGGUF else {
            throw ModelError.unsupported(
                file: path,
                reason: "no GGUF architecture is known for a \"\(modelType)\"; written are "
                    + Family.all.filter { $0.writtenGGUF != nil }.map { $0.modelTypes[0] }.joined(separator: ", "))
        }
        var writing = GGUFWriting(form, spec, file: path)
        try writing.putDecoder()
        // Folders whose rows lie in pairs already are as these files are.
        let isPermuted = form.rotatesPairs && spec.attention.rotary.map { $0.layout != .interleaved } ?? false
        let head = isPermuted ? spec.attention.headDimension : nil
        let offset = spec.norm.weightOffset
        let tensors = try written(
            reading, places: { form.place(of: $0, spec) },
            rearranged: { parameter, tensor in
                // Readers of GGUF files do not normalise it.
                if spec.normalizesHead, parameter.name == "lm_head.weight" { return try HeadNorm.normalized(tensor) }
                if parameter.role == .scale(initial: 1 - offset), offset != 0 {
                    return try tensor.to(.float32) + offset
                }
                guard let head, HeadRows.areRotated(parameter.name), tensor.shape[0] % head == 0 else { return tensor }
                return tensor.reordered(HeadRows.interleaved(tensor.shape[0], head: head))
            })
        return contents(writing.metadata, writing.divisors + tensors + unusedKeys(spec, isGGUF: true))
    }

    /// The tensors of a GGUF file as they lie there.
    private func copied(_ file: GGUFFile, _ reading: DecoderReading) throws -> [WrittenTensor] {
        let list = AskedParameters(), places = places(reading)
        _ = Decoder(list, reading.configuration)
        var modules: [String: [String]] = [:]
        for parameter in list.asked {
            guard let name = places(parameter.name).map(\.storedName).first(where: { file.entry($0) != nil }) else {
                continue
            }
            modules[name, default: []].append(parameter.module)
        }
        return file.entries.map { entry in
            WrittenTensor(name: entry.name, shape: entry.shape, modules: modules[entry.name] ?? [], stored: entry.dtype)
            {
                try file.tensor(entry.name)
            }
        }
    }
}

extension GGUFForm {
    /// Where this architecture's files keep a parameter: joined with others where its readers ask for that.
    func place(of parameter: AskedParameter, _ spec: DecoderConfiguration) -> WeightPlace? {
        let places = naming.places(parameter.name, spec)
        let whole = places.first { place in
            guard case .rows(let name, _, _) = place else { return false }
            return joined.contains { name.contains(".\($0).") }
        }
        return whole ?? places.first
    }
}

extension GGUFMetadata {
    /// Without what says how this file was divided and laid out.
    fileprivate var forAnotherFile: GGUFMetadata {
        var metadata = GGUFMetadata()
        for (key, value) in self where !key.hasPrefix("split.") && key != "general.alignment" { metadata[key] = value }
        return metadata
    }
}

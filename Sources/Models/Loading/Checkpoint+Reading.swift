import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

extension Checkpoint {
    /// The architecture of the language model, from the configuration and the tensors together.
    struct DecoderReading {
        let family: Family
        let configuration: DecoderConfiguration
        /// Decisions that follow the tensors against the configuration.
        let warnings: [String]
    }

    /// The decoder's configuration; the tensors decide whether there is an output projection, and which.
    func decoderReading() throws -> DecoderReading {
        if kind == .translates || hasEncoderDecoder {
            throw ModelError.wrongKind(path: path, kind: "\(kind.name) (\(kind.uses))", wanted: "a decoder")
        }
        if hasEncoder {
            throw ModelError.wrongKind(
                path: path, kind: "a text encoder, \(kind.name) (\(kind.uses))", wanted: "a decoder")
        }
        let reading = try Family.read(configuration)
        var spec = reading.configuration
        var warnings = reading.unknown.map { unreadKey($0.key, $0.value.text()) }
        guard kind != .generates || spec.layers.allSatisfy({ $0.attention.reach.isCausal }) else {
            let isNamed = configuration.says("is_causal")
            throw ModelError.wrongValue(
                file: configuration.file, key: isNamed ? "is_causal" : "use_bidirectional_attention",
                found: "\(!isNamed)",
                expected: "\(isNamed) for a model that generates: each token would see those after it")
        }
        if kind != .generates, scoreTokens == nil {
            spec.hasHead = false
        } else if gguf == nil {
            if spec.tiedEmbeddings, let head = names.head {
                let embedding = places(of: reading.family, spec)("model.embed_tokens.weight").map(\.storedName)
                    .first { tensors.entry($0) != nil }
                if let embedding, try !isSame(head, embedding) {
                    spec.tiedEmbeddings = false
                    warnings.append(
                        "\(path): tie_word_embeddings is true, but \(head) exists and differs from the embeddings; "
                            + "\(head) is used")
                }
            } else if !spec.tiedEmbeddings, names.head == nil, wrapper != nil, !saysTied {
                spec.tiedEmbeddings = true
            }
        }
        if usesPredictions { spec.predictionModules = predictionModules }
        return DecoderReading(family: reading.family, configuration: spec, warnings: warnings)
    }

    /// Where the decoder's parameters are stored.
    func places(_ reading: DecoderReading) -> @Sendable (String) -> [WeightPlace] {
        places(of: reading.family, reading.configuration)
    }

    private func places(of family: Family, _ spec: DecoderConfiguration) -> @Sendable (String) -> [WeightPlace] {
        if gguf != nil {
            // A file may use another family's architecture name, as Mistral's files use Llama's.
            let architecture = gguf?.metadata["general.architecture"]?.string
            let naming = Family.all.first { $0.gguf?.architecture == architecture }?.gguf?.naming ?? .gguf
            return { naming.places($0, spec) }
        }
        guard case .decoder(let form) = family.body else { return { _ in [] } }
        if flat is LLMCFile { return { Naming.llmc.places($0, spec) } }
        let names = names
        return { name in form.naming.places(name, spec).map(names.stored) }
    }

    /// The form of an encoder's files; nil for a model of another kind.
    var encoderForm: Family.EncoderForm? {
        guard case .encoder(let form)? = Family.named(modelType)?.body else { return nil }
        guard form.sizedPlaces != nil, let spec = try? EncoderConfiguration(configuration) else { return form }
        return form.sized(spec)
    }

    /// Where the encoder's parameters are stored.
    var encoderPlaces: (String) -> [WeightPlace] {
        guard let form = encoderForm else { return { _ in [] } }
        return { [isGGUF = gguf != nil] in form.allPlaces($0, isGGUF: isGGUF) }
    }

    private func isSame(_ first: String, _ second: String) throws -> Bool {
        guard let a = tensors.entry(first), let b = tensors.entry(second) else { return true }
        guard a.shape == b.shape, a.dtype == b.dtype, a.byteCount == b.byteCount else { return false }
        let left = try tensors.tensor(first), right = try tensors.tensor(second)
        var isSame = true
        // A stored tensor is one contiguous run.
        left.forEachHostRun { a in right.forEachHostRun { b in isSame = a.elementsEqual(b) } }
        return isSame
    }

    func unreadKey(_ key: String, _ value: String) -> String {
        "\(configuration.file): the key \"\(key)\" (\(value.prefix(60))) is not read; it may change what the model computes"
    }
}

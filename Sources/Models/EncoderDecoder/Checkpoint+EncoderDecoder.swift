import MartletFormats
import MartletNN

extension Checkpoint {
    /// The architecture of an encoder-decoder model.
    public func encoderDecoderConfiguration() throws -> EncoderDecoderConfiguration {
        try encoderDecoderReading().configuration
    }

    /// The encoder-decoder model: T5, BART, Marian, ….
    ///
    /// ```swift
    /// let model = try Checkpoint(path: "flan-t5-small").encoderDecoder()
    /// try model.prepare(.fast)
    /// ```
    /// - Throws: `ModelError.wrongKind` for a model without an encoder and a decoder; what opening throws.
    public func encoderDecoder() throws -> EncoderDecoder { try encoderDecoder { $0 }.0 }

    /// The same with trainable float32 parameters, and those parameters.
    public func trainableEncoderDecoder(
        where isTrained: @escaping (String) -> Bool = { _ in true }
    ) throws -> (EncoderDecoder, [Parameter]) {
        let (model, parameters) = try encoderDecoder { TrainableParameters($0, where: isTrained) }
        try parameters.finish()
        return (model, parameters.parameters)
    }

    /// The configuration; the tensors decide whether there is an output projection of its own.
    func encoderDecoderReading() throws -> Family.Reading<EncoderDecoderConfiguration> {
        guard kind == .translates || hasEncoderDecoder else {
            throw ModelError.wrongKind(
                path: path, kind: "a model of another kind", wanted: "an encoder-decoder (T5, BART, Marian)")
        }
        let reading = try Family.readEncoderDecoder(configuration)
        var spec = reading.configuration
        // `tie_word_embeddings` is not to be trusted: some models say true and store a head, others false and store none.
        if reading.family.storesHead { spec.tiedEmbeddings = tensors.entry("lm_head.weight") == nil }
        // A classifier writes nothing.
        if kind != .translates { spec.logitBias = false }
        // Files may store the positions that are usually computed: then the stored ones are used.
        if spec.sinusoids != nil, let table = tensors.entry("model.encoder.embed_positions.weight"),
            table.shape.count == 2, table.shape[0] >= spec.contextLength
        {
            (spec.sinusoids, spec.learnedPositions) = (nil, true)
            spec.positionOffset = table.shape[0] - spec.contextLength
        }
        return Family.Reading(family: reading.family, configuration: spec, unknown: reading.unknown)
    }

    func places(_ reading: Family.Reading<EncoderDecoderConfiguration>) -> @Sendable (String) -> [WeightPlace] {
        guard case .encoderDecoder(let form) = reading.family.body else { return { _ in [] } }
        guard kind != .translates, let prefix = form.classifier?.prefix, !prefix.isEmpty else { return form.places }
        return { name in
            form.places(name).map { if case .tensor(let stored) = $0 { .tensor(prefix + stored) } else { $0 } }
        }
    }

    private func encoderDecoder<Source: ParameterSource>(
        _ wrapped: (CheckpointParameters) -> Source
    ) throws -> (EncoderDecoder, Source) {
        try demand(.translates)
        let reading = try encoderDecoderReading()
        let parameters = CheckpointParameters(tensors, file: path, places: places(reading))
        let source = wrapped(parameters)
        let model = EncoderDecoder(source, reading.configuration)
        try parameters.finish()
        try tensors.checkUnchanged()
        return (model, source)
    }
}

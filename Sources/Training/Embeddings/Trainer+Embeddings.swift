import MartletInference
import MartletModels
import MartletTensor

extension Trainer {
    /// Training of an embedding model on pairs and triplets of texts.
    /// - Parameters:
    ///   - options: of `RunCommand.embedding`.
    ///   - memory: the limit on the planned memory in bytes; nil for no check.
    /// - Throws: `TrainingError` before anything is computed, where something does not fit.
    public convenience init(
        run: String, options: TrainingOptions, embedder model: StartingEmbedder, pairs data: EmbeddingData,
        memory: Int? = MachineMemory().total
    ) throws {
        let resolved = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.planned,
            longestRow: data.usualLength, rowsPerEpoch: { _, _ in data.trainingCount })
        guard resolved.rows.length <= model.sentences.contextLength else {
            throw TrainingError(
                .configuration,
                "context_length \(resolved.rows.length) is more than the \(model.sentences.contextLength) tokens that "
                    + "\(model.path) takes of a text")
        }
        let cost = TrainingCost(model.architecture, length: resolved.rows.length) { source in
            switch model.architecture {
            case .encoder(let spec, _): _ = Encoder(source, spec)
            default: model.architecture.build(source)
            }
        }
        try model.files.adapter?.demandStored(resolved.run)
        try TrainingCost.demand(
            resolved.memory(cost, adapter: model.files.adapter?.sizes), within: memory, for: "training")
        let objective = try resolved.contrastiveEmbedding(model.model, data)
        if let decoder = model.model.decoder {
            try resolved.recompute(decoder)
        } else {
            model.model.recomputesLayers = resolved.recomputesLayers
        }
        try self.init(
            run, resolved, nil, cost, resolved.stepLoop(model.parameters),
            TextRowSource(
                EmbeddingRows(data: data, objective: objective), files: model.files, from: model.path,
                notes: model.notes + data.notes, resolved.run))
    }
}

extension ResolvedOptions {
    func contrastiveEmbedding(_ model: EmbeddingModel, _ data: EmbeddingData) throws -> ContrastiveEmbedding {
        let chosen = run.embedding
        var loss = EmbeddingLoss(data.kind)
        loss.scale = chosen.scale ?? 20
        loss.isSymmetric = chosen.isSymmetric ?? false
        loss.distance = chosen.distance ?? .cosine
        loss.margin = chosen.margin ?? EmbeddingOptions.usualMargin(loss.distance)
        loss.dimensions = try chosen.dimensions()
        if let large = loss.dimensions.first(where: { $0.size > model.dimension }) {
            throw TrainingError(
                .configuration, "matryoshka: \(large.size) is more than the \(model.dimension) numbers of a vector")
        }
        try chosen.demandUsed(by: data.kind)
        var objective = ContrastiveEmbedding(model, loss)
        objective.prompts = data.prompts
        (objective.dropout, objective.attentionDropout) = (run.loss.dropout, run.loss.attentionDropout)
        objective.seed = run.general.randomSeed
        return objective
    }
}

import MartletModels
import MartletRuns
import MartletTensor

/// Trains the vectors of texts on rows of pairs and triplets (`EmbeddingLoss`).
///
/// A loss that compares all rows of a step is computed from all of its vectors, however many micro-batches there are (GradCache,
/// Gao et al. 2021): first every vector without gradients, then the loss and its gradient for each vector, then micro-batch by
/// micro-batch the vectors again, whose product with those gradients has the gradient of the whole step.
/// What is dropped is a function of a token's place in the step, so both passes drop the same.
struct ContrastiveEmbedding: Objective {
    /// Some rows of a step.
    struct Batch {
        var rows: [EmbeddingData.Row]
        /// Of a loss over all rows of the step: its gradient for each vector of these rows, `[texts, dimension]`, and what
        /// the step's loss is.
        var gradient: Tensor?
        var stepLoss = 0.0

        init(_ rows: some Sequence<EmbeddingData.Row>) { self.rows = Array(rows) }
    }

    let model: EmbeddingModel
    let goal: EmbeddingLoss
    var prompts = (anchor: 0, positive: 0)
    var dropout = 0.0, attentionDropout = 0.0
    var seed: UInt64 = 0

    init(_ model: EmbeddingModel, _ goal: EmbeddingLoss) {
        self.model = model
        self.goal = goal
    }

    /// Of the loss over triplets: how many there are.
    func weight(of batch: Batch) -> Double {
        goal.kind == .triplet
            ? Double(batch.rows.reduce(0) { $0 + $1.negatives.count }) : Double(batch.rows.count)
    }

    func tokenCount(of batch: Batch) -> Int { batch.rows.reduce(0) { $0 + $1.tokenCount } }

    func loss(of batch: Batch, _ context: StepContext) throws -> ObjectiveLoss {
        let share = weight(of: batch) / context.weight
        guard share > 0 else { return ObjectiveLoss(try Tensor.zeros([])) }
        let vectors = try vectors(of: batch.rows, context)  // [texts, dimension]
        guard let gradient = batch.gradient else {
            let rows = layout(batch.rows)
            let metrics =
                goal.kind == .infonce ? [Metric("masked_negatives", Double(rows.leftOutCount), .sum)] : []
            return ObjectiveLoss(try goal(vectors, rows) * share, metrics: metrics)
        }
        // Its gradient is what is wanted; its value is put right.
        let product = try (vectors * gradient).sum()
        let value = try product + (batch.stepLoss * share - product.item(as: Double.self))
        return ObjectiveLoss(value)
    }

    /// The micro-batches of a step.
    /// - Returns: them, and metrics of the step as a whole.
    func batches(_ parts: [[EmbeddingData.Row]], step: Int) throws -> (batches: [Batch], metrics: [Metric]) {
        guard parts.count > 1, !goal.isOfRows else { return (parts.map { Batch($0) }, []) }
        var batches = parts.map { Batch($0) }, context = StepContext(step: step), vectors: [Tensor] = []
        for batch in batches {
            vectors.append(try noGrad { try self.vectors(of: batch.rows, context) }.detach())
            context.firstToken += tokenCount(of: batch)
        }
        let all = try Tensor.concatenate(vectors).requiringGrad()  // [texts of the step, dimension]
        let rows = layout(parts.flatMap { $0 }), value = try goal(all, rows)
        try value.backward()
        guard let gradient = all.gradient else {
            throw TensorError(.argument, "embedding loss", "the vectors have no gradient")
        }
        var first = 0
        for index in batches.indices {
            let count = vectors[index].shape[0]
            batches[index].gradient = try gradient.narrow(0, from: first, length: count).contiguous()
            batches[index].stepLoss = try value.item(as: Double.self)
            first += count
        }
        let metrics = goal.kind == .infonce ? [Metric("masked_negatives", Double(rows.leftOutCount), .sum)] : []
        return (batches, metrics)
    }

    /// The vectors of all texts of rows in their order, `[texts, dimension]`.
    func vectors(of rows: [EmbeddingData.Row], _ context: StepContext, dropping: Bool = true) throws -> Tensor {
        var drops = DecoderDropout(
            probability: dropping ? dropout : 0, attentionProbability: dropping ? attentionDropout : 0, seed: seed,
            step: context.step, firstToken: context.firstToken)
        // Also in the pass that only finds the vectors, which are to be those of the pass that learns.
        drops.dropsAdapters = dropping
        let lengths = rows.flatMap { row in
            row.texts.indices.map { $0 == 0 ? prompts.anchor : prompts.positive }
        }
        return try model.trainedEmbeddings(rows.flatMap(\.texts), prompts: lengths, dropout: drops)
    }

    /// Which vectors are what, and which candidates are no negatives of a row.
    func layout(_ rows: [EmbeddingData.Row]) -> EmbeddingLoss.Rows {
        var layout = EmbeddingLoss.Rows(), place = 0, candidates = rows.map { $0.identities[1] }
        var owners = Array(rows.indices)
        for (index, row) in rows.enumerated() {
            layout.anchors.append(place)
            layout.positives.append(place + 1)
            for other in row.negatives.indices {
                layout.negatives.append((index, place + 2 + other))
                candidates.append(row.identities[2 + other])
                owners.append(index)
            }
            place += 2 + row.negatives.count
        }
        layout.scores = rows.compactMap(\.score)
        guard goal.kind == .infonce else { return layout }
        // By their texts, whatever prompt stands before them: a candidate of another row is none where it equals what is
        // right for this one.
        var byText: [Int: [Int]] = [:], byAnchor: [Int: [Int]] = [:]
        for (place, text) in candidates.enumerated() { byText[text, default: []].append(place) }
        for (index, row) in rows.enumerated() { byAnchor[row.identities[0], default: []].append(index) }
        layout.leftOut = rows.enumerated().map { index, row in
            var left = Set(byText[row.identities[1]] ?? []).union(byText[row.identities[0]] ?? [])
            left.formUnion(byAnchor[row.identities[0]] ?? [])
            left.remove(index)
            return left
        }
        return layout
    }
}

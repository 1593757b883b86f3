import MartletJSON
import MartletRuns
import MartletTensor

/// Rows of pairs and triplets that vectors are trained on.
struct EmbeddingRows: TextRowGoal {
    let data: EmbeddingData
    let objective: ContrastiveEmbedding

    var rows: [EmbeddingData.Row] { data.rows }
    var trainingCount: Int { data.trainingCount }
    var fingerprint: String { data.fingerprint }
    var state: [JSONObject.Element] { [("pairs", .string(data.fingerprint))] }
    func tokenCount(of row: EmbeddingData.Row) -> Int { row.tokenCount }

    func batches(
        _ parts: [[EmbeddingData.Row]], step: Int
    ) throws -> (batches: [ContrastiveEmbedding.Batch], metrics: [Metric]) {
        try objective.batches(parts, step: step)
    }

    func measure(_ held: [EmbeddingData.Row], rowsPerStep: Int) throws -> HeldOutMeasure {
        let vectors = try vectors(of: held)  // [texts, dimension]
        let (loss, count) = try heldOutLoss(vectors, held, rowsPerStep)
        return HeldOutMeasure(
            loss: loss, count: count, unit: objective.goal.kind == .triplet ? "triplets" : "rows",
            metrics: try measures(vectors, held))
    }

    /// The vectors of all texts, some thousand tokens at a time.
    private func vectors(of held: [EmbeddingData.Row]) throws -> Tensor {
        try Tensor.concatenate(
            held.passes(tokens: \.tokenCount).map {
                try objective.vectors(of: Array($0), StepContext(), dropping: false)
            })
    }

    /// The loss of about as many rows together as a step has: its size depends on how many there are.
    private func heldOutLoss(
        _ vectors: Tensor, _ held: [EmbeddingData.Row], _ rowsPerStep: Int
    ) throws -> (Double, Int) {
        var sum = 0.0, weights = 0.0, first = 0
        let parts = max(1, (held.count + rowsPerStep / 2) / max(1, rowsPerStep))
        for part in held.parts(parts) {
            let rows = Array(part), count = rows.reduce(0) { $0 + $1.texts.count }
            let weight = objective.weight(of: ContrastiveEmbedding.Batch(rows))
            if weight > 0 {
                let own = try vectors.narrow(0, from: first, length: count).contiguous()
                sum += try objective.goal(own, objective.layout(rows)).item(as: Double.self) * weight
            }
            weights += weight
            first += count
        }
        return (sum / max(1, weights), Int(weights))
    }

    /// Whether right texts are found, alike ones are near, and negatives are farther.
    private func measures(_ vectors: Tensor, _ held: [EmbeddingData.Row]) throws -> [Metric] {
        let layout = objective.layout(held)
        var metrics: [Metric] = []
        let sizes = objective.goal.dimensions.map(\.size).filter { $0 < vectors.shape[1] }
        for size in [vectors.shape[1]] + sizes {
            let isWhole = size == vectors.shape[1]
            let unit = try vectors.narrow(1, from: 0, length: size).contiguous().ofLengthOne()
            if data.hasScores {
                let cosines = try
                    (unit.indexSelect(0, Tensor(layout.anchors.map { Int64($0) }))
                    * unit.indexSelect(0, Tensor(layout.positives.map { Int64($0) }))).sum(axes: [1])
                    .toArray(as: Double.self)
                let rank = Correlation.spearman(cosines, layout.scores)
                if isWhole {
                    metrics.append(Metric("spearman", rank))
                    metrics.append(Metric("pearson", Correlation.pearson(cosines, layout.scores)))
                } else {
                    metrics.append(Metric("spearman/" + String(size), rank))
                }
                continue
            }
            let found = try retrieval(unit, held, layout)
            if isWhole {
                metrics.append(Metric("mrr", found.reciprocalRank))
                for depth in [1, 5, 10] { metrics.append(Metric("recall/" + String(depth), found.recall(depth))) }
                if let share = try triplets(unit, layout) { metrics.append(Metric("triplet_accuracy", share)) }
            } else {
                metrics.append(Metric("mrr/" + String(size), found.reciprocalRank))
            }
        }
        return metrics
    }

    /// Each different anchor looks for its positives among the different texts of all rows.
    private func retrieval(
        _ unit: Tensor, _ held: [EmbeddingData.Row], _ layout: EmbeddingLoss.Rows
    ) throws -> RetrievalMeasure {
        // By what the texts are: a prompt before them makes no other text.
        var texts: [Int: Int] = [:], textVectors: [Int64] = [], queries: [Int: Int] = [:]
        var queryVectors: [Int64] = [], right: [Set<Int>] = []
        func number(_ text: Int, _ vector: Int) -> Int {
            if let known = texts[text] { return known }
            texts[text] = textVectors.count
            textVectors.append(Int64(vector))
            return textVectors.count - 1
        }
        for (index, row) in held.enumerated() {
            let own = number(row.identities[1], layout.positives[index])
            if let query = queries[row.identities[0]] {
                right[query].insert(own)
                continue
            }
            queries[row.identities[0]] = right.count
            queryVectors.append(Int64(layout.anchors[index]))
            right.append([own])
        }
        for negative in layout.negatives {
            // Among the row's vectors as among its texts.
            let place = negative.vector - layout.anchors[negative.row]
            _ = number(held[negative.row].identities[place], negative.vector)
        }
        return try RetrievalMeasure(
            queries: unit.indexSelect(0, Tensor(queryVectors)), texts: unit.indexSelect(0, Tensor(textVectors)),
            right: right
        )
    }

    /// How often the positive is nearer than a given negative; nil without negatives.
    private func triplets(_ unit: Tensor, _ layout: EmbeddingLoss.Rows) throws -> Double? {
        guard !layout.negatives.isEmpty else { return nil }
        func rows(_ indices: [Int]) throws -> Tensor { try unit.indexSelect(0, Tensor(indices.map { Int64($0) })) }
        let anchors = try rows(layout.negatives.map { layout.anchors[$0.row] })
        let near = try (anchors * rows(layout.negatives.map { layout.positives[$0.row] })).sum(axes: [1])
        let far = try (anchors * rows(layout.negatives.map(\.vector))).sum(axes: [1])
        let ahead = zip(try near.toArray(as: Float.self), try far.toArray(as: Float.self)).count { $0 > $1 }
        return Double(ahead) / Double(layout.negatives.count)
    }
}

import MartletNN
import MartletTensor

/// What embedding vectors of pairs and triplets are trained on. The names and formulas are those of sentence-transformers.
///
/// With a and b the vectors, cos their cosine, n the rows of a step:
///
///     infonce    −1/n Σᵢ log softmaxⱼ(s · cos(aᵢ, bⱼ))[i]       MultipleNegativesRankingLoss (van den Oord et al. 2018)
///     triplet    1/n Σᵢ max(d(aᵢ, pᵢ) − d(aᵢ, nᵢ) + margin, 0)  TripletLoss (Schroff et al. 2015)
///     cosine     1/n Σᵢ (cos(aᵢ, bᵢ) − yᵢ)²                     CosineSimilarityLoss
///     cosent     log(1 + Σ over yᵢ < yⱼ of exp(s · (cosᵢ − cosⱼ)))   CoSENTLoss (Su 2022)
///
/// The bⱼ of infonce are the positives of all rows and all given negatives. What is the same text as the row's own positive or
/// anchor, or the positive of a row with the same anchor, is no negative and is left out.
public struct EmbeddingLoss: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable { case infonce, triplet, cosine, cosent }
    /// The distance of a triplet's sides.
    public enum Distance: String, Sendable, CaseIterable { case cosine, euclidean, manhattan }

    public var kind: Kind
    /// What cosines are multiplied by: 1 / temperature.
    public var scale = 20.0
    /// Whether infonce also asks which anchor belongs to each positive, and takes the mean of both.
    public var isSymmetric = false
    public var distance = Distance.cosine
    public var margin = 0.5
    /// Matryoshka (Kusupati et al. 2022): the loss is a sum over the first so many numbers of each vector, scaled to length
    /// one, with these weights. Empty: of the whole vector.
    public var dimensions: [(size: Int, weight: Double)] = []

    public init(_ kind: Kind) { self.kind = kind }

    public static func == (one: Self, other: Self) -> Bool {
        one.kind == other.kind && one.scale == other.scale && one.isSymmetric == other.isSymmetric
            && one.distance == other.distance && one.margin == other.margin
            && one.dimensions.elementsEqual(other.dimensions) { $0 == $1 }
    }

    /// Whether a row's loss depends on no other row.
    public var isOfRows: Bool { kind == .triplet || kind == .cosine }

    /// The rows of a step: which vectors they are, and which negatives are none.
    public struct Rows: Sendable, Equatable {
        public var anchors: [Int] = [], positives: [Int] = []
        /// The negatives that rows were given, and of which row each is.
        public var negatives: [(row: Int, vector: Int)] = []
        /// How alike the sides of each row are.
        public var scores: [Double] = []
        /// For each row the candidates (positives, then negatives) that are left out.
        public var leftOut: [Set<Int>] = []

        public init() {}

        /// The number of candidates that are left out.
        public var leftOutCount: Int { leftOut.reduce(0) { $0 + $1.count } }

        public static func == (one: Self, other: Self) -> Bool {
            one.anchors == other.anchors && one.positives == other.positives && one.scores == other.scores
                && one.negatives.elementsEqual(other.negatives) { $0 == $1 } && one.leftOut == other.leftOut
        }
    }

    /// The loss of all rows together, a scalar.
    /// - Parameter vectors: `[texts, dimension]`.
    /// - Throws: `TensorError` for a triplet loss without negatives, and where rows have no scores that need them.
    public func callAsFunction(_ vectors: Tensor, _ rows: Rows) throws -> Tensor {
        guard !dimensions.isEmpty else { return try whole(vectors, rows) }
        var sum: Tensor?
        for (size, weight) in dimensions {
            let part = try vectors.narrow(1, from: 0, length: size).ofLengthOne()  // [texts, size]
            let loss = try whole(part, rows) * weight
            sum = try sum.map { try $0 + loss } ?? loss
        }
        return try sum ?? Tensor.zeros([])
    }

    private func whole(_ vectors: Tensor, _ rows: Rows) throws -> Tensor {
        switch kind {
        case .infonce: return try contrast(vectors, rows)
        case .triplet: return try triplets(vectors, rows)
        case .cosine:
            return try Loss.meanSquaredError(
                cosines(vectors, rows), targets: Tensor(rows.scores).to(vectors.dtype))
        case .cosent: return try order(vectors, rows)
        }
    }

    /// The cosine of each row's sides, `[rows]`.
    private func cosines(_ vectors: Tensor, _ rows: Rows) throws -> Tensor {
        guard rows.scores.count == rows.anchors.count else {
            throw TensorError(.argument, "\(kind.rawValue) loss", "\(rows.anchors.count) rows have no scores")
        }
        let unit = try vectors.ofLengthOne()
        return try (unit.rows(rows.anchors) * unit.rows(rows.positives)).sum(axes: [1])
    }

    private func contrast(_ vectors: Tensor, _ rows: Rows) throws -> Tensor {
        let unit = try vectors.ofLengthOne(), count = rows.anchors.count
        let candidates = rows.positives + rows.negatives.map(\.vector)
        var logits = try unit.rows(rows.anchors).matmul(unit.rows(candidates).transposed()) * scale
        if rows.leftOut.contains(where: { !$0.isEmpty }) {
            var mask = [Bool](repeating: false, count: count * candidates.count)
            for (row, left) in rows.leftOut.enumerated() {
                for place in left { mask[row * candidates.count + place] = true }
            }
            // Far below every cosine, and without a gradient.
            logits = try logits.maskedFill(Tensor(mask, shape: [count, candidates.count]), -1e9)
        }  // [rows, candidates]
        let targets = (0..<count).map { Int32($0) }
        let forward = try Loss.crossEntropy(logits, targets: targets)
        guard isSymmetric else { return forward }
        let back = try logits.narrow(1, from: 0, length: count).transposed().contiguous()  // [positives, anchors]
        return try (forward + Loss.crossEntropy(back, targets: targets)) * 0.5
    }

    private func triplets(_ vectors: Tensor, _ rows: Rows) throws -> Tensor {
        guard !rows.negatives.isEmpty else {
            throw TensorError(.argument, "triplet loss", "no row has a negative")
        }
        let source = distance == .cosine ? try vectors.ofLengthOne() : vectors
        let anchors = try source.rows(rows.negatives.map { rows.anchors[$0.row] })
        let near = try apart(anchors, source.rows(rows.negatives.map { rows.positives[$0.row] }))
        let far = try apart(anchors, source.rows(rows.negatives.map(\.vector)))
        return try (near - far + margin).relu().mean()
    }

    /// d(a, b) row by row, `[rows]`. Vectors that are equal are held a little apart, so that there is a gradient.
    private func apart(_ a: Tensor, _ b: Tensor) throws -> Tensor {
        switch distance {
        case .cosine: try 1 - (a * b).sum(axes: [1])
        case .euclidean: try (a - b).square().sum(axes: [1]).maximum(1e-24).sqrt()
        case .manhattan: try (a - b).abs().sum(axes: [1])
        }
    }

    private func order(_ vectors: Tensor, _ rows: Rows) throws -> Tensor {
        let scores = try cosines(vectors, rows) * scale, count = rows.anchors.count  // [rows]
        let differences = try scores.unsqueeze(1) - scores.unsqueeze(0)  // [rows, rows]
        var mask = [Bool](repeating: true, count: count * count)
        for (i, low) in rows.scores.enumerated() {
            for (j, high) in rows.scores.enumerated() where low < high { mask[i * count + j] = false }
        }
        let counted = try differences.maskedFill(Tensor(mask, shape: [count, count]), -1e9).reshape([count * count])
        return try Tensor.concatenate([Tensor.zeros([1], dtype: vectors.dtype), counted]).logSumExp(axes: [0])
    }
}

extension Tensor {
    /// Rows of a matrix by their numbers.
    fileprivate func rows(_ indices: [Int]) throws(TensorError) -> Tensor {
        try indexSelect(0, Tensor(indices.map { Int64($0) }))
    }

    /// Each row scaled to Euclidean length one, as `torch.nn.functional.normalize` does.
    func ofLengthOne() throws(TensorError) -> Tensor {
        let lengths = try square().sum(axes: [1], keepDimensions: true).sqrt().maximum(1e-12)  // [rows, 1]
        return try self / lengths
    }
}

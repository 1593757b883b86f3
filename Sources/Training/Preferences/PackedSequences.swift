import MartletModels
import MartletTensor

/// Whole sequences packed into one pass: each attends only to itself (packing without cross-contamination), without
/// padding; the sequence of each token is known.
public struct PackedSequences: Sendable {
    /// The input tokens, sequence after sequence.
    public private(set) var inputs: [Int32] = []
    /// The token after each input, or -100 if its probability is not needed.
    public private(set) var targets: [Int32] = []
    /// The rows of each sequence.
    public private(set) var segments: [Range<Int>] = []
    /// For each input, whether the token after it is trained on.
    public private(set) var isLearnt: [Bool] = []
    /// For each input, what the token after it counts in a loss; nil: 1 where it is trained on.
    public private(set) var weights: [Float]?
    private var owners: [Int64] = []

    /// - Parameter scoresAll: for each sequence, whether the probabilities of all its tokens are needed, not only of
    ///   the trained ones; by default of none.
    public init(_ sequences: [EncodedChat], scoresAll: [Bool]? = nil) {
        for (index, sequence) in sequences.enumerated() {
            let start = inputs.count, isWhole = scoresAll?[index] ?? false
            inputs += sequence.tokens.dropLast()
            for place in sequence.tokens.indices.dropFirst() {
                let isLearnt = sequence.isTrained[place]
                targets.append(isLearnt || isWhole ? sequence.tokens[place] : -100)
                self.isLearnt.append(isLearnt)
            }
            segments.append(start..<inputs.count)
            owners += Array(repeating: Int64(index), count: inputs.count - start)
        }
        guard sequences.contains(where: { $0.weights != nil }) else { return }
        weights = sequences.flatMap { sequence in
            Array((sequence.weights ?? sequence.isTrained.map { $0 ? 1 : 0 }).dropFirst())
        }
    }

    /// The number of trained tokens of each sequence.
    public var counts: [Int] { segments.map { rows in isLearnt[rows].count { $0 } } }

    /// 1 for rows whose next token is trained on, or the `weight` of its index among those of its sequence.
    public func learntWeights(_ weight: (_ sequence: Int, _ number: Int) -> Float = { _, _ in 1 }) -> [Float] {
        var weights = [Float](repeating: 0, count: inputs.count)
        for (index, rows) in segments.enumerated() {
            var number = 0
            for row in rows where isLearnt[row] {
                weights[row] = weight(index, number)
                number += 1
            }
        }
        return weights
    }

    /// Σ weight · value over the rows of each sequence: `[tokens]` -> `[sequences]`.
    public func sums(_ values: Tensor, weights: [Float]) throws -> Tensor {
        try Tensor.zeros([segments.count]).indexAdd(0, Tensor(owners), values * Tensor(weights))
    }

    /// The pass that sums as drawing did.
    var passAsDrawn: Pass {
        var pass = Pass(.whole(segments))
        pass.attendsInPages = true
        return pass
    }

    /// log p of the tokens whose probability is needed, 0 elsewhere: `[tokens]`; and the hidden states, `[tokens,
    /// hidden]`.
    /// - Parameter asDrawn: whether attention sums as it did when the tokens were drawn (`Pass.attendsInPages`), so that
    ///   the ratio of the two probabilities begins at 1.
    public func logProbabilities(
        _ decoder: Decoder, temperature: Double = 1, asDrawn: Bool = false
    ) throws -> (logProbabilities: Tensor, hidden: Tensor) {
        let pass = asDrawn ? passAsDrawn : Pass(.whole(segments))
        let hidden = try decoder.hiddenStates(inputs, pass)  // [tokens, hidden]
        let options = CrossEntropyOptions(
            softCap: decoder.configuration.logitSoftCap, temperature: Float(temperature))
        let head = try decoder.lossHead
        return (
            try Fused.logProbabilities(hidden, head.weight, bias: head.bias, targets: targets, options), hidden
        )
    }
}

/// Entropy and accuracy of the next tokens. These need whole logits, so they are computed for a few rows at a time,
/// without gradients.
struct TokenStatistics {
    private(set) var entropy = 0.0, right = 0, count = 0
    private static let rowsAtOnce = 64

    /// - Parameters: of the rows whose target is not ignored.
    init(_ decoder: Decoder, _ hidden: Tensor, targets: [Int32]) throws {
        let rows = targets.indices.filter { targets[$0] != -100 }
        try noGrad {
            for start in stride(from: 0, to: rows.count, by: Self.rowsAtOnce) {
                let part = rows[start..<min(start + Self.rowsAtOnce, rows.count)]
                let x = try hidden.detach().take(rows: Tensor(part.map(Int64.init)))
                let logP = try decoder.logits(x).logSoftmax(axis: 1)  // [rows, vocabulary]
                entropy -= try (logP.exp() * logP).sum(axes: []).item(as: Double.self)
                let best = try logP.argmax(1).toArray(as: Int64.self)
                right += zip(best, part).count { Int($0) == Int(targets[$1]) }
            }
        }
        count = rows.count
    }
}

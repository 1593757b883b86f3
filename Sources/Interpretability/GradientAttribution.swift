import MartletModels
import MartletNN
import MartletTensor

/// How much each token of a text matters for the logit of one token less that of another after it, by gradients with respect
/// to the embeddings.
///
/// - Gradient × input: Σ over the width of xᵢ ∂d/∂xᵢ.
/// - Integrated gradients: Σ (xᵢ − x′ᵢ) · mean over α of ∂d/∂xᵢ at x′ + α (x − x′), from a baseline x′. Their sum
///   is d(x) − d(x′) (completeness), which `gap` says by how much it is missed: with a `tolerance`, steps are doubled until
///   that is small, and `isConverged` says whether it became so. The baseline is the mean of the text's embeddings at every
///   place: from zeros, where such a path often begins, norms jump at once to their full size.
///
/// Source: Shrikumar et al. 2016; Sundararajan et al. 2017.
public struct GradientAttribution: Sendable {
    public var gradientTimesInput: [Double]
    public var integrated: [Double]
    /// d at the text and at the baseline.
    public var value: Double, baseline: Double
    /// Σ integrated − (d(x) − d(x′)).
    public var gap: Double
    /// Steps of the path and the gap they leave, for every number of steps that was tried.
    public var convergence: [(steps: Int, gap: Double)] = []
    /// Whether |gap| ≤ tolerance · |d(x) − d(x′)| in the end; nil where no tolerance was asked for.
    public var isConverged: Bool?

    /// - Parameters:
    ///   - steps: of the path from the baseline, at first.
    ///   - tolerance: a share of d(x) − d(x′) that the gap may be; steps are doubled up to `mostSteps` until it is.
    public init(
        _ probe: ModelProbe, _ tokens: [Int32], token a: Int32, less b: Int32?, steps: Int = 32,
        tolerance: Double? = nil, mostSteps: Int = 512, isCancelled: () -> Bool = { false }
    ) throws {
        guard (1...ModelProbe.tokenLimit).contains(tokens.count), (1...10_000).contains(steps) else {
            throw InterpretabilityError.badInput(
                "attribution needs 1 to \(ModelProbe.tokenLimit) tokens and steps above 0")
        }
        let decoder = probe.decoder, size = decoder.configuration.vocabularySize
        guard [a, b ?? a].allSatisfy({ (0..<size).contains(Int($0)) }) else {
            throw InterpretabilityError.badInput("the token \(a) is not in the vocabulary")
        }
        let embedded = try noGrad { try decoder.embedded(tokens).copied() }  // [tokens, hidden]
        let values: [Float] = try embedded.toArray(), width = embedded.shape[1]
        func difference(_ x: Tensor) throws -> Tensor {
            let hidden = try decoder.hiddenStates(embeddings: x, Pass(.whole([0..<tokens.count])))
            let logits = try decoder.logits(hidden.slice(0, from: tokens.count - 1, to: tokens.count))
            let own = try logits.slice(1, from: Int(a), to: Int(a) + 1).sum()
            guard let b else { return own }
            return try own - logits.slice(1, from: Int(b), to: Int(b) + 1).sum()
        }
        // The mean of the rows, at every place.
        let start = (0..<width).map { column in
            tokens.indices.reduce(Float(0)) { $0 + values[$1 * width + column] } / Float(tokens.count)
        }
        let distances = values.indices.map { values[$0] - start[$0 % width] }
        func gradient(_ alpha: Float) throws -> ([Float], Double) {
            // At the end the embeddings themselves, to the bit.
            let place = alpha == 1 ? values : values.indices.map { start[$0 % width] + alpha * distances[$0] }
            let x = try Tensor(place, shape: embedded.shape).requiringGrad()  // [tokens, hidden]
            let d = try difference(x)
            try d.backward()
            guard let gradient = x.gradient else {
                throw InterpretabilityError.badInput("this model's pass records no gradients")
            }
            return (try gradient.toArray(), try d.item(as: Double.self))
        }
        func rows(_ gradient: [Float], times factors: [Float]) -> [Double] {
            tokens.indices.map { row in
                (row * width..<(row + 1) * width).reduce(0.0) { $0 + Double(factors[$1]) * Double(gradient[$1]) }
            }
        }
        let (whole, value) = try gradient(1)
        gradientTimesInput = rows(whole, times: values)
        self.value = value
        baseline = try gradient(0).1
        (integrated, gap) = ([], .infinity)
        var count = steps
        while true {
            var sum = [Double](repeating: 0, count: tokens.count)
            for step in 0..<count {
                if isCancelled() { throw CancellationError() }
                // The middle of each piece.
                let (own, _) = try gradient((Float(step) + 0.5) / Float(count))
                for (row, part) in rows(own, times: distances).enumerated() { sum[row] += part / Double(count) }
            }
            integrated = sum
            gap = sum.reduce(0, +) - (value - baseline)
            convergence.append((count, gap))
            guard let tolerance else { return }
            isConverged = abs(gap) <= tolerance * abs(value - baseline)
            if isConverged == true || 2 * count > mostSteps { return }
            count *= 2
        }
    }
}

import MartletNN
import MartletTensor

/// The loss of labels, as transformers computes it by `problem_type`:
///
///     single, tokens   −Σ w[c] log softmax(z)[c] / Σ w[c]          cross-entropy of the class c
///     multi            −1/(n · k) Σ t log σ(z) + (1 − t) log(1 − σ(z))   of each of k classes
///     regression       1/n Σ (z − y)²
///     score            −1/n Σ y log σ(z) + (1 − y) log(1 − σ(z))   as cross-encoders of sentence-transformers are trained
///
/// It is given as a sum, and what the sum is divided by.
package struct LabelLoss {
    package var task: ClassificationOptions.Task
    /// Of the classes; nil: all the same.
    package var weights: [Double]?
    package var smoothing = 0.0

    package init(_ task: ClassificationOptions.Task, weights: [Double]? = nil, smoothing: Double = 0) {
        (self.task, self.weights, self.smoothing) = (task, weights, smoothing)
    }

    /// What the sum over texts is divided by.
    /// - Parameter targets: the classes of each text, or of its tokens; negative where none is learnt.
    package func weight(of targets: [[Int32]]) -> Double {
        switch task {
        case .single, .tokens:
            targets.reduce(0) { $1.reduce($0) { $0 + ($1 < 0 ? 0 : weights?[Int($1)] ?? 1) } }
        case .multi, .regression, .score: Double(targets.count)
        }
    }

    /// - Parameters:
    ///   - logits: `[texts, labels]`, or of all tokens.
    ///   - numbers: of a regression or score, one for each text.
    package func sum(_ logits: Tensor, targets: [[Int32]], numbers: [Double]) throws -> Tensor {
        switch task {
        case .single, .tokens:
            let options = CrossEntropyOptions(ignored: LabelledData.ignored, smoothing: Float(smoothing))
            return try Loss.crossEntropy(
                logits, targets: targets.flatMap { $0 },
                classWeights: weights.map { (weights) throws(TensorError) in try Tensor(weights).to(logits.dtype) },
                options, reduction: .sum)
        case .multi:
            let labels = logits.shape[1]
            var wanted = [Float](repeating: 0, count: targets.count * labels)
            for (index, row) in targets.enumerated() {
                for target in row { wanted[index * labels + Int(target)] = 1 }
            }
            return try Loss.binaryCrossEntropy(
                logits, targets: Tensor(wanted, shape: [targets.count, labels]).to(logits.dtype), reduction: .sum)
                / Double(labels)
        case .regression:
            return try Loss.meanSquaredError(
                logits.reshape([numbers.count]), targets: Tensor(numbers).to(logits.dtype), reduction: .sum)
        case .score:
            return try Loss.binaryCrossEntropy(
                logits.reshape([numbers.count]), targets: Tensor(numbers).to(logits.dtype), reduction: .sum)
        }
    }
}

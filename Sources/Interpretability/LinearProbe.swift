#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A linear probe: whether a class can be read from activations by a plane. Softmax regression with an L2 penalty, trained
/// by accelerated gradient descent on standardised features, judged by k-fold cross-validation.
///
///     P(class | x) = softmax(W z + b),   z = (x − mean) / deviation
///
/// Source: Alain and Bengio 2016.
public struct LinearProbe: Sendable {
    public let classCount: Int
    /// `[classes][features]` on standardised features, and a bias for each class.
    public private(set) var weights: [[Double]]
    public private(set) var biases: [Double]
    private var means: [Double], deviations: [Double]

    /// - Throws: `InterpretabilityError` for rows of different widths, labels out of range, fewer than two classes.
    public init(
        _ rows: [[Float]], labels: [Int], classCount: Int? = nil, penalty: Double = 1e-3, steps: Int = 200
    ) throws(InterpretabilityError) {
        guard let width = rows.first?.count, width > 0, rows.allSatisfy({ $0.count == width }),
            rows.count == labels.count
        else { throw .badInput("a probe needs as many labels as rows, all of one width") }
        let classes = classCount ?? (labels.max() ?? -1) + 1
        guard classes > 1, labels.allSatisfy({ (0..<classes).contains($0) }) else {
            throw .badInput("a probe needs at least two classes, numbered from 0")
        }
        self.classCount = classes
        let count = Double(rows.count)
        let mean = (0..<width).map { column in rows.reduce(0) { $0 + Double($1[column]) } / count }
        let deviation = (0..<width).map { column in
            max((rows.reduce(0) { $0 + pow(Double($1[column]) - mean[column], 2) } / count).squareRoot(), 1e-8)
        }
        (means, deviations) = (mean, deviation)
        weights = [[Double]](repeating: [Double](repeating: 0, count: width), count: classes)
        biases = [Double](repeating: 0, count: classes)
        let scaled = rows.map { row in (0..<width).map { (Double(row[$0]) - mean[$0]) / deviation[$0] } }
        train(scaled, labels, penalty, steps)
    }

    /// Nesterov's method; the step follows from a bound of the curvature, ½ · the largest mean square of a row.
    private mutating func train(_ rows: [[Double]], _ labels: [Int], _ penalty: Double, _ steps: Int) {
        let width = means.count, count = Double(rows.count)
        let norm = rows.reduce(0) { $0 + $1.reduce(1) { $0 + $1 * $1 } } / count
        let rate = 1 / (0.5 * norm + penalty)
        var ahead = weights, aheadBias = biases, momentum = 1.0
        for _ in 0..<steps {
            var gradient = [[Double]](repeating: [Double](repeating: 0, count: width), count: classCount)
            var biasGradient = [Double](repeating: 0, count: classCount)
            for (row, label) in zip(rows, labels) {
                let shares = Self.softmax(Self.scores(row, ahead, aheadBias))
                for index in 0..<classCount {
                    let error = (shares[index] - (index == label ? 1 : 0)) / count
                    biasGradient[index] += error
                    for column in 0..<width { gradient[index][column] += error * row[column] }
                }
            }
            let next = (1 + (1 + 4 * momentum * momentum).squareRoot()) / 2, push = (momentum - 1) / next
            for index in 0..<classCount {
                for column in 0..<width {
                    let updated =
                        ahead[index][column] - rate * (gradient[index][column] + penalty * ahead[index][column])
                    ahead[index][column] = updated + push * (updated - weights[index][column])
                    weights[index][column] = updated
                }
                let updated = aheadBias[index] - rate * biasGradient[index]
                aheadBias[index] = updated + push * (updated - biases[index])
                biases[index] = updated
            }
            momentum = next
        }
    }

    private static func scores(_ row: [Double], _ weights: [[Double]], _ biases: [Double]) -> [Double] {
        zip(weights, biases).map { own, bias in zip(own, row).reduce(bias) { $0 + $1.0 * $1.1 } }
    }

    private static func softmax(_ scores: [Double]) -> [Double] {
        let most = scores.max() ?? 0, powers = scores.map { exp($0 - most) }, sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }

    /// The most probable class of a row.
    public func callAsFunction(_ row: [Float]) -> Int {
        let scaled = row.indices.map { (Double(row[$0]) - means[$0]) / deviations[$0] }
        let scores = Self.scores(scaled, weights, biases)
        return scores.indices.reduce(0) { scores[$1] > scores[$0] ? $1 : $0 }
    }

    /// What cross-validation says of a probe.
    public struct Validation: Sendable {
        /// Of each fold.
        public var accuracies: [Double]
        /// The share of the commonest class: what a probe that sees nothing reaches.
        public var baseline: Double
        public var mean: Double { accuracies.reduce(0, +) / Double(max(accuracies.count, 1)) }
        /// Of the mean: s / √folds.
        public var standardError: Double {
            guard accuracies.count > 1 else { return .nan }
            let sum = accuracies.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            return (sum / Double(accuracies.count - 1) / Double(accuracies.count)).squareRoot()
        }
    }

    /// Trains on all folds but one and is judged on that one, for each; row i belongs to fold i mod k within its class, so
    /// that every fold has every class.
    public static func validate(
        _ rows: [[Float]], labels: [Int], folds: Int = 5, penalty: Double = 1e-3, steps: Int = 200
    ) throws(InterpretabilityError) -> Validation {
        guard rows.count == labels.count, folds > 1, rows.count >= 2 * folds else {
            throw .badInput("\(folds) folds need at least \(2 * folds) labelled rows; there are \(rows.count)")
        }
        var counts: [Int: Int] = [:], fold: [Int] = []
        for label in labels {
            fold.append(counts[label, default: 0] % folds)
            counts[label, default: 0] += 1
        }
        let classes = (labels.max() ?? 0) + 1
        var accuracies: [Double] = []
        for held in 0..<folds {
            let own = rows.indices.filter { fold[$0] == held }, others = rows.indices.filter { fold[$0] != held }
            guard !own.isEmpty else { continue }
            let probe = try LinearProbe(
                others.map { rows[$0] }, labels: others.map { labels[$0] }, classCount: classes, penalty: penalty,
                steps: steps)
            accuracies.append(Double(own.count { probe(rows[$0]) == labels[$0] }) / Double(own.count))
        }
        let most = counts.values.max() ?? 0
        return Validation(accuracies: accuracies, baseline: Double(most) / Double(rows.count))
    }
}

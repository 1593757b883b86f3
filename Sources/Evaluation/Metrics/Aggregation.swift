#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletTensor

/// How the values of the rows become one number, and how far that number may be off.
///
/// Means have the standard error s / √n with s² = Σ (x − x̄)² / (n − 1); other statistics the deviation of their values
/// on bootstrap samples, drawn as lm-evaluation-harness draws them (chunks of 1000, seeded by their number).
package enum Aggregation: String, Sendable {
    case mean, median, perplexity, f1, bleu, chrf, ter
    case nanMean = "nanmean"
    case weightedPerplexity = "weighted_perplexity"
    /// Σ first / Σ second: instructions followed of all, where a row has several.
    case ratio = "agg_inst_level_acc"
    case bitsPerByte = "bits_per_byte"
    case matthews = "matthews_corrcoef"
    case chrfWords = "chrf++"
    case brier = "brier_score"

    private static let ofNumbers: Set<Aggregation> = [.mean, .median, .nanMean, .perplexity]
    private static let ofWeights: Set<Aggregation> = [.weightedPerplexity, .bitsPerByte, .ratio]
    private static let ofTexts: Set<Aggregation> = [.bleu, .chrf, .chrfWords, .ter]

    /// Whether it takes the values that another one takes.
    func takes(_ other: Aggregation) -> Bool {
        self == other || (Self.ofNumbers.contains(self) && Self.ofNumbers.contains(other))
            || (Self.ofWeights.contains(self) && Self.ofWeights.contains(other))
            || (Self.ofTexts.contains(self) && Self.ofTexts.contains(other))
    }

    package func value(_ values: [MetricValue]) -> Double {
        let statistic = Statistic(self, values)
        return statistic(Array(0..<Int32(values.count)))
    }

    /// Nil where there is no formula and the statistic is not bootstrapped.
    /// - Parameter iterations: bootstrap samples; fewer for the metrics of texts, 0 for no error at all.
    package func standardError(_ values: [MetricValue], iterations: Int) -> Double? {
        guard iterations > 0, values.count > 1 else { return nil }
        switch self {
        case .mean: return Self.meanError(values.map { if case .number(let value) = $0 { value } else { 0 } })
        case .weightedPerplexity, .bitsPerByte, .brier, .ratio: return nil
        case .bleu, .chrf, .chrfWords, .ter: return bootstrap(values, min(iterations, 100))
        case .median, .nanMean, .perplexity, .f1, .matthews: return bootstrap(values, iterations)
        }
    }

    static func meanError(_ values: [Double]) -> Double {
        sampleDeviation(values) / Double(values.count).squareRoot()
    }

    static func sampleDeviation(_ values: [Double]) -> Double {
        let mean = values.reduce(0, +) / Double(values.count)
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
    }

    private func bootstrap(_ values: [MetricValue], _ iterations: Int) -> Double {
        let statistic = Statistic(self, values)
        let chunk = min(1000, iterations), chunks = iterations / chunk
        var found = [Double](repeating: 0, count: chunk * chunks)
        found.withUnsafeMutableBufferPointer { found in
            ThreadPool.shared.run(chunks) { index in
                var random = PythonRandom(seed: index)
                var places = [Int32](repeating: 0, count: values.count)
                for draw in 0..<chunk {
                    random.choices(values.count, into: &places)
                    found[index * chunk + draw] = statistic(places)
                }
            }
        }
        return Self.sampleDeviation(found)
    }
}

/// A number of a multiset of rows, given by their places; what it needs of each row is worked out once.
package struct Statistic: Sendable {
    private let kind: Aggregation
    private var first: [Double] = [], second: [Double] = []
    private var counts: [[Double]] = []

    package init(_ kind: Aggregation, _ values: [MetricValue]) {
        self.kind = kind
        for value in values {
            switch value {
            case .number(let number): first.append(number)
            case .weighted(let sum, let weight):
                first.append(sum)
                second.append(weight)
            case .labels(let gold, let predicted):
                first.append(Double(gold))
                second.append(Double(predicted))
            case .probabilities(let gold, let probabilities):
                first.append(
                    probabilities.enumerated().reduce(0) { sum, entry in
                        let difference = entry.element - (entry.offset == gold ? 1 : 0)
                        return sum + difference * difference
                    })
            case .texts(let references, let reply):
                switch kind {
                case .chrf: counts.append(CharacterF.counts(reply, references, words: 0))
                case .chrfWords: counts.append(CharacterF.counts(reply, references, words: 2))
                case .ter: counts.append(TranslationEdits.counts(reply, references))
                default: counts.append(BLEU.counts(reply, references))
                }
            }
        }
    }

    package func callAsFunction(_ places: [Int32]) -> Double {
        let size = Double(places.count)
        func sum(_ values: [Double]) -> Double { places.reduce(0) { $0 + values[Int($1)] } }
        func total() -> [Double] {
            var total = [Double](repeating: 0, count: counts.first?.count ?? 0)
            for place in places {
                for (index, value) in counts[Int(place)].enumerated() { total[index] += value }
            }
            return total
        }
        switch kind {
        case .mean, .brier: return sum(first) / size
        case .median: return places.map { first[Int($0)] }.sorted()[places.count / 2]
        case .nanMean:
            let kept = places.map { first[Int($0)] }.filter { !$0.isNaN }
            return kept.isEmpty ? .nan : kept.reduce(0, +) / Double(kept.count)
        case .perplexity: return exp(-sum(first) / size)
        case .weightedPerplexity: return exp(-sum(first) / sum(second))
        case .ratio: return sum(first) / sum(second)
        case .bitsPerByte: return -(sum(first) / sum(second)) / log(2)
        case .f1:
            var hits = 0.0, golds = 0.0, predictions = 0.0
            for place in places {
                let gold = first[Int(place)] == 1, predicted = second[Int(place)] == 1
                if gold { golds += 1 }
                if predicted { predictions += 1 }
                if gold, predicted { hits += 1 }
            }
            return golds + predictions == 0 ? 0 : 2 * hits / (golds + predictions)
        case .matthews: return Self.matthews(places, first, second)
        case .bleu: return BLEU.score(total())
        case .chrf: return CharacterF.score(total(), words: 0)
        case .chrfWords: return CharacterF.score(total(), words: 2)
        case .ter: return TranslationEdits.score(total())
        }
    }

    /// The correlation of two labellings with any number of classes (Gorodkin 2004): 0 where one of them is constant.
    private static func matthews(_ places: [Int32], _ gold: [Double], _ predicted: [Double]) -> Double {
        var right = 0.0, golds: [Double: Double] = [:], predictions: [Double: Double] = [:]
        for place in places {
            let a = gold[Int(place)], b = predicted[Int(place)]
            golds[a, default: 0] += 1
            predictions[b, default: 0] += 1
            if a == b { right += 1 }
        }
        let count = Double(places.count)
        let both = golds.reduce(0) { $0 + $1.value * (predictions[$1.key] ?? 0) }
        let spread =
            (count * count - predictions.values.reduce(0) { $0 + $1 * $1 })
            * (count * count - golds.values.reduce(0) { $0 + $1 * $1 })
        return spread == 0 ? 0 : (right * count - both) / spread.squareRoot()
    }
}

import MartletModels
import MartletNN
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What the model would say if it ended after each layer: the final norm and the head over the residual stream.
///
/// With a `TunedLens`, its maps come before the norm.
///
/// Source: nostalgebraist 2020.
public struct LogitLens {
    public struct Guess: Sendable, Equatable {
        public var token: Int32
        public var probability: Double
    }

    /// By layer (the first is the embedding) and token: the most probable next tokens.
    public let guesses: [[[Guess]]]
    /// By layer, of the last token: log p of a token that is asked about.
    public let logProbabilities: [Double]?

    public init(
        _ probe: ModelProbe, _ tokens: [Int32], count: Int = 5, target: Int32? = nil, tuned: TunedLens? = nil
    ) throws {
        let names = Set(
            [ActivationName(layer: 0, .residualBefore)]
                + (0..<probe.layerCount).map { ActivationName(layer: $0, .residualAfter) })
        let pass = try probe.run(tokens, keeping: names)
        var guesses: [[[Guess]]] = [], logs: [Double] = []
        let sorted = names.sorted {
            ($0.layer, $0.part == .residualAfter ? 1 : 0) < ($1.layer, $1.part == .residualAfter ? 1 : 0)
        }
        for (index, name) in sorted.enumerated() {
            let logits = try noGrad {
                let stream = try pass(name).copied()  // [tokens, hidden]
                // After the last layer there is nothing to foresee.
                guard let tuned, index < probe.layerCount else { return try probe.decoder.logits(ofResidual: stream) }
                return try probe.decoder.logits(ofResidual: tuned.translated(stream, index))
            }
            let values: [Float] = try logits.toArray(), size = logits.shape[1]
            var rows: [[Guess]] = []
            for row in tokens.indices {
                let own = values[row * size..<(row + 1) * size]
                let most = own.max() ?? 0, sum = own.reduce(0.0) { $0 + exp(Double($1 - most)) }
                rows.append(
                    Self.largest(own, count).map {
                        Guess(token: Int32($0), probability: exp(Double(own[own.startIndex + $0] - most)) / sum)
                    })
                if row == tokens.count - 1, let target, (0..<size).contains(Int(target)) {
                    logs.append(Double(own[own.startIndex + Int(target)] - most) - log(sum))
                }
            }
            guesses.append(rows)
        }
        self.guesses = guesses
        logProbabilities = target == nil ? nil : logs
    }

    /// The most probable tokens by a row of logits, best first.
    public static func best(_ logits: [Float], _ count: Int) -> [Guess] {
        let most = logits.max() ?? 0, sum = logits.reduce(0.0) { $0 + exp(Double($1 - most)) }
        return largest(logits[...], count).map {
            Guess(token: Int32($0), probability: exp(Double(logits[$0] - most)) / sum)
        }
    }

    /// Places of the largest values, the first among equals first.
    static func largest(_ values: ArraySlice<Float>, _ count: Int) -> [Int] {
        var best: [Int] = []
        for index in values.indices where best.count < count || values[index] > values[best[best.count - 1]] {
            let place = best.firstIndex { values[$0] < values[index] } ?? best.count
            best.insert(index, at: place)
            if best.count > count { best.removeLast() }
        }
        return best.map { $0 - values.startIndex }
    }
}

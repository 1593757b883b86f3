import MartletFormats
import MartletNN
import MartletTensor

/// A sparse autoencoder: activations as sums of few directions out of many.
///
///     f = ReLU((x − b_dec) W_enc + b_enc),   x̂ = f W_dec + b_dec,   loss = |x − x̂|² / d + λ Σ fᵢ |W_dec,i|
///
/// Inputs are scaled so that their mean square is 1. The penalty with the norms of the directions cannot be evaded by making
/// features small and directions large.
///
/// Source: Bricken et al. 2023; Templeton et al. 2024 (the penalty).
public final class SparseAutoencoder {
    public struct Options: Sendable {
        public var features = 256
        public var penalty = 0.05
        public var learningRate = 1e-3
        public var batch = 256
        public var steps = 1000
        public var seed = 1234
        public init() {}
    }

    /// What it says of activations it was not trained on, or of those it was.
    public struct Report: Sendable, Equatable {
        /// 1 − Σ |x − x̂|² / Σ |x − mean|².
        public var explainedVariance: Double
        /// Mean number of features that are not 0.
        public var activeFeatures: Double
        /// The share of features that are 0 for every row.
        public var deadShare: Double
        public var rows: Int
    }

    public let options: Options
    public let width: Int
    public let encoder, encoderBias, decoder, decoderBias: Tensor
    /// What inputs are divided by.
    public private(set) var scale: Float = 1

    public init(width: Int, _ options: Options = .init()) throws {
        guard width > 0, options.features > 0, options.batch > 0, options.steps >= 0, options.learningRate > 0,
            options.penalty >= 0
        else { throw InterpretabilityError.badInput("width, features, batch and learning rate are above 0") }
        (self.width, self.options) = (width, options)
        // Random directions of length 1, read back by their own transposes.
        var state = UInt64(bitPattern: Int64(options.seed)) &* 0x9E37_79B9_7F4A_7C15 | 1
        var rows: [Float] = []
        rows.reserveCapacity(width * options.features)
        for _ in 0..<options.features {
            let row = (0..<width).map { _ in Self.uniform(&state) }
            let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            rows += row.map { $0 / max(length, 1e-6) }
        }
        let directions = try Tensor(rows, shape: [options.features, width])
        decoder = try directions.copied().requiringGrad()
        encoder = try directions.transpose(0, 1).contiguous().copied().requiringGrad()
        encoderBias = try Tensor.zeros([options.features]).requiringGrad()
        decoderBias = try Tensor.zeros([width]).requiringGrad()
    }

    private static func uniform(_ state: inout UInt64) -> Float {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Float(state >> 40) / Float(1 << 24) * 2 - 1
    }

    /// Trains on rows `[rows][width]`, drawn in a fixed order.
    /// - Throws: `InterpretabilityError` for rows of another width; `CancellationError`.
    public func train(
        _ rows: [[Float]], isCancelled: () -> Bool = { false }, progress: (Int, Double) -> Void = { _, _ in }
    ) throws {
        guard !rows.isEmpty, rows.allSatisfy({ $0.count == width }) else {
            throw InterpretabilityError.badInput("an autoencoder of width \(width) is trained on rows of that width")
        }
        let square = rows.reduce(0.0) { $0 + $1.reduce(0.0) { $0 + Double($1) * Double($1) } }
        scale = Float(max((square / Double(rows.count * width)).squareRoot(), 1e-12))
        let parameters = [
            Parameter(name: "encoder", role: .weight, tensor: encoder),
            Parameter(name: "encoder_bias", role: .bias, tensor: encoderBias),
            Parameter(name: "decoder", role: .weight, tensor: decoder),
            Parameter(name: "decoder_bias", role: .bias, tensor: decoderBias),
        ]
        let optimizer = AdamW([ParameterGroup(parameters, weightDecay: 0)], beta2: 0.999)
        var state = UInt64(bitPattern: Int64(options.seed)) &* 0xD134_2543_DE82_EF95 | 1
        for step in 0..<options.steps {
            if isCancelled() { throw CancellationError() }
            let batch = (0..<min(options.batch, rows.count)).flatMap { _ -> [Float] in
                let place = Int((Self.uniform(&state) + 1) / 2 * Float(rows.count))
                return rows[min(max(place, 0), rows.count - 1)].map { $0 / scale }
            }
            let x = try Tensor(batch, shape: [batch.count / width, width])  // [rows, width]
            let (features, guess) = try pass(x)
            let error = try (guess - x).square().sum() * (1 / Double(width * x.shape[0]))
            let lengths = try decoder.square().sum(axes: [1]).sqrt()  // [features]
            let weight = try (features * lengths).sum() * (options.penalty / Double(x.shape[0] * width))
            let loss = try error + weight
            try loss.backward()
            // A warm-up of a tenth: features that die in the first steps stay dead.
            let warm = min(1, Double(step + 1) / Double(max(options.steps / 10, 1)))
            try optimizer.step(learningRate: options.learningRate * warm)
            parameters.clearGradients()
            progress(step + 1, try loss.item(as: Double.self))
        }
    }

    /// Features `[rows, features]` and reconstructions `[rows, width]` of scaled inputs.
    private func pass(_ x: Tensor) throws -> (Tensor, Tensor) {
        let features = try ((x - decoderBias).matmul(encoder) + encoderBias).relu()  // [rows, features]
        return (features, try features.matmul(decoder) + decoderBias)
    }

    /// The features of some rows.
    public func features(_ rows: [[Float]]) throws -> [[Float]] {
        try noGrad {
            let x = try Tensor(rows.flatMap { $0.map { $0 / scale } }, shape: [rows.count, width])
            let values: [Float] = try pass(x).0.toArray()
            return rows.indices.map { Array(values[$0 * options.features..<($0 + 1) * options.features]) }
        }
    }

    public func report(_ rows: [[Float]]) throws -> Report {
        var mean = [Double](repeating: 0, count: width)
        for row in rows { for (index, value) in row.enumerated() { mean[index] += Double(value) / Double(rows.count) } }
        var missed = 0.0, spread = 0.0, active = 0
        var isAlive = [Bool](repeating: false, count: options.features)
        for start in stride(from: 0, to: rows.count, by: 512) {
            let part = Array(rows[start..<min(start + 512, rows.count)])
            let (features, guesses): ([Float], [Float]) = try noGrad {
                let x = try Tensor(part.flatMap { $0.map { $0 / scale } }, shape: [part.count, width])
                let (features, guess) = try pass(x)
                return (try features.toArray(), try guess.toArray())
            }
            for (index, value) in features.enumerated() where value > 0 {
                active += 1
                isAlive[index % options.features] = true
            }
            for (row, values) in part.enumerated() {
                for (column, value) in values.enumerated() {
                    let difference = Double(value) - Double(guesses[row * width + column] * scale)
                    missed += difference * difference
                    spread += (Double(value) - mean[column]) * (Double(value) - mean[column])
                }
            }
        }
        return Report(
            explainedVariance: 1 - missed / max(spread, 1e-30),
            activeFeatures: Double(active) / Double(max(rows.count, 1)),
            deadShare: Double(isAlive.count { !$0 }) / Double(options.features), rows: rows.count)
    }

    /// The rows with the largest values of each feature, largest first; dead features have none.
    public func topRows(_ rows: [[Float]], count: Int = 8) throws -> [[(row: Int, value: Float)]] {
        var best = [[(row: Int, value: Float)]](repeating: [], count: options.features)
        for start in stride(from: 0, to: rows.count, by: 512) {
            for (offset, values) in try features(Array(rows[start..<min(start + 512, rows.count)])).enumerated() {
                for (feature, value) in values.enumerated()
                where value > 0 && (best[feature].count < count || value > best[feature][count - 1].value) {
                    let place = best[feature].firstIndex { $0.value < value } ?? best[feature].count
                    best[feature].insert((start + offset, value), at: place)
                    if best[feature].count > count { best[feature].removeLast() }
                }
            }
        }
        return best
    }

    /// Writes weights and scale as safetensors, in the names that other programs use (`W_enc`, `b_enc`, `W_dec`, `b_dec`).
    public func write(to path: String) throws {
        try SafetensorsWriter.write(
            [
                ("W_enc", encoder.detach()), ("b_enc", encoderBias.detach()), ("W_dec", decoder.detach()),
                ("b_dec", decoderBias.detach()), ("scale", try Tensor([scale], shape: [1])),
            ], to: path)
    }
}

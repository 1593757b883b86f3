import MartletFormats
import MartletNN
import MartletSystem
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

    /// The learning rate's warm-up is a tenth of the steps: features that die in the first ones stay dead.
    private func learningRate(_ step: Int) -> Double {
        options.learningRate * min(1, Double(step + 1) / Double(max(options.steps / 10, 1)))
    }

    /// Trains on rows in a random order, the same every time: each comes once before one comes again.
    /// - Parameters:
    ///   - rows: `[rows, width]`.
    ///   - places: the rows that are trained on; all where left out.
    ///   - folder: keeps the state of the training, from which it goes on, bit for bit as without a stop.
    /// - Throws: `InterpretabilityError` for rows of another width; `CancellationError`.
    public func train(
        _ rows: Tensor, of places: [Int]? = nil, keepingIn folder: FeatureFolder? = nil,
        isCancelled: () -> Bool = { false }, progress: (Int, Double) -> Void = { _, _ in }
    ) throws {
        var order = try checked(rows, places)
        guard !order.isEmpty else {
            throw InterpretabilityError.badInput("an autoencoder is trained on at least one row")
        }
        let parameters = [
            Parameter(name: "encoder", role: .weight, tensor: encoder),
            Parameter(name: "encoder_bias", role: .bias, tensor: encoderBias),
            Parameter(name: "decoder", role: .weight, tensor: decoder),
            Parameter(name: "decoder_bias", role: .bias, tensor: decoderBias),
        ]
        let optimizer = AdamW([ParameterGroup(parameters, weightDecay: 0)], beta2: 0.999)
        let done = try folder?.restore(self, optimizer) ?? 0
        if done == 0 {
            var square = 0.0
            try Self.inParts(of: order) { square += try rows.gatheredRows($0).square().sum().item(as: Double.self) }
            scale = Float(max((square / Double(order.count * width)).squareRoot(), 1e-12))
        }
        var random = RandomStream(seed: UInt64(bitPattern: Int64(options.seed)), stream: 1), next = order.count
        let count = min(options.batch, order.count)
        for step in 0..<options.steps {
            // The order of the rows follows from the seed: steps that were taken before draw theirs again.
            if next + count > order.count {
                for place in order.indices.dropLast() {
                    order.swapAt(place, place + random.nextIndex(below: order.count - place))
                }
                next = 0
            }
            next += count
            guard step >= done else { continue }
            if isCancelled() {
                if step > done { try folder?.save(self, optimizer, step: step) }
                throw CancellationError()
            }
            let x = try rows.gatheredRows(Array(order[next - count..<next])) * (1 / scale)  // [rows, width]
            let (features, guess) = try pass(x)
            let error = try (guess - x).square().sum() * (1 / Double(width * count))
            let lengths = try decoder.square().sum(axes: [1]).sqrt()  // [features]
            let weight = try (features.sum(axes: [0]) * lengths).sum() * (options.penalty / Double(count * width))
            let loss = try error + weight
            try loss.backward()
            try optimizer.step(learningRate: learningRate(step))
            parameters.clearGradients()
            progress(step + 1, try loss.item(as: Double.self))
            if (step + 1) % FeatureFolder.stepsBetween == 0 || step + 1 == options.steps {
                try folder?.save(self, optimizer, step: step + 1)
            }
        }
    }

    /// Features `[rows, features]` and reconstructions `[rows, width]` of scaled inputs.
    private func pass(_ x: Tensor) throws -> (Tensor, Tensor) {
        let features = try features(ofScaled: x)  // [rows, features]
        return (features, try features.matmul(decoder) + decoderBias)
    }

    private func features(ofScaled x: Tensor) throws -> Tensor {
        try ((x - decoderBias).matmul(encoder) + encoderBias).relu()  // [rows, features]
    }

    /// The features of rows `[rows, width]`: `[rows, features]`.
    public func features(_ rows: Tensor) throws -> Tensor {
        _ = try checked(rows, [])
        return try noGrad { try features(ofScaled: rows * (1 / scale)) }
    }

    /// - Parameters:
    ///   - rows: `[rows, width]`.
    ///   - places: the rows that it is about; all where left out.
    public func report(_ rows: Tensor, of places: [Int]? = nil) throws -> Report {
        let places = try checked(rows, places)
        var sums = [Double](repeating: 0, count: width)
        try Self.inParts(of: places) { part in
            let some: [Float] = try rows.gatheredRows(part).sum(axes: [0]).toArray()
            for (column, value) in some.enumerated() { sums[column] += Double(value) }
        }
        let mean = try Tensor(sums.map { Float($0 / Double(max(places.count, 1))) }, shape: [1, width])
        var missed = 0.0, spread = 0.0, active = 0
        var isAlive = [Bool](repeating: false, count: options.features)
        try noGrad {
            try Self.inParts(of: places) { part in
                let x = rows.gatheredRows(part)  // [part, width]
                let (features, guess) = try pass(x * (1 / scale))
                missed += try (guess * scale - x).square().sum().item(as: Double.self)
                spread += try (x - mean).square().sum().item(as: Double.self)
                try features.withHostValues { values in
                    for start in stride(from: 0, to: values.count, by: options.features) {
                        for feature in 0..<options.features where values[start + feature] > 0 {
                            active += 1
                            isAlive[feature] = true
                        }
                    }
                }
            }
        }
        return Report(
            explainedVariance: 1 - missed / max(spread, 1e-30),
            activeFeatures: Double(active) / Double(max(places.count, 1)),
            deadShare: Double(isAlive.count { !$0 }) / Double(options.features), rows: places.count)
    }

    /// How a feature is used by some rows.
    public struct FeatureUse: Sendable {
        /// The rows in which it is not 0.
        public var count = 0
        /// Those where it is largest, largest first; the earlier one among equals.
        public var top: [(row: Int, value: Float)] = []
    }

    /// Of each feature, how many rows `[rows, width]` have it and which most; a dead one has none.
    public func uses(_ rows: Tensor, examples: Int = 8, isCancelled: () -> Bool = { false }) throws -> [FeatureUse] {
        let places = try checked(rows, nil)
        var uses = [FeatureUse](repeating: FeatureUse(), count: options.features)
        try Self.inParts(of: places) { part in
            if isCancelled() { throw CancellationError() }
            try features(rows.gatheredRows(part)).withHostValues { values in
                for (offset, row) in part.enumerated() {
                    let start = offset * options.features
                    for feature in 0..<options.features where values[start + feature] > 0 {
                        uses[feature].add(row, values[start + feature], most: examples)
                    }
                }
            }
        }
        return uses
    }

    /// The places of rows, some of which are meant.
    private func checked(_ rows: Tensor, _ places: [Int]?) throws -> [Int] {
        guard rows.rank == 2, rows.shape[1] == width, rows.dtype == .float32, rows.isContiguous else {
            throw InterpretabilityError.badInput(
                "an autoencoder of width \(width) takes float32 rows of that width, not \(rows.shape)")
        }
        guard let places else { return Array(0..<rows.shape[0]) }
        if let wrong = places.first(where: { !(0..<rows.shape[0]).contains($0) }) {
            throw InterpretabilityError.badInput("row \(wrong) is not one of \(rows.shape[0])")
        }
        return places
    }

    /// A thousand rows at a time: enough to fill the products, few enough to bound memory.
    private static func inParts(of places: [Int], _ body: ([Int]) throws -> Void) rethrows {
        for start in stride(from: 0, to: places.count, by: 1024) {
            try body(Array(places[start..<min(start + 1024, places.count)]))
        }
    }

    /// Writes weights and scale as safetensors, in the names that other programs use (`W_enc`, `b_enc`, `W_dec`, `b_dec`).
    public func write(to path: String) throws {
        try SafetensorsWriter.write(weights(), to: path)
    }

    func weights() throws -> [(String, Tensor)] {
        [
            ("W_enc", encoder.detach()), ("b_enc", encoderBias.detach()), ("W_dec", decoder.detach()),
            ("b_dec", decoderBias.detach()), ("scale", try Tensor([scale], shape: [1])),
        ]
    }

    /// Takes the weights and the scale of a file that `write` wrote.
    /// - Throws: `InterpretabilityError` for tensors of other shapes; `FormatError` for missing ones.
    func take(_ file: SafetensorsFile) throws {
        for (name, own) in try weights() {
            let stored = try file.tensor(name)
            guard stored.shape == own.shape, stored.dtype == .float32 else {
                throw InterpretabilityError.badInput(
                    "\(name) in \(file.path.quoted()) is \(stored.shape) of \(stored.dtype.name), expected float32 "
                        + "\(own.shape)")
            }
            if name == "scale" { scale = try stored.item(as: Float.self) } else { try own.copy(from: stored) }
        }
    }
}

extension SparseAutoencoder.FeatureUse {
    fileprivate mutating func add(_ row: Int, _ value: Float, most: Int) {
        count += 1
        guard top.count < most || value > (top.last?.value ?? .infinity) else { return }
        top.insert((row, value), at: top.firstIndex { $0.value < value } ?? top.count)
        if top.count > most { top.removeLast() }
    }
}

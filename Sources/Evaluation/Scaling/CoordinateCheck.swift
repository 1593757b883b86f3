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

/// The coordinate check of a parametrisation: models of several widths are trained for a few steps at one learning rate, and
/// the size of what their activations change by is followed. In the maximal update parametrisation (muP) it does not depend
/// on the width; in the standard one, logits change the more the wider a model is.
///
/// Adam, after Yang et al. 2022, table 3:
///
/// | | embedding | inner matrices | head |
/// |---|---|---|---|
/// | deviation of initial values | 1 | 1 / √in | standard 1 / √in; muP 0 |
/// | learning rate | η | standard η; muP η · base / width | the same |
///
/// Attention heads have a fixed dimension. Scales of norms keep η. The output head of muP begins at 0, as its appendix D.2
/// recommends: with √base / in, small widths show the change that their initial head makes of changed residuals.
///
/// Source: Yang et al. 2022, "Tensor Programs V", appendix D.1.
public struct CoordinateCheck: Sendable {
    public enum Parametrization: String, Sendable, CaseIterable { case standard, mup }

    public struct Options: Sendable {
        public var widths = [64, 128, 256, 512]
        public var layers = 2
        public var steps = 4
        public var learningRate = 0.001
        public var vocabulary = 128
        public var tokens = 128
        public var seed: UInt64 = 1
        public init() {}
    }

    public let parametrization: Parametrization
    public let widths: [Int]
    /// Of each activation (`layers.0`, …, `logits`) and width: the root mean square of its change since step 0, after every
    /// step.
    public let changes: [(name: String, sizes: [[Double]])]
    /// The exponent of the change in the width after the last step, by activation: near 0 where it does not depend on it.
    public let exponents: [(name: String, exponent: Double)]
    /// Loss by width that the last step began with.
    public let losses: [Double]

    /// - Throws: `EvaluationError` for widths or numbers that cannot be; `CancellationError`.
    public init(
        _ parametrization: Parametrization, _ options: Options = .init(), isCancelled: () -> Bool = { false },
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        let widths = options.widths.sorted()
        guard widths.count > 1, Set(widths).count == widths.count, widths.allSatisfy({ $0 >= 16 && $0 % 16 == 0 })
        else {
            throw EvaluationError("scaling", field: "--widths", "two widths or more, each a multiple of 16")
        }
        guard options.layers > 0, options.steps > 0, options.learningRate > 0, options.vocabulary > 3,
            options.tokens > 3
        else { throw EvaluationError("scaling", "layers, steps and learning rate are above 0") }
        self.parametrization = parametrization
        self.widths = widths
        let names = (0..<options.layers).map { "layers.\($0)" } + ["logits"]
        var sizes = names.map { _ in [[Double]]() }, losses: [Double] = []
        for (index, width) in widths.enumerated() {
            let found = try Self.train(width, base: widths[0], parametrization, options, isCancelled)
            for place in names.indices { sizes[place].append(found.changes.map { $0[place] }) }
            losses.append(found.loss)
            progress(index + 1, widths.count)
        }
        changes = zip(names, sizes).map { ($0, $1) }
        self.losses = losses
        exponents = changes.map { name, sizes in
            let law = PowerLaw(zip(widths, sizes).map { (Double($0), $1.last ?? 0) })
            return (name, law?.exponent ?? .nan)
        }
    }

    /// The change of every activation after every step, and the loss that the last step began with.
    private static func train(
        _ width: Int, base: Int, _ kind: Parametrization, _ options: Options, _ isCancelled: () -> Bool
    ) throws -> (changes: [[Double]], loss: Double) {
        let layer = LayerSpec(
            norm: NormSpec(epsilon: 1e-6), attention: AttentionSpec(heads: width / 16, headDimension: 16),
            feedForward: FeedForwardSpec(size: 2 * width, activation: .silu))
        let spec = DecoderConfiguration(
            family: "llama", vocabularySize: options.vocabulary, hiddenSize: width, contextLength: options.tokens,
            layerCount: options.layers, layer: layer, tiedEmbeddings: false)
        let source = TrainableParameters(WidthSource(isMaximal: kind == .mup, seed: options.seed))
        let decoder = Decoder(source, spec)
        try source.finish()
        let wide = source.parameters.filter { $0.role == .weight || $0.role == .residualWeight }
        let others = source.parameters.filter { $0.role != .weight && $0.role != .residualWeight }
        let optimizer = AdamW([
            ParameterGroup(wide, rate: kind == .mup ? Double(base) / Double(width) : 1), ParameterGroup(others),
        ])
        // A text with a pattern, the same for all widths.
        var state = options.seed &* 2 &+ 1
        let text = (0..<options.tokens).map { place -> Int32 in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let noise = Int(state >> 33)
            return Int32((place % 3 == 2 ? place : noise) % options.vocabulary)
        }
        let sites = Set(0..<options.layers)
        func look() throws -> [[Float]] {
            try noGrad {
                let record = PassRecord(residualsAfter: sites)
                let hidden = try decoder.hiddenStates(text, Pass(.whole([0..<text.count]), record: record))
                let streams = try (0..<options.layers).map { layer -> [Float] in
                    try record.residuals[layer]?.toArray() ?? []
                }
                return streams + [try decoder.logits(hidden).toArray()]
            }
        }
        let first = try look()
        var changes: [[Double]] = [], last = 0.0
        for _ in 0..<options.steps {
            if isCancelled() { throw CancellationError() }
            let loss = try decoder.loss(text, labels: text)
            try loss.backward()
            try optimizer.step(learningRate: options.learningRate)
            source.parameters.clearGradients()
            last = try loss.item(as: Double.self)
            changes.append(
                zip(first, try look()).map { before, after in
                    let sum = zip(before, after).reduce(0.0) { $0 + Double($1.1 - $1.0) * Double($1.1 - $1.0) }
                    return (sum / Double(max(before.count, 1))).squareRoot()
                })
        }
        return (changes, last)
    }
}

/// Initial values by the table of `CoordinateCheck`.
private final class WidthSource: ParameterSource {
    private let isMaximal: Bool
    private let unit: Initializer

    init(isMaximal: Bool, seed: UInt64) {
        self.isMaximal = isMaximal
        unit = Initializer(.normal(deviation: 1, layers: 0), seed: seed)
    }

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        // `residualWeight` would be scaled by the number of layers.
        let isMatrix = role == .weight || role == .residualWeight
        let value = unit.parameter(name, shape: shape, role: isMatrix ? .weight : role)
        guard isMatrix, shape.count == 2 else { return value }
        let fanIn = Double(shape[1])
        let deviation = name.hasPrefix("lm_head") && isMaximal ? 0 : 1 / fanIn.squareRoot()
        // A product with a number fails for no tensor of floats.
        return (try? value * deviation) ?? value
    }
}

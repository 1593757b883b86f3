import MartletFormats
import MartletInference
import MartletModels
import MartletNN
import MartletTensor

/// A tuned lens: for each layer an affine map of the residual stream, trained so that what the final norm and the head make
/// of it comes near what the model says in the end.
///
///     lens_l(h) = head(norm(h + h A_l + b_l)),   loss = KL(p_final ‖ p_lens)
///
/// A and b begin at 0, where it is the logit lens. Unlike the paper's (SGD with Nesterov momentum), it is trained by Adam.
///
/// ```swift
/// let lens = try TunedLens(model, tokens: tokens, .init())
/// let seen = try LogitLens(ModelProbe(model), prompt, tuned: lens)
/// try lens.write(to: "lens.safetensors")
/// ```
///
/// Source: Belrose et al. 2023, "Eliciting Latent Predictions from Transformers with the Tuned Lens".
public final class TunedLens {
    public struct Options: Sendable {
        /// Passes over pieces of text, each of which changes every layer's map once.
        public var steps = 200
        /// Tokens of a piece.
        public var piece = 64
        public var learningRate = 1e-3
        public init() {}
    }

    /// The divergence in nats from what the model says, on pieces that nothing was trained on: of the logit lens and of the
    /// tuned one.
    public struct Report: Sendable, Equatable {
        /// By layer; the first is the embedding, the last layer is left out, since it is what the model says.
        public var logitLens: [Double], tuned: [Double]
        public var tokens: Int
    }

    public let width: Int
    /// `[hidden, hidden]` and `[hidden]` by layer; the first is of the embedding.
    public let maps: [(weight: Tensor, bias: Tensor)]
    public private(set) var report = Report(logitLens: [], tuned: [], tokens: 0)

    private init(width: Int, _ maps: [(weight: Tensor, bias: Tensor)]) { (self.width, self.maps) = (width, maps) }

    /// Trains on a text; every tenth piece is held out for the report.
    /// - Throws: `InterpretabilityError` for a text of less than ten pieces; `CancellationError`.
    public convenience init(
        _ model: LanguageModel, tokens: [Int32], _ options: Options = .init(), isCancelled: () -> Bool = { false },
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        let piece = min(options.piece, model.configuration.contextLength, ModelProbe.tokenLimit)
        guard piece > 1, options.steps >= 0, options.learningRate > 0 else {
            throw InterpretabilityError.badInput("a lens is trained on pieces of 2 tokens or more, at a rate above 0")
        }
        let pieces = tokens.count / piece
        guard pieces >= 10 else {
            throw InterpretabilityError.badInput(
                "\(tokens.count) tokens are too few for a lens; at least \(10 * piece) are needed")
        }
        let probe = ModelProbe(model), width = model.configuration.hiddenSize
        self.init(
            width: width,
            try (0..<probe.layerCount).map { _ in
                (
                    try Tensor.zeros([width, width]).requiringGrad(), try Tensor.zeros([width]).requiringGrad()
                )
            })
        let parameters = maps.enumerated().flatMap { layer, map in
            [
                Parameter(name: "\(layer).weight", role: .weight, tensor: map.weight),
                Parameter(name: "\(layer).bias", role: .bias, tensor: map.bias),
            ]
        }
        let optimizer = AdamW([ParameterGroup(parameters, weightDecay: 0)], beta2: 0.999)
        func text(_ index: Int) -> [Int32] { Array(tokens[index * piece..<(index + 1) * piece]) }
        let taught = (0..<pieces).filter { $0 % 10 != 9 }
        for step in 0..<options.steps {
            if isCancelled() { throw CancellationError() }
            let (streams, wanted) = try Self.streams(probe, text(taught[step % taught.count]))
            for (layer, stream) in streams.enumerated() {
                try divergence(probe.decoder, stream, layer, from: wanted, tuned: true).backward()
            }
            // A warm-up, and down to a tenth at the end.
            let share = Double(step) / Double(options.steps)
            let rate = options.learningRate * min(1, Double(step + 1) / 10) * (1 - 0.9 * share)
            try optimizer.step(learningRate: rate)
            parameters.clearGradients()
            progress(step + 1, options.steps)
        }
        var sums = (plain: [Double](repeating: 0, count: maps.count), tuned: [Double](repeating: 0, count: maps.count))
        let held = (0..<pieces).filter { $0 % 10 == 9 }.prefix(8)
        for index in held {
            if isCancelled() { throw CancellationError() }
            try noGrad {
                let (streams, wanted) = try Self.streams(probe, text(index))
                for (layer, stream) in streams.enumerated() {
                    let plain = try divergence(probe.decoder, stream, layer, from: wanted, tuned: false)
                    let tuned = try divergence(probe.decoder, stream, layer, from: wanted, tuned: true)
                    sums.plain[layer] += try plain.item(as: Double.self) / Double(held.count)
                    sums.tuned[layer] += try tuned.item(as: Double.self) / Double(held.count)
                }
            }
        }
        report = Report(logitLens: sums.plain, tuned: sums.tuned, tokens: held.count * piece)
    }

    /// The residual stream before the first layer and after each but the last, and log p of what the model says.
    private static func streams(_ probe: ModelProbe, _ tokens: [Int32]) throws -> ([Tensor], Tensor) {
        let names =
            [ActivationName(layer: 0, .residualBefore)]
            + (0..<(probe.layerCount - 1)).map { ActivationName(layer: $0, .residualAfter) }
        let pass = try probe.run(tokens, keeping: Set(names))
        return (try names.map { try pass($0) }, try noGrad { try pass.logits.logSoftmax(axis: 1) })
    }

    /// KL(p_final ‖ p_lens), a mean over the tokens.
    private func divergence(
        _ decoder: Decoder, _ stream: Tensor, _ layer: Int, from wanted: Tensor, tuned: Bool
    ) throws -> Tensor {
        let x = tuned ? try translated(stream, layer) : stream.copied()  // [tokens, hidden]
        let seen = try decoder.logits(ofResidual: x).logSoftmax(axis: 1)  // [tokens, vocabulary]
        return try (wanted.exp() * (wanted - seen)).sum() * (1 / Double(stream.shape[0]))
    }

    /// h + h A + b of the stream before the first layer (0) or after layer `index − 1`: `[tokens, hidden]`.
    func translated(_ stream: Tensor, _ index: Int) throws -> Tensor {
        guard maps.indices.contains(index), stream.rank == 2, stream.shape[1] == width else {
            throw InterpretabilityError.badInput(
                "the lens is of \(maps.count) layers of width \(width), not of this model")
        }
        return try stream + stream.matmul(maps[index].weight) + maps[index].bias
    }

    /// Writes the maps as `layers.L.weight` and `layers.L.bias`.
    public func write(to path: String) throws {
        try SafetensorsWriter.write(
            maps.enumerated().flatMap { layer, map in
                [("layers.\(layer).weight", map.weight.detach()), ("layers.\(layer).bias", map.bias.detach())]
            }, to: path)
    }

    /// Reads what `write` wrote.
    /// - Throws: `InterpretabilityError` for a file of another model.
    public convenience init(path: String, for probe: ModelProbe) throws {
        let file = try SafetensorsFile(path: path), width = probe.decoder.configuration.hiddenSize
        let maps = try (0..<probe.layerCount).map { layer -> (weight: Tensor, bias: Tensor) in
            guard let weight = file.entry("layers.\(layer).weight"), let bias = file.entry("layers.\(layer).bias"),
                weight.shape == [width, width], bias.shape == [width]
            else {
                throw InterpretabilityError.badInput(
                    "\(path): layers.\(layer).weight of [\(width), \(width)] and its bias are not there: the lens is of another model"
                )
            }
            return (
                try file.tensor("layers.\(layer).weight").to(.float32),
                try file.tensor("layers.\(layer).bias").to(.float32)
            )
        }
        guard file.entry("layers.\(probe.layerCount).weight") == nil else {
            throw InterpretabilityError.badInput("\(path) has more layers than the model's \(probe.layerCount)")
        }
        self.init(width: width, maps)
    }
}

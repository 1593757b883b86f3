import MartletNN
import MartletTensor

/// Several residual streams, of which a layer computes one and predicts the others (AltUp, Baykal et al. 2023, "Alternating
/// Updates for Efficient Transformers"), as Gemma 3n has it.
public struct AltUpSpec: Sendable, Equatable {
    /// The number of streams.
    public var streams: Int
    /// The one that layers compute.
    public var active: Int
    /// Whether what a layer's own input is gated by is scaled.
    public var scalesCorrected: Bool
    /// The rank of the learned residual of each layer (LAuReL, Menghani et al. 2024).
    public var residualRank: Int

    public init(streams: Int, active: Int, scalesCorrected: Bool, residualRank: Int) {
        (self.streams, self.active) = (streams, active)
        (self.scalesCorrected, self.residualRank) = (scalesCorrected, residualRank)
    }
}

/// A layer's predictions and corrections of the streams, and its learned residual. The streams of a token lie one behind
/// the other, S `[tokens, streams, hidden]`:
///
///     m(x) = tanh(norm(x) / hidden · R)
///     P = S + C S,  C = m(S_a) Wp as a matrix of streams by streams           prediction
///     S' = P + (y − P_a) · (1 + m(y) Wc)                                      correction by the layer's result y
final class AltUp {
    private let router, prediction, correction: Linear
    private let routerNorm: Norm
    private let outputScale: ScaleVector?
    private let left, right: Linear
    private let residualNorm: Norm
    let spec: AltUpSpec
    private let hidden: Int

    init(_ source: ParameterSource, _ name: String, _ spec: AltUpSpec, _ norm: NormSpec, hidden: Int) {
        let own = name + ".altup", count = spec.streams
        router = Linear(source, own + ".modality_router", from: hidden, to: count)
        routerNorm = Norm(source, own + ".router_norm", norm, size: hidden)
        prediction = Linear(source, own + ".prediction_coefs", from: count, to: count * count)
        correction = Linear(source, own + ".correction_coefs", from: count, to: count)
        outputScale = ScaleVector(source, own + ".correct_output_scale", size: hidden)
        left = Linear(source, name + ".laurel.linear_left", from: hidden, to: spec.residualRank)
        right = Linear(source, name + ".laurel.linear_right", from: spec.residualRank, to: hidden)
        residualNorm = Norm(source, name + ".laurel.post_laurel_norm", norm, size: hidden)
        (self.spec, self.hidden) = (spec, hidden)
    }

    private func modalities(_ x: Tensor, _ adapters: RowAdapters) throws -> Tensor {
        try router(routerNorm(x) * (1 / Float(hidden)), adapters).tanh()  // [tokens, streams]
    }

    private func active(_ streams: Tensor) throws -> Tensor {
        try streams.narrow(1, from: spec.active, length: 1).contiguous().reshape(streams.shape[0], hidden)
    }

    /// The streams after the layer: `[tokens, streams * hidden]` -> same.
    /// - Parameters:
    ///   - layer: the layer's result for its stream and the learned residual of its normalised input, both
    ///     `[tokens, hidden]`.
    ///   - gate: what the layer's own input adds to the other streams.
    func callAsFunction(
        _ x: Tensor, _ adapters: RowAdapters, norm: Norm?,
        layer: (_ x: Tensor, _ normalized: Tensor, _ residual: Tensor) throws -> Tensor,
        gate: (Tensor) throws -> Tensor
    ) throws -> Tensor {
        let tokens = x.shape[0], count = spec.streams
        let streams = try x.reshape(tokens, count, hidden)  // [tokens, streams, hidden]
        let mixing = try prediction(modalities(active(streams), adapters), adapters).reshape(tokens, count, count)
        let predicted = try streams + mixing.matmul(streams)  // [tokens, streams, hidden]
        let own = try active(predicted)  // [tokens, hidden]
        let normalized = try norm?(own) ?? own
        let residual = try normalized + residualNorm(right(left(normalized, adapters), adapters))  // [tokens, hidden]
        let result = try layer(own, normalized, residual)  // [tokens, hidden]
        let innovation = try (result - own).unsqueeze(1)  // [tokens, 1, hidden]
        let factors = try (correction(modalities(result, adapters), adapters) + 1).unsqueeze(2)  // [tokens, streams, 1]
        let corrected = try predicted + innovation * factors  // [tokens, streams, hidden]
        var first = try active(corrected)  // [tokens, hidden]
        if spec.scalesCorrected, let outputScale { first = try first * outputScale.weight }
        // All streams but the first.
        let others = try Tensor((0..<count).map { Float($0 == 0 ? 0 : 1) }, shape: [1, count, 1]).to(x.dtype)
        return try (corrected + gate(first).unsqueeze(1) * others).reshape(tokens, count * hidden)
    }
}

/// The streams of a decoder: made of the embeddings, and joined to one at the end.
final class AltUpStreams {
    private let projections, unprojections: [Linear]

    init(_ source: ParameterSource, _ spec: AltUpSpec, hidden: Int) {
        projections = (1..<spec.streams).map {
            Linear(source, "model.altup_projections.\($0 - 1)", from: hidden, to: hidden)
        }
        unprojections = (1..<spec.streams).map {
            Linear(source, "model.altup_unembed_projections.\($0 - 1)", from: hidden, to: hidden)
        }
    }

    /// `[tokens, hidden]` -> `[tokens, streams * hidden]`.
    func expanded(_ x: Tensor, _ adapters: RowAdapters) throws -> Tensor {
        let size = try magnitude(x)
        return try Tensor.concatenate([x] + projections.map { try resized($0(x, adapters), to: size) }, axis: 1)
    }

    /// The mean of the streams at the magnitude of the first: `[tokens, streams * hidden]` -> `[tokens, hidden]`.
    func joined(_ x: Tensor, _ adapters: RowAdapters) throws -> Tensor {
        let hidden = x.shape[1] / (unprojections.count + 1)
        func stream(_ index: Int) throws -> Tensor {
            try x.narrow(1, from: index * hidden, length: hidden).contiguous()  // [tokens, hidden]
        }
        var sum = try stream(0)
        let size = try magnitude(sum)
        for (index, projection) in unprojections.enumerated() {
            sum = try sum + resized(projection(stream(index + 1), adapters), to: size)
        }
        return try sum * (1 / Float(unprojections.count + 1))
    }

    /// √mean(x²): `[tokens, 1]`.
    private func magnitude(_ x: Tensor) throws -> Tensor { try x.square().mean(1, keepDimensions: true).sqrt() }

    private func resized(_ x: Tensor, to size: Tensor) throws -> Tensor {
        try x * size / x.square().mean(1, keepDimensions: true).maximum(1e-5).sqrt()
    }
}

/// A vector that a layer's numbers are multiplied by, stored under a name without a kind.
final class ScaleVector: ModuleLeaf {
    let path: String
    var kind: String { "scale" }
    private(set) var weight: Tensor
    var hooks = LeafHooks()

    init(_ source: ParameterSource, _ path: String, size: Int) {
        self.path = path
        weight = source.parameter(path, shape: [size], role: .scale(initial: 1))
        source.register(self)
    }

    var parameters: [ModuleParameter] {
        [ModuleParameter(path: path, role: .scale(initial: 1), value: weight)]
    }

    func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        weight = try change(parameters[0], weight)
    }
}

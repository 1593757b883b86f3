import MartletNN
import MartletTensor

/// Inputs of single layers beside the residual stream (Gemma 3n and 4): each token has a vector of its own for every layer.
///
///     p = (norm(x W / √hidden) + table[token] · √size) / √2        x are the embeddings; the norm is of each layer's part
public struct PerLayerInputSpec: Sendable, Equatable {
    /// Numbers of a layer's input.
    public var size: Int
    /// Tokens of the table.
    public var vocabularySize: Int

    public init(size: Int, vocabularySize: Int) { (self.size, self.vocabularySize) = (size, vocabularySize) }
}

/// What makes the inputs of all layers.
final class PerLayerInputs {
    private let table: Embedding
    private let projection: Linear
    private let norm: Norm
    private let spec: PerLayerInputSpec

    init(_ source: ParameterSource, _ spec: PerLayerInputSpec, _ decoder: DecoderConfiguration) {
        let width = decoder.layerCount * spec.size
        table = Embedding(source, "model.embed_tokens_per_layer", count: spec.vocabularySize, size: width)
        projection = Linear(source, "model.per_layer_model_projection", from: decoder.hiddenSize, to: width)
        norm = Norm(source, "model.per_layer_projection_norm", decoder.norm, size: spec.size)
        self.spec = spec
    }

    /// - Parameter embedded: the tokens' embeddings, `[tokens, hidden]`.
    /// - Returns: `[tokens, layers * size]`.
    func callAsFunction(_ tokens: [Int32], _ embedded: Tensor, _ adapters: RowAdapters) throws -> Tensor {
        let known = tokens.map { Int($0) < spec.vocabularySize ? $0 : 0 }
        let own = try table(known, scale: Float(spec.size).squareRoot())  // [tokens, layers * size]
        let projected = try norm(projection(embedded, adapters) * (1 / Float(embedded.shape[1]).squareRoot()))
        return try (projected + own.to(projected.dtype)) * Float(0.5).squareRoot()
    }
}

/// What a layer makes of its own input:
///
///     x + norm((act(x G) · p) U)
final class PerLayerGate {
    private let gate, projection: Linear
    private let norm: Norm
    private let activation: Activation
    private let layer, size: Int

    init(_ source: ParameterSource, _ name: String, layer: Int, _ spec: LayerSpec, size: Int, hidden: Int) {
        gate = Linear(source, name + ".per_layer_input_gate", from: hidden, to: size)
        projection = Linear(source, name + ".per_layer_projection", from: size, to: hidden)
        norm = Norm(source, name + ".post_per_layer_input_norm", spec.norm, size: hidden)
        activation = spec.feedForward.activation
        (self.layer, self.size) = (layer, size)
    }

    /// What is added to the residual stream: `[tokens, hidden]` -> same.
    func update(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        guard let inputs = pass.perLayerInputs else {
            throw TensorError(
                .argument, "decoder", "the layers have inputs of their own, which follow from tokens: give tokens")
        }
        let own = try inputs.narrow(1, from: layer * size, length: size).contiguous()  // [tokens, size]
        return try norm(projection(activation(gate(x, pass.adapters)) * own, pass.adapters))  // [tokens, hidden]
    }
}

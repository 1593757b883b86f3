import MartletNN
import MartletTensor

/// The head of a classifier on an encoder: logits of texts or of tokens, as `EncoderHeadForm` says.
final class EncoderHead {
    private let dense: Linear?
    private let output: Linear
    private let norm: Norm?
    private let activation: DenseActivation

    /// - Parameter isOverTokens: whether each token gets logits.
    init(
        _ source: ParameterSource, _ form: EncoderHeadForm, _ config: ConfigurationReader, _ spec: EncoderConfiguration,
        labels: Int, isOverTokens: Bool
    ) throws(ModelError) {
        let width = spec.hiddenSize
        let hasDense = !isOverTokens || form.isOverTokens
        activation = try form.activation(config)
        let bias = try form.biasKey.map { key throws(ModelError) in try config.flag(key, default: false) } ?? true
        let name = isOverTokens ? "token_classifier" : "classifier"
        if hasDense {
            dense = Linear(source, "pooler.dense", from: width, to: width, bias: bias)
            norm = form.norm == nil ? nil : Norm(source, "pooler.norm", spec.layers[0].norm, size: width)
        } else {
            (dense, norm) = (nil, nil)
        }
        output = Linear(source, name, from: width, to: labels, bias: true)
    }

    /// The site of the dropout before the output, behind those of all layers.
    private static let dropoutSite = 4000

    /// `[rows, hidden]` -> `[rows, labels]`.
    /// - Parameters:
    ///   - pooled: what the output takes of what the dense layer makes.
    ///   - dropout: of what the output takes; its `firstToken` is the number of rows of the step before these.
    func callAsFunction(
        _ states: Tensor, pooled: (Tensor) throws -> Tensor = { $0 }, dropout: DecoderDropout? = nil
    ) throws -> Tensor {
        var inner = states
        if let dense {
            inner = try activation(dense(states))  // [rows, hidden]
            inner = try norm?(inner) ?? inner
        }
        inner = try pooled(inner)
        return try output(dropout?(inner, site: Self.dropoutSite) ?? inner)
    }
}

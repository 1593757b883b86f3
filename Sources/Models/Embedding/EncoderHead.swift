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
        activation = form.activation
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

    /// `[rows, hidden]` -> `[rows, labels]`.
    func callAsFunction(_ states: Tensor) throws -> Tensor {
        guard let dense else { return try output(states) }
        let inner = try activation(dense(states))  // [rows, hidden]
        return try output(norm?(inner) ?? inner)
    }
}

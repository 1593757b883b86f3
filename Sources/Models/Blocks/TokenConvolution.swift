import MartletNN
import MartletTensor

/// A convolution over neighbouring tokens beside a layer, as the first one of DeBERTa v2's larger models has it (He et al.
/// 2021, section 3.3: n-gram induced input encoding).
public struct TokenConvolutionSpec: Sendable, Equatable {
    /// Tokens that it sees, an odd number: as many before a token as after it.
    public var width: Int
    /// Groups of channels that do not see each other.
    public var groups: Int
    /// Nil for tanh.
    public var activation: Activation?

    public init(width: Int, groups: Int = 1, activation: Activation?) {
        (self.width, self.groups, self.activation) = (width, groups, activation)
    }
}

/// For a layer's input x and its result y, text by text, with zeros before the first token and after the last:
///
///     norm(y + act(conv(x)))        [tokens, hidden] -> same
final class TokenConvolution {
    private let convolution: Convolution
    private let norm: Norm
    private let activation: Activation?

    init(_ source: ParameterSource, _ name: String, _ spec: TokenConvolutionSpec, _ norm: NormSpec, hidden: Int) {
        convolution = Convolution(
            source, name + ".convolution", from: hidden, to: hidden, size: [spec.width], padding: [spec.width / 2],
            groups: spec.groups)
        self.norm = Norm(source, name + ".convolution_norm", norm, size: hidden)
        activation = spec.activation
    }

    func callAsFunction(_ result: Tensor, input: Tensor, _ pass: PassContext) throws -> Tensor {
        let hidden = input.shape[1]
        let texts = try pass.segments.filter { !$0.isEmpty }.map { rows in
            let text = try input.narrow(0, from: rows.lowerBound, length: rows.count).transposed().contiguous()
            let mixed = try convolution(text.reshape(1, hidden, rows.count))  // [1, hidden, tokens]
            return try mixed.reshape(hidden, rows.count).transposed().contiguous()  // [tokens, hidden]
        }
        guard let first = texts.first else { return result }
        let all = try texts.count == 1 ? first : Tensor.concatenate(texts)  // [tokens, hidden]
        let dropped = try pass.dropped(all, site: DecoderDropout.convolutionSite)
        return try norm(Fused.add(result, activation?(dropped) ?? dropped.tanh()))
    }
}

import MartletModels
import MartletNN
import MartletTensor

/// Random decoders with recurrent layers.
enum RecurrentModel: String, CaseIterable, Sendable {
    /// Short convolutions with attention between, as in LFM2.
    case convolutions
    /// Mamba 1, without attention and feed-forward parts.
    case scans
    /// State spaces, the gated delta rule, attention and a sliding window.
    case mixed

    var configuration: DecoderConfiguration {
        var attention = AttentionSpec(heads: 4, keyValueHeads: 2, headDimension: 12)
        attention.rotary = RotaryEmbedding.Configuration(theta: 10_000, dimension: 12)
        let layer = LayerSpec(
            norm: NormSpec(epsilon: 1e-5), attention: attention,
            feedForward: FeedForwardSpec(size: 40, activation: .silu))
        let kinds = recurrent
        var result = DecoderConfiguration(
            family: "test", vocabularySize: 60, hiddenSize: 48, contextLength: 1024, layerCount: kinds.count,
            layer: layer, tiedEmbeddings: true)
        for (index, kind) in kinds.enumerated() {
            result.layers[index].recurrent = kind
            if self == .scans { result.layers[index].hasFeedForward = false }
            if self == .mixed, index == 3 { result.layers[index].attention.window = 40 }
        }
        return result
    }

    private var recurrent: [RecurrentSpec?] {
        let convolution = ConvolutionSpec(channels: 48, width: 3, hasBias: false)
        switch self {
        case .convolutions:
            let short = RecurrentSpec.shortConvolution(ShortConvolutionSpec(convolution: convolution, hasBias: false))
            return [short, nil, short]
        case .scans:
            let scan = SelectiveScanSpec(
                inner: 96, stateSize: 5, stepRank: 3,
                convolution: ConvolutionSpec(channels: 96, width: 4, hasBias: true), hasBias: false)
            return [.selectiveScan(scan), .selectiveScan(scan)]
        case .mixed:
            let space = StateSpaceSpec(
                heads: 6, headDimension: 16, groups: 2, stateSize: 8, convolutionWidth: 4, hasConvolutionBias: true,
                hasBias: false, epsilon: 1e-5)
            let delta = GatedDeltaSpec(
                keyHeads: 2, heads: 4, keyDimension: 8, valueDimension: 12, convolutionWidth: 4, epsilon: 1e-6)
            return [.stateSpace(space), nil, .gatedDelta(delta), nil]
        }
    }

    func decoder() -> Decoder {
        Decoder(Initializer(.normal(deviation: 0.3, layers: 1), seed: 5), configuration)
    }
}

import MartletTensor

/// Initial parameters of a model that is trained from scratch. Each parameter has its own random stream, derived from
/// its name, so adding a layer does not change the others.
///
/// ```swift
/// let decoder = Decoder(Initializer(.normal(deviation: 0.02, layers: spec.layerCount), seed: 1), spec)
/// ```
public final class Initializer: ParameterSource {
    /// The initialisation of matrices.
    public enum Scheme: Sendable, Equatable {
        /// N(0, 2 / (in + out)) truncated at three standard deviations, embeddings N(0, 1) truncated at ±3, as in
        /// CS336.
        case truncatedXavier
        /// N(0, σ²), and N(0, σ² / 2 layers) for matrices that add to the residual stream, as in GPT-2 with σ = 0.02.
        case normal(deviation: Double, layers: Int)
        /// U(±√(6 / (in + out))) (Glorot and Bengio 2010).
        case xavierUniform
        /// N(0, 2 / in) (He et al. 2015).
        case kaimingNormal
        /// U(±1 / √in), PyTorch's default for linear layers: He et al.'s for a leaky ReLU of slope √5.
        case kaimingUniform
        /// As in nanochat: U(±√3 / √in); matrices that add to the residual stream are 0; embeddings N(0, 1).
        case zeroResidual
    }

    private let scheme: Scheme
    private let seed: UInt64

    public init(_ scheme: Scheme, seed: UInt64) {
        self.scheme = scheme
        self.seed = seed
    }

    public func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        // The FNV-1a hash of the name.
        let stream = name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        var random = RandomStream(seed: seed, stream: stream)
        do {
            return try value(shape, role, &random)
        } catch {
            // Shapes come from a checked configuration; an impossible one causes an error where the tensor is used.
            return Tensor(uninitialized: [0, 0])
        }
    }

    private func value(_ shape: Shape, _ role: ParameterRole, _ random: inout RandomStream) throws -> Tensor {
        // Fan-in and fan-out of a matrix [out, in]; of a convolution [out, in, window…] they are multiplied by the
        // window.
        let window = Double(shape.dropFirst(2).reduce(1, *)), rank = shape.count
        let fanOut = Double(shape.first ?? 1) * window, fanIn = Double(rank > 1 ? shape[1] : shape.first ?? 1) * window
        func normal(_ deviation: Double) throws -> Tensor {
            try Tensor.normal(shape, mean: 0, std: deviation, using: &random)
        }
        func cut(_ deviation: Double) throws -> Tensor {
            try Tensor.truncatedNormal(
                shape, mean: 0, std: deviation, low: -3 * deviation, high: 3 * deviation, using: &random)
        }
        func uniform(_ bound: Double) throws -> Tensor {
            try Tensor.uniform(shape, low: -bound, high: bound, using: &random)
        }
        switch (role, scheme) {
        case (.ruled(let rule, _), _): return try rule.tensor(shape, &random)
        case (.scale(let initial), _): return try Tensor.full(shape, Double(initial), dtype: .float32)
        case (.bias, _): return try Tensor.zeros(shape)
        case (.embedding, .truncatedXavier): return try cut(1)
        case (_, .truncatedXavier): return try cut((2 / (fanIn + fanOut)).squareRoot())
        case (.residualWeight, .normal(let deviation, let layers)):
            return try normal(deviation / (2 * Double(max(layers, 1))).squareRoot())
        case (_, .normal(let deviation, _)): return try normal(deviation)
        case (.embedding, .xavierUniform), (.embedding, .kaimingNormal), (.embedding, .kaimingUniform),
            (.embedding, .zeroResidual):
            return try normal(1)
        case (_, .xavierUniform): return try uniform((6 / (fanIn + fanOut)).squareRoot())
        case (_, .kaimingNormal): return try normal((2 / fanIn).squareRoot())
        case (_, .kaimingUniform): return try uniform(1 / fanIn.squareRoot())
        case (.residualWeight, .zeroResidual): return try Tensor.zeros(shape)
        case (_, .zeroResidual): return try uniform((3 / fanIn).squareRoot())
        }
    }
}

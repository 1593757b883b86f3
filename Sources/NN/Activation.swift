/// The activation functions of feed-forward layers.
public enum Activation: Sendable, Equatable {
    /// x · σ(x) (Elfwing et al. 2017).
    case silu
    /// x · Φ(x), with the error function (Hendrycks & Gimpel 2016).
    case gelu
    /// 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))).
    case geluTanh
    case relu
}

import MartletTensor

extension Activation {
    package var kernel: Fused.PointwiseFunction {
        switch self {
        case .silu: .silu
        case .gelu: .gelu
        case .geluTanh: .geluTanh
        case .relu: .relu
        }
    }
}

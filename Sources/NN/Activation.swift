/// The activation functions of feed-forward layers.
public enum Activation: Sendable, Equatable {
    /// x · σ(x) (Elfwing et al. 2017).
    case silu
    /// x · Φ(x), with the error function (Hendrycks & Gimpel 2016).
    case gelu
    /// 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))).
    case geluTanh
    case relu
    /// max(x, 0)² (So et al. 2021).
    case squaredReLU
}

import MartletTensor

extension Activation {
    /// The kernel; of a square, that of its root.
    private var kernel: Fused.PointwiseFunction {
        switch self {
        case .silu: .silu
        case .gelu: .gelu
        case .geluTanh: .geluTanh
        case .relu, .squaredReLU: .relu
        }
    }

    /// act(x), elementwise.
    package func callAsFunction(_ x: Tensor) throws -> Tensor {
        let result = try Fused.activate(x, kernel)
        return self == .squaredReLU ? try result.square() : result
    }

    /// act(gate) · up, elementwise.
    package func gating(_ gate: Tensor, _ up: Tensor) throws -> Tensor {
        self == .squaredReLU ? try self(gate) * up : try Fused.gate(gate, up, kernel)
    }
}

import MartletNN
import MartletTensor

/// What matrices are rounded to while float32 masters of them are trained.
///
/// With a grid of few bits this is quantisation-aware training: loss and gradients are those of the rounded weights, and
/// the gradient is given to the masters as if rounding were the identity (the straight-through estimator, Bengio et al.
/// 2013; Jacob et al. 2018). What is saved is the rounded model, so that quantising it with the same grid loses nothing.
package enum WeightRounding: Sendable, Equatable {
    /// A type of 16 bits; gradients are rounded too.
    case type(DType)
    /// Symmetric codes of so many bits; neighbouring inputs of an output share a scale in groups, or all of them where
    /// a group does not divide them.
    case grid(bits: Int, group: Int)
    /// −1, 0 and 1 times the mean magnitude of the matrix (Ma et al. 2024, The Era of 1-bit LLMs). Activations stay as they
    /// are, which the paper rounds to eight bits.
    case ternary

    /// 16 bits take all that weight decay takes; grids the matrices of layers, not embeddings, output and routers.
    func applies(to parameter: Parameter) -> Bool {
        guard case .type = self else {
            let isMatrix = parameter.role == .weight || parameter.role == .residualWeight
            return isMatrix && parameter.tensor.rank == 2 && parameter.name.contains(".layers.")
                && !parameter.name.hasSuffix(".gate.weight")
        }
        return parameter.role.isDecayed
    }

    func rounded(_ tensor: Tensor) throws -> Tensor {
        switch self {
        case .type(let type): return try tensor.to(type)
        case .grid(let bits, let group):
            let outputs = tensor.shape[0], inputs = tensor.shape[1]
            let size = inputs % group == 0 ? group : inputs, half = Float(1 << (bits - 1))
            let parts = try tensor.contiguous().view(outputs, inputs / size, size)
            let low = try parts.min(axes: [2], keepDimensions: true),
                high = try parts.max(axes: [2], keepDimensions: true)
            // The scale is stored in half precision; one of zeros is anything but zero.
            let scale = try (-low / half).maximum(high / (half - 1)).to(.float16).to(.float32).maximum(Float(0x1p-24))
            return try ((parts / scale).round().maximum(-half).minimum(half - 1) * scale).view(outputs, inputs)
        case .ternary:
            let mean = try tensor.abs().mean().item(as: Float.self)
            let scale = max(mean, 1e-8)
            return try (tensor / scale).round().maximum(Float(-1)).minimum(Float(1)) * scale
        }
    }

    /// What a gradient of the rounded weights becomes on its way to the masters.
    func passed(_ gradient: Tensor) throws -> Tensor {
        guard case .type(let type) = self else { return gradient }
        return try gradient.to(type).to(.float32)
    }
}

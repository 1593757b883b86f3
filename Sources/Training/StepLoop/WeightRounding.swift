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
    /// Symmetric codes of so many bits, of eight −127 … 127 as Q8_0 has them; neighbouring inputs of an output share a scale
    /// in groups, or all of them where a group does not divide them.
    case grid(bits: Int, group: Int)
    /// Codes −127 … 127 and a scale for each output, as LLM.int8 stores them. The scale has eight significant bits, so that
    /// products with codes are exact and their largest gives it back; it is a little smaller than largest / 127, so that
    /// the largest weight has the last code.
    case outputs
    /// −1, 0 and 1 times the mean magnitude of the matrix (Ma et al. 2024, The Era of 1-bit LLMs).
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

    package func rounded(_ tensor: Tensor) throws -> Tensor {
        switch self {
        case .type(let type): return try tensor.to(type)
        case .grid(let bits, let group):
            let outputs = tensor.shape[0], inputs = tensor.shape[1]
            let size = inputs % group == 0 ? group : inputs
            let half = Float(1 << (bits - 1)), lowest = bits == 8 ? half - 1 : half
            let parts = try tensor.contiguous().view(outputs, inputs / size, size)
            let low = try parts.min(axes: [2], keepDimensions: true),
                high = try parts.max(axes: [2], keepDimensions: true)
            // The scale is stored in half precision; one of zeros is anything but zero.
            let scale = try (-low / lowest).maximum(high / (half - 1)).to(.float16).to(.float32).maximum(Float(0x1p-24))
            return try ((parts / scale).round().maximum(-lowest).minimum(half - 1) * scale).view(outputs, inputs)
        case .outputs:
            let largest = try tensor.abs().max(axes: [1], keepDimensions: true)
            let scale = try (largest * Float((1 - 0x1p-8) / 127)).to(.bfloat16).to(.float32).maximum(Float(0x1p-100))
            return try (tensor / scale).round().maximum(Float(-127)).minimum(Float(127)) * scale
        case .ternary:
            // As blocks of ternary codes store it, in half precision.
            let mean = try tensor.abs().mean().to(.float16).to(.float32).item(as: Float.self)
            let scale = max(mean, 0x1p-24)
            return try (tensor / scale).round().maximum(Float(-1)).minimum(Float(1)) * scale
        }
    }

    /// Rounds the inputs of the layers whose matrices are rounded to eight bits too, token by token.
    static func roundInputs(of tree: ModuleTree) {
        for layer in tree.linears where layer.path.contains(".layers.") && !layer.path.hasSuffix(".gate") {
            layer.roundsInputsInTraining = true
        }
    }

    /// What a gradient of the rounded weights becomes on its way to the masters.
    func passed(_ gradient: Tensor) throws -> Tensor {
        guard case .type(let type) = self else { return gradient }
        return try gradient.to(type).to(.float32)
    }
}

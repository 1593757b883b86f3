import MartletTensor

/// y + s · (x Aᵀ) Bᵀ with A `[rank, in]` and B `[out, rank]`: a change of W by s · B A (LoRA, Hu et al. 2021).
///
/// s is α / rank, or α / √rank where the rank is high (rsLoRA, Kalajdzievski 2023). A begins as U(±1/√in), as PEFT's does,
/// B as 0, so that a fresh adapter changes nothing.
///
/// ```swift
/// for case let layer as Linear in try model.tree.find("q_proj") {
///     layer.adapters.append(try LowRankAdapter(of: layer, rank: 16, scale: 2, seed: 0))
/// }
/// ```
public final class LowRankAdapter: LinearAdapter {
    public let name: String
    public var isEnabled = true
    public let scale: Float
    /// A, `[rank, in]`, and B, `[out, rank]`.
    public let down, up: Tensor
    private let path: String

    /// - Parameter seed: chooses A together with the layer's path, so that one adapter does not change another.
    public init(
        of layer: Linear, rank: Int, scale: Float, seed: UInt64, name: String = "default"
    ) throws {
        let source = Initializer(.kaimingUniform, seed: seed)
        let inputs = layer.inputSize
        down = try source.parameter(layer.path + ".lora_A.weight", shape: [rank, inputs], role: .weight).requiringGrad()
        up = try Tensor.zeros([layer.outputSize, rank]).requiringGrad()
        (self.name, self.scale, path) = (name, scale, layer.path)
    }

    /// One that was trained before.
    public init(of layer: Linear, down: Tensor, up: Tensor, scale: Float, name: String = "default") throws {
        let rank = down.shape.first ?? 0
        guard down.shape == [rank, layer.inputSize], up.shape == [layer.outputSize, rank] else {
            throw ModuleError.wrongShape(
                path: layer.path, found: "\(down.shape) and \(up.shape)",
                expected: "[rank, \(layer.inputSize)] and [\(layer.outputSize), rank]")
        }
        (self.down, self.up, self.scale, self.name, path) = (down, up, scale, name, layer.path)
    }

    public var parameters: [Parameter] {
        [
            Parameter(name: path + ".lora_A.weight", role: .weight, tensor: down),
            Parameter(name: path + ".lora_B.weight", role: .weight, tensor: up),
        ]
    }

    public func callAsFunction(_ x: Tensor, _ y: Tensor) throws -> Tensor {
        let inner = try Fused.linear(x, [(down, nil)])[0]  // [tokens, rank]
        let scaled = scale == 1 ? inner : try inner * Double(scale)
        return try Fused.add(y, Fused.linear(scaled, [(up, nil)])[0])  // [tokens, out]
    }
}

import MartletTensor

/// y = x Wᵀ + b with W `[out, in]`.
public final class Linear {
    public let name: String
    public private(set) var weight: Tensor
    public private(set) var bias: Tensor?
    public var outputSize: Int { weight.shape[0] }
    public var inputSize: Int { weight.shape[1] }
    /// The weight rearranged for inference, once `prepare` has run.
    private var packed: PackedMatrix?

    public init(_ source: ParameterSource, _ name: String, from inputSize: Int, to outputSize: Int, bias: Bool = false)
    {
        self.name = name
        weight = source.parameter(name + ".weight", shape: [outputSize, inputSize])
        self.bias = bias ? source.parameter(name + ".bias", shape: [outputSize]) : nil
    }

    /// A layer that shares its weight with another, such as an output projection with the embeddings.
    public init(sharing weight: Tensor, name: String) {
        self.name = name
        self.weight = weight
    }

    /// Rearranges the weight for fast products with constant weights.
    public func prepare(_ precision: Precision) throws {
        packed = try PackedMatrix(weight, exact: precision == .exact)
    }

    /// Bytes of the rearranged weight.
    public var preparedByteCount: Int { packed?.byteCount ?? 0 }

    /// - Parameter x: `[tokens, in]`. Returns `[tokens, out]`.
    public func callAsFunction(_ x: Tensor) throws -> Tensor { try Self.project(x, self)[0] }

    /// Several layers over one input: one quantisation of x and one fork-join for all of them.
    public static func project(_ x: Tensor, _ layers: Linear...) throws -> [Tensor] {
        let tokens = x.shape[0]
        let outputs = layers.map { Tensor(uninitialized: [tokens, $0.outputSize]) }
        let matrices = layers.compactMap(\.packed)
        if matrices.count == layers.count {
            PackedMatrix.multiply(x.floats, rows: tokens, by: matrices, into: outputs.map(\.floats))
        } else {
            for (layer, output) in zip(layers, outputs) { try Fused.linear(x, layer.weight, into: output) }
        }
        for (layer, output) in zip(layers, outputs) {
            if let bias = layer.bias { try Fused.addRow(bias, to: output) }
        }
        return outputs
    }
}

/// How products with constant weights are computed.
public enum Precision: String, Sendable, CaseIterable {
    /// In the format the weights are stored in, activations quantised to 8 bits where the weights are.
    case fast
    /// Weights dequantised to float32, everything in float32.
    case exact
}

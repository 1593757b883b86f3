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

    public init(
        _ source: ParameterSource, _ name: String, from inputSize: Int, to outputSize: Int, bias: Bool = false,
        role: ParameterRole = .weight
    ) {
        self.name = name
        weight = source.parameter(name + ".weight", shape: [outputSize, inputSize], role: role)
        self.bias = bias ? source.parameter(name + ".bias", shape: [outputSize], role: .bias) : nil
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

    /// Forgets the rearranged weight, as must be done when the weight changes.
    public func release() { packed = nil }

    /// Bytes of the rearranged weight.
    public var preparedByteCount: Int { packed?.byteCount ?? 0 }

    /// - Parameter x: `[tokens, in]`. Returns `[tokens, out]`.
    public func callAsFunction(_ x: Tensor) throws -> Tensor { try Self.project(x, self)[0] }

    /// Several layers over one input: one quantisation of x and one fork-join for all of them.
    public static func project(_ x: Tensor, _ layers: Linear...) throws -> [Tensor] {
        let isPlain = layers.allSatisfy { $0.weight.dtype == .float32 && $0.weight.isContiguous }
        let matrices = layers.compactMap(\.packed)
        let records = Tensor.isRecording([x] + layers.flatMap { [$0.weight, $0.bias] })
        if isPlain, matrices.count < layers.count || records {
            return try Fused.linear(x, layers.map { ($0.weight, $0.bias) })
        }
        if records, let layer = layers.first(where: { $0.weight.dtype != .float32 || !$0.weight.isContiguous }) {
            // The product itself could be computed, but nothing behind it would get a gradient.
            let kind = (layer.weight.isContiguous ? "" : "strided ") + layer.weight.dtype.name
            throw TensorError(
                .gradient, "linear",
                "\(layer.name).weight is \(kind), through which no gradient goes: make it a contiguous F32 tensor, or "
                    + "compute inside noGrad")
        }
        let outputs = layers.map { Tensor(uninitialized: [x.shape[0], $0.outputSize]) }
        // A weight that was not prepared is rearranged for this product alone.
        let ready = try layers.map { try $0.packed ?? PackedMatrix($0.weight, exact: true) }
        PackedMatrix.multiply(x.floats, rows: x.shape[0], by: ready, into: outputs.map(\.floats))
        for (layer, output) in zip(layers, outputs) {
            if let bias = layer.bias { try Fused.addRow(bias, to: output) }
        }
        return outputs
    }
}

/// How products with constant weights are computed.
public enum Precision: String, Sendable, CaseIterable {
    /// In the format the weights are stored in, activations rounded to 15 bits in blocks of 32 where the weights
    /// are quantised.
    case fast
    /// Weights dequantised to float32, everything in float32.
    case exact
}

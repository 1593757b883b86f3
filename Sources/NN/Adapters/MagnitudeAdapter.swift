import MartletTensor

/// m / ‖W + s B A‖ · ((W + s B A) x) + b with the norms of rows: magnitude and direction of each output are trained
/// separately (DoRA, Liu et al. 2024).
///
/// m `[out]` is initialised with the norms of the rows of W, so that a new adapter changes nothing. The norm is a
/// constant for gradients (section 4.3 of the paper). It is computed without forming W + s B A:
///
///     ‖W_o + s B_o A‖² = ‖W_o‖² + 2 s B_o · (A W_oᵀ) + s² B_o (A Aᵀ) B_oᵀ
///
/// A quantised W is read a strip of rows at a time and is never held as float32.
public final class MagnitudeAdapter: LinearAdapter {
    public let name: String
    public var isEnabled = true
    public let magnitude: Tensor
    private let lowRank: LowRankAdapter
    private let layer: Layer
    private let key: String
    private let part: JoinedPart?
    /// ‖W_o‖², `[1, out]`.
    private let squares: Tensor
    /// m / ‖…‖, cached where m is not trained, and the scale it was computed with.
    private var known: (factor: Tensor, scale: Float)?

    /// The layer that owns the adapter. Sets of adapters do not keep the model in memory.
    private struct Layer { weak var linear: Linear? }

    public var down: Tensor { lowRank.down }
    public var up: Tensor { lowRank.up }
    public var scale: Float {
        get { lowRank.scale }
        set { lowRank.scale = newValue }
    }

    /// - Parameter magnitude: m `[out]`; of the joined matrix where the layer is a part of one.
    /// - Throws: `ModuleError.wrongShape` when A, B or m does not fit the layer.
    public init(
        of layer: Linear, down: Tensor, up: Tensor, magnitude: Tensor, scale: Float, dropout: Double = 0,
        part: JoinedPart? = nil, key: String? = nil, name: String = "default"
    ) throws {
        lowRank = try LowRankAdapter(
            of: layer, down: down, up: up, scale: scale, dropout: dropout, part: part, key: key, name: name)
        guard magnitude.shape == [up.shape[0]] else {
            throw ModuleError.wrongShape(
                path: layer.path, found: "magnitudes of \(magnitude.shape)", expected: "[\(up.shape[0])]")
        }
        self.layer = Layer(linear: layer)
        (self.magnitude, self.part, self.key, self.name) = (magnitude, part, key ?? layer.path, name)
        squares = try Self.squaredNorms(of: layer.matrix)
    }

    /// ‖W_o‖² of a matrix in any form, `[1, out]`, computed a strip of rows at a time.
    public static func squaredNorms(of matrix: any WeightMatrix) throws -> Tensor {
        try noGrad {
            var parts: [Tensor] = []
            let strip = max(1, (1 << 20) / max(matrix.shape[1], 1))
            for first in stride(from: 0, to: matrix.shape[0], by: strip) {
                let rows = try matrix.float32Rows(first..<min(first + strip, matrix.shape[0]))
                parts.append(try rows.detach().square().sum(axes: [1]))
            }
            return try Tensor.concatenate(parts).reshape(1, -1)
        }
    }

    public var parameters: [Parameter] {
        guard part.ownsParameters else { return [] }
        let own = Parameter(name: key + ".lora_magnitude_vector", role: .scale(initial: 1), tensor: magnitude)
        return lowRank.parameters + [own]
    }

    /// - Throws: `ModuleError.isGone` when the model has been freed.
    private func linear() throws(ModuleError) -> Linear {
        guard let linear = layer.linear else { throw .isGone(path: key) }
        return linear
    }

    /// m / ‖W + s B A‖, `[1, out]`.
    private func factor() throws -> Tensor {
        // Trained parameters change with every step, so only a constant factor is cached.
        let isConstant = !magnitude.requiresGrad
        if isConstant, let known, known.scale == scale { return known.factor }
        let matrix = try linear().matrix.frozen
        let norms = try noGrad {
            let down = lowRank.down.detach(), up = try part.rows(of: lowRank.up.detach()).contiguous()
            let s = Double(scale)
            let crossed = try Fused.linear(down, [(matrix, nil)])[0].transposed()  // [out, rank]
            let own = try up.matmul(down.matmul(down.transposed()))  // [out, rank]
            let mixed = try (crossed * (2 * s) + own * (s * s)) * up
            return try (squares + mixed.sum(axes: [1]).reshape(1, -1)).maximum(1e-30).sqrt()  // [1, out]
        }
        let factor = try part.rows(of: magnitude).reshape(1, -1) / norms
        known = isConstant ? (factor, scale) : nil
        return factor
    }

    public func callAsFunction(_ x: Tensor, _ y: Tensor, _ draw: AdapterDraw?) throws -> Tensor {
        // In training with dropout, PEFT also drops inputs of W; here only those of A are dropped, which fits the
        // merged form.
        guard let bias = try linear().bias else { return try (y + lowRank.update(x, draw)) * factor() }
        let row = try bias.reshape(1, -1)
        return try (y - row + lowRank.update(x, draw)) * factor() + row
    }

    public func merged(_ weight: Tensor, bias: Tensor?) throws -> (weight: Tensor, bias: Tensor?) {
        let whole = try lowRank.merged(weight, bias: bias).weight
        return (try whole * factor().reshape(-1, 1), bias)
    }
}

extension WeightMatrix {
    /// The matrix without gradients.
    fileprivate var frozen: any WeightMatrix { (self as? Tensor)?.detach() ?? self }
}

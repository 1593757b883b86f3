import MartletTensor

/// (x R) Wᵀ with R orthogonal and block-diagonal, which keeps the angles between the rows of W (OFT, Qiu et al. 2023;
/// as a rotation of the input, Qiu et al. 2025).
///
/// Each block of R is the Cayley transform of a skew-symmetric Q, R = (I − Q)(I + Q)⁻¹, or its truncated Neumann series
/// I + 2 (Q + Q² + … ) + Qⁿ as in PEFT, which needs no inverse. The parameters are the numbers of Q above its diagonal,
/// `[blocks, size (size − 1) / 2]`, initialised with 0.
public final class RotationAdapter: LinearAdapter {
    public let name: String
    public var isEnabled = true
    public let angles: Tensor
    public let blockSize: Int
    /// The number of terms of the Neumann series; nil for the Cayley transform.
    public let neumannTerms: Int?
    private let inputs: Int
    private let key: String
    private let part: JoinedPart?

    /// - Parameter angles: `[blocks, size (size − 1) / 2]`, or `[1, size (size − 1) / 2]` where all blocks share one
    ///   Q.
    /// - Throws: `ModuleError.wrongShape` when `angles` or the block size does not fit the layer.
    public init(
        of layer: Linear, angles: Tensor, blockSize: Int, neumannTerms: Int?, part: JoinedPart? = nil,
        key: String? = nil, name: String = "default"
    ) throws {
        let blocks = layer.inputSize / max(blockSize, 1)
        guard blockSize > 0, layer.inputSize % blockSize == 0, angles.rank == 2,
            angles.shape[1] == blockSize * (blockSize - 1) / 2, angles.shape[0] == blocks || angles.shape[0] == 1
        else {
            throw ModuleError.wrongShape(
                path: layer.path, found: "\(angles.shape) of blocks of \(blockSize)",
                expected: "[\(blocks) or 1, \(blockSize * (blockSize - 1) / 2)], blocks that divide \(layer.inputSize)")
        }
        (self.angles, self.blockSize, self.neumannTerms, inputs) = (angles, blockSize, neumannTerms, layer.inputSize)
        (self.key, self.name, self.part) = (key ?? layer.path, name, part)
    }

    public var parameters: [Parameter] {
        // Weight decay would pull Q towards 0, no rotation, so it has the role of a bias, which is not decayed.
        part.ownsParameters ? [Parameter(name: key + ".oft_R.weight", role: .bias, tensor: angles)] : []
    }

    public var changesInput: Bool { true }

    public func input(_ x: Tensor) throws -> Tensor {
        let blocks = inputs / blockSize, tokens = x.shape[0]
        let turned = try x.reshape([tokens, blocks, blockSize]).transpose(0, 1).matmul(rotations())
        return try turned.transpose(0, 1).reshape([tokens, inputs])  // [tokens, in]
    }

    public func callAsFunction(_ x: Tensor, _ y: Tensor, _ draw: AdapterDraw?) throws -> Tensor { y }

    /// W Rᵀ, since (x R) Wᵀ = x (W Rᵀ)ᵀ.
    public func merged(_ weight: Tensor, bias: Tensor?) throws -> (weight: Tensor, bias: Tensor?) {
        let blocks = inputs / blockSize, outputs = weight.shape[0]
        let turned = try weight.reshape([outputs, blocks, blockSize]).transpose(0, 1).matmul(rotations().transposed())
        return (try turned.transpose(0, 1).reshape([outputs, inputs]), bias)
    }

    /// R, `[blocks or 1, size, size]`.
    func rotations() throws -> Tensor {
        let q = try skew()
        let identity = try Tensor.eye(blockSize, dtype: q.dtype).reshape([1, blockSize, blockSize])
        guard let terms = neumannTerms else { return try cayley(q, identity) }
        guard terms > 1 else { return try identity + q * 0.0 }
        var sum = try identity + q * 2.0
        guard terms > 2 else { return sum }
        var power = try q.matmul(q)
        sum = try sum + power * 2.0
        for _ in 3..<max(terms - 1, 3) {
            power = try power.matmul(q)
            sum = try sum + power * 2.0
        }
        return try sum + power.matmul(q)
    }

    /// Q of each block: the parameters above the diagonal, their negatives below.
    private func skew() throws -> Tensor {
        let size = blockSize, blocks = angles.shape[0]
        var places = [Int64](repeating: 0, count: size * size), signs = [Float](repeating: 0, count: size * size)
        var next: Int64 = 0
        for row in 0..<size {
            for column in (row + 1)..<max(size, row + 1) {
                (places[row * size + column], places[column * size + row]) = (next, next)
                (signs[row * size + column], signs[column * size + row]) = (1, -1)
                next += 1
            }
        }
        guard next > 0 else { return try Tensor.zeros([blocks, size, size], dtype: angles.dtype) }
        let spread = try angles.indexSelect(1, Tensor(places))  // [blocks, size * size]
        let signed = try spread * Tensor(signs, shape: [1, size * size]).to(angles.dtype)
        return try signed.reshape([blocks, size, size])
    }

    /// (I − Q)(I + Q)⁻¹ of each block.
    private func cayley(_ q: Tensor, _ identity: Tensor) throws -> Tensor {
        try (identity - q).matmul(Self.inverse(identity + q))
    }

    /// The inverses of `[blocks, n, n]` by Newton's iteration X ← X (2 I − M X) from Mᵀ / ‖M‖², which converges
    /// quadratically; I + Q with a skew-symmetric Q is well conditioned.
    private static func inverse(_ m: Tensor) throws -> Tensor {
        let size = m.shape[2]
        let identity = try Tensor.eye(size, dtype: m.dtype).reshape([1, size, size])
        // The inverse is found without the tape; one more iteration on the tape gives the gradient of the inverse.
        let found = try noGrad {
            let plain = m.detach()
            let squared = try plain.square().sum(axes: [1, 2], keepDimensions: true)
            var x = try plain.transposed() / squared
            for _ in 0..<60 {
                let next = try x.matmul(identity * 2.0 - plain.matmul(x))
                let change: Double = try (next - x).abs().max(axes: []).item()
                x = next
                if change < 1e-7 { break }
            }
            return x
        }
        return try found.matmul(identity * 2.0 - m.matmul(found))
    }
}

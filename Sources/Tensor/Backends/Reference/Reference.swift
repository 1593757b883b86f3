/// Every fused operation as its formula: a composition of plain operations in float64, with gradients from the tape.
///
/// Read it beside a kernel to learn what the kernel computes; tests compare the kernels with it. Fused operations on
/// float64 tensors are computed here, so a model with float64 parameters is computed by the reference from end to end:
///
/// ```
/// MARTLET_BACKEND=reference martlet logits MODEL "text" --out logits.safetensors
/// ```
/// MARTLET_BACKEND=reference martlet logits MODEL "text" --out logits.safetensors
/// ```
///
/// It is slow, and holds in memory everything that a fused operation never stores.
public enum Reference {
    public static func linear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], values: Bool = true
    ) throws(TensorError) -> [Tensor] {
        try layers.map { (layer) throws(TensorError) in try linear(x, layer.weight, bias: layer.bias) }
    }

    /// Y = X Wᵀ + b.  x `[tokens, in]`, W `[out, in]`, b `[out]` -> `[tokens, out]`
    public static func linear(
        _ x: Tensor, _ weight: any WeightMatrix, bias: Tensor? = nil
    ) throws(TensorError) -> Tensor {
        let product = try x.matmul(matrix(weight).transposed())  // [tokens, out]
        guard let bias else { return product }
        return try product + bias
    }

    /// Y = X Wᵀ + s (X Aᵀ) Bᵀ + b.  A `[rank, in]`, B `[out, rank]`
    package static func adaptedLinear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], _ terms: [LowRankTerm?],
        values: Bool = true
    ) throws(TensorError) -> [Tensor] {
        var outputs: [Tensor] = []
        for (layer, term) in zip(layers, terms) {
            let output = try linear(x, layer.weight, bias: layer.bias)
            outputs.append(try term.map { (term) throws(TensorError) in try output + lowRank(x, term) } ?? output)
        }
        return outputs
    }

    /// s (X Aᵀ) Bᵀ.  X `[tokens, in]`, A `[rank, in]`, B `[out, rank]` -> `[tokens, out]`
    static func lowRank(_ x: Tensor, _ term: LowRankTerm) throws(TensorError) -> Tensor {
        let down = try term.down.to(x.dtype), up = try term.up.to(x.dtype)
        return try x.matmul(down.transposed()).matmul(up.transposed()) * Double(term.scale)
    }

    /// Adds low-rank terms to some rows of the results, in place.
    package static func addLowRank(
        _ x: Tensor, _ parts: [LowRankPart], to outputs: [Tensor]
    ) throws(TensorError) {
        for part in parts {
            let rows = try outputs[part.output].narrow(0, from: part.rows.lowerBound, length: part.rows.count)
            let own = try x.narrow(0, from: part.rows.lowerBound, length: part.rows.count)
            let term: LowRankTerm
            switch part.form {
            case .plain(let given): term = given
            case .packed(let terms, let index): term = terms.unpacked(index)
            }
            try rows.copy(from: rows.copied() + lowRank(own, term))
        }
    }

    /// The matrix as float64; a trainable matrix stays the leaf of the tape that it is.
    static func matrix(_ weight: any WeightMatrix) throws(TensorError) -> Tensor {
        if let tensor = weight as? Tensor, tensor.dtype == .float64 { return tensor }
        return try weight.float32Matrix().to(.float64)
    }

    /// scale · table[id] for every id.  table `[vocabulary, width]` -> `[ids, width]`
    public static func embed(_ ids: [Int32], _ table: Tensor, scale: Float) throws(TensorError) -> Tensor {
        let rows = try table.take(rows: Tensor(ids.map(Int64.init)))
        return scale == 1 ? rows : try rows * Double(scale)
    }

    /// A matrix of zeros with the rows of x at the given row numbers.  x `[rows, width]` -> `[count, width]`
    public static func placeRows(_ x: Tensor, at rows: [Int32], of count: Int) throws(TensorError) -> Tensor {
        let zeros = try Tensor.zeros([count, x.shape[1]], dtype: x.dtype)
        return try zeros.indexAdd(0, Tensor(rows.map(Int64.init)), x)
    }

    /// silu(x) = x σ(x), gelu(x) = x Φ(x) or its tanh approximation, relu(x) = max(x, 0); elementwise.
    public static func activate(_ x: Tensor, _ function: Fused.PointwiseFunction) throws(TensorError) -> Tensor {
        switch function {
        case .silu: try x.silu()
        case .gelu: try x.gelu()
        case .geluTanh: try x.gelu(approximate: true)
        case .relu: try x.relu()
        }
    }

    /// f(gate) · up, elementwise.
    public static func gate(
        _ gate: Tensor, _ up: Tensor, _ function: Fused.PointwiseFunction
    ) throws(TensorError) -> Tensor {
        try activate(gate, function) * up
    }

    /// x + y.
    public static func add(_ x: Tensor, _ y: Tensor) throws(TensorError) -> Tensor { try x + y }

    /// x ← x + row for every row of x, in place.
    public static func addRow(_ row: Tensor, to x: Tensor) throws(TensorError) { try x += row }

    /// cap · tanh(x / cap).
    public static func softCap(_ x: Tensor, _ cap: Float) throws(TensorError) -> Tensor {
        try (x / Double(cap)).tanh() * Double(cap)
    }

    /// exp(x − lse(x)) along the last dimension, where lse is the logarithm of the sum of exponentials.
    public static func softmax(_ x: Tensor) throws(TensorError) -> Tensor {
        try (x - x.logSumExp(axes: [-1], keepDimensions: true)).exp()
    }
}

import MartletTensor

/// A small change of the result of a linear layer, with its own parameters; the parameters of the layer stay unchanged.
///
/// A new kind is one file, which implements three things: the change of the result, the trained parameters, and the
/// matrix after merging.
public protocol LinearAdapter: AnyObject {
    /// The name of the adapter; "default" is PEFT's name where none is given.
    var name: String { get }
    var isEnabled: Bool { get set }
    /// The parameters for an optimiser.
    var parameters: [Parameter] { get }
    /// The low-rank term, if that is all the adapter adds: it is computed together with the layer's own product. Nil
    /// for other kinds, and where dropout is applied to the input first.
    /// - Parameter draw: the key of the dropout, in training.
    func term(_ draw: AdapterDraw?) throws -> LowRankTerm?
    /// Whether the adapter replaces the input x of the layer.
    var changesInput: Bool { get }
    /// The input of the layer instead of x: `[tokens, in]`.
    func input(_ x: Tensor) throws -> Tensor

    /// The result of the layer with the adapter applied; consumes `y`.
    /// - Parameters:
    ///   - x: the input of the layer, `[tokens, in]`.
    ///   - y: the result of the layer, `[tokens, out]`.
    ///   - draw: the key of the dropout, in training.
    func callAsFunction(_ x: Tensor, _ y: Tensor, _ draw: AdapterDraw?) throws -> Tensor

    /// The matrix `[out, in]` and bias of the layer with the adapter merged into them, as float32; on the tape where
    /// the adapter is trained.
    func merged(_ weight: Tensor, bias: Tensor?) throws -> (weight: Tensor, bias: Tensor?)
}

extension LinearAdapter {
    public func term(_ draw: AdapterDraw?) throws -> LowRankTerm? { nil }
    public var changesInput: Bool { false }
    public func input(_ x: Tensor) throws -> Tensor { x }

    public func callAsFunction(_ x: Tensor, _ y: Tensor) throws -> Tensor { try self(x, y, nil) }
}

/// The key of the dropout of adapters: which inputs are dropped in training is a function of these numbers and the
/// layer's path, as in `DecoderDropout`.
public struct AdapterDraw: Sendable, Equatable {
    public var seed: UInt64
    public var step: Int
    /// The number of tokens of this step in earlier passes.
    public var firstToken: Int

    public init(seed: UInt64, step: Int, firstToken: Int) {
        (self.seed, self.step, self.firstToken) = (seed, step, firstToken)
    }

    /// x `[tokens, in]` with dropout of the given probability.
    func dropped(_ x: Tensor, _ probability: Double, path: String) throws -> Tensor {
        // FNV-1a of the path.
        let site = path.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let stream = RandomStream(
            seed: seed ^ site, stream: UInt64(step) << 12 | 0xada,
            position: UInt64(firstToken * (x.shape.last ?? 1) * 2))
        return try x.dropout(probability, stream: stream)
    }
}

/// The rows of a joined matrix that a layer computes, where checkpoint files store several layers as one matrix: of
/// GPT-2's `c_attn` the queries are the first third. An adapter belongs to the joined matrix: its layers share A, and
/// each uses its own rows of B.
public struct JoinedPart: Sendable, Equatable {
    public var rows: Range<Int>
    /// The first layer of the joined matrix owns the parameters, so that an optimiser gets them once.
    public var isFirst: Bool

    public init(rows: Range<Int>, isFirst: Bool) { (self.rows, self.isFirst) = (rows, isFirst) }
}

extension JoinedPart? {
    /// The rows of this part in a tensor that belongs to the joined matrix.
    func rows(of whole: Tensor) throws -> Tensor {
        guard let part = self else { return whole }
        return try whole.narrow(0, from: part.rows.lowerBound, length: part.rows.count)
    }

    var ownsParameters: Bool { self?.isFirst ?? true }
}

import MartletTensor

/// A small change of the result of a linear layer, with its own parameters; the parameters of the layer stay unchanged.
///
/// A new kind is one file, which implements three things: the change of the result, the trained parameters, and the
/// matrix after merging.
public protocol LinearAdapter: AnyObject {
    /// The name of the adapter; "default" is PEFT's name where none is given.
    var name: String { get }
    var isEnabled: Bool { get set }
    /// The factor on what the adapter adds; 1 for kinds that have none.
    var scale: Float { get }
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
    public var scale: Float { 1 }
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
    /// Within each group of rows.
    public var rows: Range<Int>
    /// Groups of rows that lie one after the other, as where each head's queries, keys and values stand together (GPT-NeoX,
    /// BLOOM, Falcon); 1 where the rows of a layer lie together.
    public var groups: Int
    /// The first layer of the joined matrix owns the parameters, so that an optimiser gets them once.
    public var isFirst: Bool

    public init(rows: Range<Int>, groups: Int = 1, isFirst: Bool) {
        (self.rows, self.groups, self.isFirst) = (rows, groups, isFirst)
    }

    /// Whether a joined matrix of so many rows holds the rows of a layer of so many outputs.
    func fits(_ joinedRows: Int, outputs: Int) -> Bool {
        joinedRows % groups == 0 && joinedRows / groups >= rows.upperBound && rows.count * groups == outputs
    }
}

extension JoinedPart? {
    /// The rows of this part in a tensor that belongs to the joined matrix.
    package func rows(of whole: Tensor) throws -> Tensor {
        guard let part = self else { return whole }
        guard part.groups > 1 else {
            return try whole.narrow(0, from: part.rows.lowerBound, length: part.rows.count)
        }
        let rest = Array(whole.shape.dropFirst())
        return try whole.reshape(Shape([part.groups, whole.shape[0] / part.groups] + rest))
            .narrow(1, from: part.rows.lowerBound, length: part.rows.count).contiguous()
            .reshape(Shape([part.groups * part.rows.count] + rest))
    }

    var ownsParameters: Bool { self?.isFirst ?? true }
}

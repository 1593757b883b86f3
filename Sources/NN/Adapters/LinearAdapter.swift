import MartletTensor

/// A small change to what a linear layer computes, with parameters of its own: the layer stays as it is.
///
/// A new kind is one file: what it adds, what it trains, and what the layer's matrix becomes when it is merged.
public protocol LinearAdapter: AnyObject {
    /// "default", as PEFT names the one that has no name.
    var name: String { get }
    var isEnabled: Bool { get set }
    /// What an optimiser works on.
    var parameters: [Parameter] { get }
    /// The product of low rank that is all it adds; such are computed together with the layer's own product. Nil for
    /// other kinds, and where the input is dropped out first.
    /// - Parameter draw: what is dropped, in training.
    func term(_ draw: AdapterDraw?) throws -> LowRankTerm?
    /// Whether the layer is to be given something else than x.
    var changesInput: Bool { get }
    /// What the layer is given in place of x, `[tokens, in]`.
    func input(_ x: Tensor) throws -> Tensor

    /// The layer's result with the adapter's part. `y` is used up.
    /// - Parameters:
    ///   - x: what the layer was given, `[tokens, in]`.
    ///   - y: what it computed, `[tokens, out]`.
    ///   - draw: what is dropped, in training.
    func callAsFunction(_ x: Tensor, _ y: Tensor, _ draw: AdapterDraw?) throws -> Tensor

    /// The layer's matrix `[out, in]` and bias with the adapter in them, as float32; on the tape where that records.
    func merged(_ weight: Tensor, bias: Tensor?) throws -> (weight: Tensor, bias: Tensor?)
}

extension LinearAdapter {
    public func term(_ draw: AdapterDraw?) throws -> LowRankTerm? { nil }
    public var changesInput: Bool { false }
    public func input(_ x: Tensor) throws -> Tensor { x }

    public func callAsFunction(_ x: Tensor, _ y: Tensor) throws -> Tensor { try self(x, y, nil) }
}

/// What an adapter drops of its input in training is a function of these and its layer, as `DecoderDropout` says.
public struct AdapterDraw: Sendable, Equatable {
    public var seed: UInt64
    public var step: Int
    /// Tokens of the step that were computed before this pass.
    public var firstToken: Int

    public init(seed: UInt64, step: Int, firstToken: Int) {
        (self.seed, self.step, self.firstToken) = (seed, step, firstToken)
    }

    /// x with a share of its numbers dropped, `[tokens, in]`.
    func dropped(_ x: Tensor, _ probability: Double, path: String) throws -> Tensor {
        // FNV-1a of the path.
        let site = path.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let stream = RandomStream(
            seed: seed ^ site, stream: UInt64(step) << 12 | 0xada,
            position: UInt64(firstToken * (x.shape.last ?? 1) * 2))
        return try x.dropout(probability, stream: stream)
    }
}

/// Which outputs of a matrix that files hold joined a layer computes: of GPT-2's `c_attn` the queries are the first third.
/// Adapters are of the joined matrix, so its parts share A, and each has its rows of B.
public struct JoinedPart: Sendable, Equatable {
    public var rows: Range<Int>
    /// The first part owns the parameters, so that an optimiser sees them once.
    public var isFirst: Bool

    public init(rows: Range<Int>, isFirst: Bool) { (self.rows, self.isFirst) = (rows, isFirst) }
}

extension JoinedPart? {
    /// The part's rows of what belongs to the joined matrix.
    func rows(of whole: Tensor) throws -> Tensor {
        guard let part = self else { return whole }
        return try whole.narrow(0, from: part.rows.lowerBound, length: part.rows.count)
    }

    var ownsParameters: Bool { self?.isFirst ?? true }
}

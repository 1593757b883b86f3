import MartletNN
import MartletTensor

/// One run of a model: which rows belong together, and what is asked of the run beside its result.
///
/// ```swift
/// let record = PassRecord(auxiliaryLosses: true)
/// let hidden = try decoder.hiddenStates(tokens, Pass(.whole([0..<tokens.count]), record: record))
/// let balance = record.auxiliaryLosses       // of the routers, on the tape
/// ```
public struct Pass {
    /// The rows of the pass: of sequences that go on from their caches, or of whole sequences and documents that see
    /// only themselves.
    public enum Rows {
        case cached([DecoderSequence])
        case whole([Range<Int>])
    }

    public var rows: Rows
    /// Of every row of whole sequences; from 0 in each of them when left out.
    public var positions: [Int32]?
    /// What is dropped, in training.
    public var dropout: DecoderDropout?
    /// For each sequence, in the order they are named, the adapters it is computed with; empty where none has any.
    public var adapters: [AdapterSet?]
    /// What is noted of the pass.
    public var record: PassRecord?
    /// Where the pass is looked at.
    package var observation: DecoderObservation?
    /// What cross-attention looks at.
    var memory: EncodedSource?
    /// The caches live no longer than the pass.
    var isTransient = false

    public init(
        _ rows: Rows, positions: [Int32]? = nil, dropout: DecoderDropout? = nil, adapters: [AdapterSet?] = [],
        record: PassRecord? = nil
    ) {
        self.rows = rows
        self.positions = positions
        self.dropout = dropout
        self.adapters = adapters
        self.record = record
    }
}

/// A run of rows of a batch that belong to one sequence and continue its cache.
public struct DecoderSequence: Sendable {
    public var rows: Range<Int>
    public var cache: KVCache

    public init(rows: Range<Int>, cache: KVCache) {
        self.rows = rows
        self.cache = cache
    }
}

/// What a pass leaves behind beside its hidden states.
public final class PassRecord {
    /// For each layer with a router, how many tokens each expert got.
    public private(set) var routerLoads: [Int: [Int]] = [:]
    /// For each layer with a router, in order: experts · Σ f P over the experts, f the share of the tokens that an expert
    /// got and P the mean of its probability (Fedus et al. 2021, eq. 4). Scalars on the tape; least where loads are even.
    public private(set) var auxiliaryLosses: [Tensor] = []
    /// The residual stream after each of the layers that were asked for, `[tokens, hidden]`, on the tape.
    public private(set) var residuals: [Int: Tensor] = [:]
    let wantsAuxiliaryLosses: Bool
    private let layers: Set<Int>

    public init(auxiliaryLosses: Bool = false, residualsAfter layers: Set<Int> = []) {
        wantsAuxiliaryLosses = auxiliaryLosses
        self.layers = layers
    }

    /// Whether anything is noted that gradients flow through.
    var isOnTape: Bool { wantsAuxiliaryLosses || !layers.isEmpty }

    func add(loads: [Int], probabilities: Tensor, layer: Int) throws {
        routerLoads[layer] = loads
        guard wantsAuxiliaryLosses else { return }
        let tokens = Double(max(probabilities.shape[0], 1))
        let share = try Tensor(loads.map { Double($0) / tokens }).to(probabilities.dtype)  // [experts]
        let loss = try (probabilities.mean(axes: [0]) * share).sum() * Double(loads.count)
        auxiliaryLosses.append(loss)
    }

    func see(residual x: Tensor, after layer: Int) {
        if layers.contains(layer) { residuals[layer] = x.copied() }
    }
}

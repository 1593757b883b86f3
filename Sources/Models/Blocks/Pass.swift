import MartletNN
import MartletTensor

/// The options of one forward pass: which rows belong to which sequence, and what is recorded besides the result.
///
/// ```swift
/// let record = PassRecord(auxiliaryLosses: true)
/// let hidden = try decoder.hiddenStates(tokens, Pass(.whole([0..<tokens.count]), record: record))
/// let balance = record.auxiliaryLosses       // of the routers, on the tape
/// ```
public struct Pass {
    /// The rows of the pass: of sequences that continue from their caches, or of whole sequences (or packed documents)
    /// that attend only to themselves.
    public enum Rows {
        case cached([DecoderSequence])
        case whole([Range<Int>])
    }

    public var rows: Rows
    /// The position of every row of whole sequences; by default counted from 0 in each.
    public var positions: [Int32]?
    /// Dropout, in training.
    public var dropout: DecoderDropout?
    /// What the tokens of each sequence see where that is not what the layers say, in the order of the sequences; empty
    /// if there is nothing of the kind.
    public var masks: [SequenceMask?]
    /// The adapters of each sequence, in the order of the sequences; empty if there are none.
    public var adapters: [AdapterSet?]
    /// Whether attention of whole sequences sums as it does over a cache: a token has the probability that it had when it
    /// was drawn, to the bit where the rest is computed alike.
    public var attendsInPages = false
    /// Receives auxiliary losses, router loads and residuals of the pass.
    public var record: PassRecord?
    /// How the experts of mixtures are chosen in training.
    public var routing: RouterTraining?
    /// Receives attention weights and residuals, and may switch heads off.
    package var observation: DecoderObservation?
    /// What cross-attention attends to.
    var memory: EncodedSource?
    /// The keys and values of the sources that sequences with a cache attend to, in the order of their rows: those of
    /// `EncoderDecoder.sourceCaches`. Empty for decoders without an encoder.
    package var sources: [KVCache] {
        get { if case .cached(let caches)? = memory { caches } else { [] } }
        set { memory = newValue.isEmpty ? nil : .cached(newValue) }
    }
    /// Whether the caches are only used during this pass.
    var isTransient = false

    public init(
        _ rows: Rows, positions: [Int32]? = nil, dropout: DecoderDropout? = nil, adapters: [AdapterSet?] = [],
        masks: [SequenceMask?] = [], record: PassRecord? = nil, routing: RouterTraining? = nil
    ) {
        self.rows = rows
        self.positions = positions
        self.dropout = dropout
        self.adapters = adapters
        self.masks = masks
        self.record = record
        self.routing = routing
    }
}

/// What the tokens of one sequence see in all layers, in place of the layers' own rule.
public enum SequenceMask: Sendable, Equatable {
    /// The first tokens of the sequence see each other, later ones too, as in a prefix language model (Raffel et al.
    /// 2020); the tokens after them see what comes before them. Over a cache, the prefix is computed in one pass.
    case prefix(Int)
    /// Each token sees the keys that a table names. Its queries are the tokens of the pass, its keys all positions of
    /// the sequence. Layers with a sliding window see those of them less than a window away.
    case table(AttentionTable)
}

extension AttentionReach {
    /// Whether a query sees no key after its own position.
    var isCausal: Bool {
        switch self {
        case .causal, .window, .chunk: true
        case .around, .everything, .prefix, .table: false
        }
    }

    /// What a query sees in a layer with this rule, in a sequence with a mask of its own.
    func masked(by mask: SequenceMask?) -> AttentionReach {
        switch (mask, self) {
        // Passes with masks are refused where a layer has chunks.
        case (nil, _), (.prefix, .everything), (.prefix, .around), (_, .chunk): self
        case (.prefix(let length), _): .prefix(length, window: window)
        case (.table(let table), _): .table(table, window: window)
        }
    }
}

/// A range of rows of a batch that belong to one sequence and continue its cache.
public struct DecoderSequence: Sendable {
    public var rows: Range<Int>
    public var cache: KVCache

    public init(rows: Range<Int>, cache: KVCache) {
        self.rows = rows
        self.cache = cache
    }
}

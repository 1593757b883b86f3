import MartletNN
import MartletTensor

/// What a layer stores of each position of a sequence.
public enum LayerCache: Sendable, Equatable {
    /// Keys and values, kept for all following positions.
    case kept(heads: Int, headDimension: Int, valueDimension: Int)
    /// Keys and values only while the layer is computed: the next layer overwrites them. This is enough for encoders.
    case transient(heads: Int, headDimension: Int, valueDimension: Int)
}

extension AttentionSpec {
    var cache: LayerCache {
        latent?.cache ?? .kept(heads: keyValueHeads, headDimension: scoreDimension, valueDimension: valueDimension)
    }
    var transientCache: LayerCache {
        .transient(heads: keyValueHeads, headDimension: scoreDimension, valueDimension: valueDimension)
    }
}

/// The key/value cache of one sequence, in blocks of `blockLength` positions for all layers (paged attention, Kwon et
/// al. 2023). Layers may have different numbers and dimensions of heads.
public final class KVCache: @unchecked Sendable {
    package static let blockLength = KVBlock.length

    /// The number of positions whose keys and values are complete in every layer.
    public private(set) var length = 0
    private let layouts: [KVLayout]
    let dtype: DType
    package private(set) var blocks: [KVBlock] = []
    private let ledger: KVBlockLedger?

    /// An empty cache for layers of these kinds: float16 for fast weights, float32 for exact ones.
    init(_ layers: [LayerCache], dtype: DType, ledger: KVBlockLedger? = nil) {
        var layouts: [KVLayout] = [], next = 0, shared: Int?
        for layer in layers {
            switch layer {
            case .kept(let heads, let size, let values):
                layouts.append(KVLayout(heads: heads, headDimension: size, valueDimension: values, offset: next))
                next += layouts[layouts.count - 1].elementCount
            case .transient(let heads, let size, let values):
                let layout = KVLayout(
                    heads: heads, headDimension: size, valueDimension: values, offset: shared ?? next)
                if shared == nil { shared = next }
                next = max(next, layout.offset + layout.elementCount)
                layouts.append(layout)
            }
        }
        self.layouts = layouts
        self.dtype = dtype
        self.ledger = ledger
        elementCount = next
    }

    private init(like other: KVCache) {
        (layouts, dtype, ledger, elementCount) = (other.layouts, other.dtype, other.ledger, other.elementCount)
    }

    public convenience init(_ configuration: DecoderConfiguration, precision: Precision) {
        self.init(configuration, precision: precision, ledger: nil)
    }

    /// A cache that starts with blocks that were computed before for the same tokens (prefix cache).
    /// - Parameters:
    ///   - ledger: counts the blocks of all caches created with it.
    ///   - length: the number of valid positions in `blocks`; the last block may be used partially.
    package convenience init(
        _ configuration: DecoderConfiguration, precision: Precision, ledger: KVBlockLedger?, blocks: [KVBlock] = [],
        length: Int = 0
    ) {
        self.init(
            configuration.layers.map(\.attention.cache), dtype: precision == .exact ? .float32 : .float16,
            ledger: ledger)
        precondition(blocks.count == blocksNeeded(length), "as many blocks as the length fills")
        self.blocks = blocks
        self.length = length
    }

    public var byteCount: Int { blocks.count * blockByteCount }

    /// Elements per block.
    private let elementCount: Int
    package var blockByteCount: Int { elementCount * dtype.blockByteCount }

    /// Drops every position from `length` on.
    public func truncate(to length: Int) {
        precondition((0...self.length).contains(length))
        self.length = length
        blocks.removeLast(blocks.count - blocksNeeded(length))
    }

    /// A copy that can continue differently, for beam search. The two share blocks until one of them writes to a block
    /// (copy on write).
    package func fork() -> KVCache {
        let fork = KVCache(like: self)
        fork.blocks = blocks
        fork.length = length
        return fork
    }

    private func blocksNeeded(_ length: Int) -> Int { Self.blocks(for: length) }

    /// The number of blocks for `length` positions.
    package static func blocks(for length: Int) -> Int { (length + blockLength - 1) / blockLength }

    /// The largest number of new blocks needed to grow to `length`: added blocks, and a copy of a shared last block.
    package func growth(to length: Int) -> Int {
        max(Self.blocks(for: length) - blocks.count, 0) + (self.length % Self.blockLength == 0 ? 0 : 1)
    }

    /// Allocates blocks for positions up to `length`; blocks that will be written to are not shared afterwards.
    func reserve(_ length: Int) {
        // Positions are only written from the current length on.
        for index in min(self.length / Self.blockLength, blocks.count)..<blocks.count
        where !isKnownUniquelyReferenced(&blocks[index]) {
            blocks[index] = blocks[index].copied()
        }
        while blocks.count < blocksNeeded(length) {
            blocks.append(KVBlock(byteCount: blockByteCount, ledger: ledger))
        }
    }

    func advance(by count: Int) { length += count }

    /// Writes keys `[tokens, heads · headDimension]` and values `[tokens, heads · valueDimension]` of `rows` at the
    /// positions after `length`.
    func append(_ keys: Tensor, _ values: Tensor, rows: Range<Int>, layer: Int) throws(TensorError) {
        try Fused.append(keys, values, rows: rows, to: blocks, at: length, layouts[layer], dtype)
    }

    /// softmax(scale · q kᵀ) v for every row and head of every sequence: q `[tokens, heads · headDimension]` ->
    /// `[tokens, heads · valueDimension]`.
    /// - Parameters:
    ///   - reaches: for each sequence, which keys its rows see.
    ///   - extending: whether the rows' own keys and values have been appended and are seen.
    static func attend(
        _ q: Tensor, _ sequences: [DecoderSequence], layer: Int, reaches: [AttentionReach], _ shape: AttentionShape,
        sinks: Tensor? = nil, extending: Bool = true
    ) throws(TensorError) -> Tensor {
        guard let first = sequences.first?.cache else { return Tensor(uninitialized: q.shape) }
        let queries = zip(sequences, reaches).map { sequence, reach in
            let cache = sequence.cache
            return PagedQueries(
                rows: sequence.rows, blocks: cache.blocks,
                keyCount: extending ? cache.length + sequence.rows.count : cache.length,
                firstPosition: extending ? cache.length : 0, reach: reach)
        }
        return try Fused.attention(q, queries, first.layouts[layer], first.dtype, shape, sinks: sinks)
    }
}

import CKernels
import MartletNN
import MartletTensor

/// Keys and values of one sequence, in blocks of `blockLength` positions for all layers; within a block laid out as
/// `martlet_attention.h` asks.
public final class KVCache: @unchecked Sendable {
    package static let blockLength = Int(MARTLET_PAGE_TOKENS)

    /// Positions whose keys and values are complete in every layer.
    public private(set) var length = 0
    let layers, heads, headDimension: Int
    let dtype: DType
    package private(set) var blocks: [KVBlock] = []
    private let ledger: KVBlockLedger?

    init(layers: Int, heads: Int, headDimension: Int, dtype: DType, ledger: KVBlockLedger? = nil) {
        self.ledger = ledger
        self.layers = layers
        self.heads = heads
        self.headDimension = headDimension
        self.dtype = dtype
    }

    /// An empty cache: float16 with fast weights, float32 with exact ones.
    public convenience init(_ configuration: DecoderConfiguration, precision: Precision) {
        self.init(
            layers: configuration.layerCount, heads: configuration.attention.keyValueHeads,
            headDimension: configuration.attention.storedHeadDimension, dtype: precision == .exact ? .float32 : .float16
        )
    }

    /// A cache that begins with blocks computed elsewhere for the same tokens.
    /// - Parameters:
    ///   - ledger: counts the blocks of all caches made with it.
    ///   - length: positions of `blocks` that count; the last block may be used in part.
    package init(
        _ configuration: DecoderConfiguration, precision: Precision, ledger: KVBlockLedger?, blocks: [KVBlock] = [],
        length: Int = 0
    ) {
        layers = configuration.layerCount
        heads = configuration.attention.keyValueHeads
        headDimension = configuration.attention.storedHeadDimension
        dtype = precision == .exact ? .float32 : .float16
        self.ledger = ledger
        precondition(blocks.count == blocksNeeded(length), "as many blocks as the length fills")
        self.blocks = blocks
        self.length = length
    }

    public var byteCount: Int { blocks.count * blockByteCount }

    var pageByteCount: Int { Self.blockLength * headDimension * dtype.blockByteCount }
    package var blockByteCount: Int { layers * heads * 2 * pageByteCount }

    /// Forgets every position from `length` on.
    public func truncate(to length: Int) {
        precondition((0...self.length).contains(length))
        self.length = length
        blocks.removeLast(blocks.count - blocksNeeded(length))
    }

    /// A cache that goes on from here in another way, as the beams of a search do. The blocks are shared until one of
    /// the two writes to them.
    package func fork() -> KVCache {
        let fork = KVCache(layers: layers, heads: heads, headDimension: headDimension, dtype: dtype, ledger: ledger)
        fork.blocks = blocks
        fork.length = length
        return fork
    }

    private func blocksNeeded(_ length: Int) -> Int { Self.blocks(for: length) }

    /// Blocks that hold `length` positions.
    package static func blocks(for length: Int) -> Int { (length + blockLength - 1) / blockLength }

    /// New blocks that growing to `length` takes at most: fresh ones, and a copy of a last block that is shared.
    package func growth(to length: Int) -> Int {
        max(Self.blocks(for: length) - blocks.count, 0) + (self.length % Self.blockLength == 0 ? 0 : 1)
    }

    /// Makes room for positions up to `length`, in blocks of this cache's own.
    func reserve(_ length: Int) {
        // Positions are only ever written from the present length on.
        for index in min(self.length / Self.blockLength, blocks.count)..<blocks.count
        where !isKnownUniquelyReferenced(&blocks[index]) {
            let own = KVBlock(byteCount: blockByteCount, ledger: ledger)
            own.pointer.copyMemory(from: blocks[index].pointer, byteCount: blockByteCount)
            blocks[index] = own
        }
        while blocks.count < blocksNeeded(length) {
            blocks.append(KVBlock(byteCount: blockByteCount, ledger: ledger))
        }
    }

    func advance(by count: Int) { length += count }

    /// Elements of one head's keys, or values, in a block.
    var pageElements: Int { Self.blockLength * headDimension }
    /// Where in a block a layer's keys begin, in elements: all heads' keys, then all heads' values.
    func keyOffset(_ layer: Int) -> Int { layer * heads * 2 * pageElements }
    func valueOffset(_ layer: Int) -> Int { keyOffset(layer) + heads * pageElements }
}

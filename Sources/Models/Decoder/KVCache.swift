import MartletNN
import MartletTensor

/// Keys and values of one sequence, in blocks of `blockLength` positions for all layers.
///
/// Within a block, a layer's key/value head holds its keys transposed, `[headDimension][blockLength]`, so that the lanes
/// of a vector are keys, and its values as `[blockLength][headDimension]`, so that they are dimensions: either way every
/// dot product is one chain in ascending order, however many queries are answered at once.
public final class KVCache: @unchecked Sendable {
    package static let blockLength = 32

    /// Positions whose keys and values are complete in every layer.
    public private(set) var length = 0
    let layers, heads, headDimension: Int
    let dtype: DType
    private(set) var blocks: [Storage] = []

    init(layers: Int, heads: Int, headDimension: Int, dtype: DType) {
        self.layers = layers
        self.heads = heads
        self.headDimension = headDimension
        self.dtype = dtype
    }

    /// An empty cache: float16 with fast weights, float32 with exact ones.
    public convenience init(_ configuration: DecoderConfiguration, precision: Precision) {
        self.init(
            layers: configuration.layerCount, heads: configuration.attention.keyValueHeads,
            headDimension: configuration.attention.headDimension, dtype: precision == .exact ? .float32 : .float16)
    }

    public var byteCount: Int { blocks.count * blockByteCount }

    var pageByteCount: Int { Self.blockLength * headDimension * dtype.blockByteCount }
    private var blockByteCount: Int { layers * heads * 2 * pageByteCount }

    /// Forgets every position from `length` on.
    public func truncate(to length: Int) {
        precondition((0...self.length).contains(length))
        self.length = length
        blocks.removeLast(blocks.count - blocksNeeded(length))
    }

    /// A copy that can be continued in another way, as the beams of a search are.
    public func copy(_ configuration: DecoderConfiguration, precision: Precision) -> KVCache {
        let copy = KVCache(configuration, precision: precision)
        copy.blocks = blocks.map { block in
            let twin = Storage(byteCount: blockByteCount)
            twin.pointer.copyMemory(from: block.pointer, byteCount: blockByteCount)
            return twin
        }
        copy.length = length
        return copy
    }

    private func blocksNeeded(_ length: Int) -> Int { (length + Self.blockLength - 1) / Self.blockLength }

    /// Makes room for positions up to `length`.
    func reserve(_ length: Int) {
        while blocks.count < blocksNeeded(length) {
            let block = Storage(byteCount: blockByteCount)
            // Positions not yet written are masked, but 0 · NaN would not be.
            block.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: blockByteCount)
            blocks.append(block)
        }
    }

    func advance(by count: Int) { length += count }

    /// Where in a block a head's keys begin; its values follow them.
    func keyOffset(_ layer: Int, _ head: Int) -> Int { (layer * heads + head) * 2 * pageByteCount }
}

/// Where one layer's keys and values lie in a block of a cache, as `martlet_attention.h` asks: all heads' keys, then all
/// heads' values.
package struct KVLayout: Sendable, Equatable {
    /// Key/value heads.
    package let heads: Int
    /// Numbers of a head.
    package let headDimension: Int
    /// Where in a block the layer begins, in elements.
    package let offset: Int

    package init(heads: Int, headDimension: Int, offset: Int) {
        self.heads = heads
        self.headDimension = headDimension
        self.offset = offset
    }

    /// Numbers of a head as stored: the kernels read multiples of eight, the rest is zero.
    package var storedDimension: Int { (headDimension + 7) / 8 * 8 }
    /// Elements of one head's keys, or values, in a block.
    var pageElements: Int { KVBlock.length * storedDimension }
    /// Elements of the layer in a block.
    package var elementCount: Int { heads * 2 * pageElements }
    var keyOffset: Int { offset }
    var valueOffset: Int { offset + heads * pageElements }
}

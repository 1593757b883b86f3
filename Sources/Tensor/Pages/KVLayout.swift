/// Where one layer's keys and values lie in a block of a cache, as `martlet_attention.h` asks: all heads' keys, then all
/// heads' values.
package struct KVLayout: Sendable, Equatable {
    /// Key/value heads.
    package let heads: Int
    /// Numbers of a head's keys, and of its values.
    package let headDimension, valueDimension: Int
    /// Where in a block the layer begins, in elements.
    package let offset: Int

    package init(heads: Int, headDimension: Int, valueDimension: Int, offset: Int) {
        self.heads = heads
        self.headDimension = headDimension
        self.valueDimension = valueDimension
        self.offset = offset
    }

    /// Numbers of a head as stored: the kernels read multiples of eight, the rest is zero.
    var storedKeys: Int { (headDimension + 7) / 8 * 8 }
    var storedValues: Int { (valueDimension + 7) / 8 * 8 }
    /// Elements of one head's keys, and of its values, in a block.
    var keyElements: Int { KVBlock.length * storedKeys }
    var valueElements: Int { KVBlock.length * storedValues }
    /// Elements of the layer in a block.
    package var elementCount: Int { heads * (keyElements + valueElements) }
    var keyOffset: Int { offset }
    var valueOffset: Int { offset + heads * keyElements }
}

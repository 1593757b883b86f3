/// Where the keys and values of one layer are in a cache block, as `martlet_attention.h` requires: the keys of all
/// heads, then the values of all heads.
package struct KVLayout: Sendable, Equatable {
    /// Key/value heads.
    package let heads: Int
    /// Dimension of each head's keys, and of its values.
    package let headDimension, valueDimension: Int
    /// The offset of the layer in a block, in elements.
    package let offset: Int

    package init(heads: Int, headDimension: Int, valueDimension: Int, offset: Int) {
        self.heads = heads
        self.headDimension = headDimension
        self.valueDimension = valueDimension
        self.offset = offset
    }

    /// Dimension of a head as stored: kernels read multiples of eight; the padding is zero.
    var storedKeys: Int { (headDimension + 7) / 8 * 8 }
    var storedValues: Int { (valueDimension + 7) / 8 * 8 }
    /// Elements of one head's keys, and of its values, in a block.
    var keyElements: Int { KVBlock.length * storedKeys }
    var valueElements: Int { KVBlock.length * storedValues }
    /// Elements of this layer in a block.
    package var elementCount: Int { heads * (keyElements + valueElements) }
    var keyOffset: Int { offset }
    var valueOffset: Int { offset + heads * keyElements }
}

/// Where the keys and values of one layer are in a cache block, as `martlet_attention.h` requires: the keys of all
/// heads, then the values of all heads, unless these are parts of the keys.
package struct KVLayout: Sendable, Equatable {
    /// Key/value heads.
    package let heads: Int
    /// Dimension of each head's keys, and of its values.
    package let headDimension, valueDimension: Int
    /// The offset of the layer in a block, in elements; in bytes where the cache is quantised, as everything here.
    package let offset: Int
    /// Whether a value is the first numbers of its key and not stored again (latent attention).
    package let sharesValues: Bool
    /// What the stored dimension of a head is a multiple of.
    let multiple: Int
    /// Of a quantised cache.
    private let bits: Int?

    /// - Parameters:
    ///   - sharesValues: whether values are the first `valueDimension` numbers of keys. Quantised caches store them again all
    ///     the same: their codes depend on how many numbers are turned together.
    ///   - dtype: heads of a quantised cache are multiples of 32, others are read in eights.
    package init(
        heads: Int, headDimension: Int, valueDimension: Int, offset: Int, sharesValues: Bool = false,
        dtype: DType = .float16
    ) {
        multiple = dtype.isQuantized ? dtype.blockLength : 8
        bits = dtype.isQuantized ? (dtype == .q4_0 ? 4 : 8) : nil
        self.sharesValues = sharesValues && !dtype.isQuantized
        self.heads = heads
        self.headDimension = headDimension
        self.valueDimension = valueDimension
        self.offset = offset
    }

    /// Dimension of a head as stored, padded with zeros.
    var storedKeys: Int { (headDimension + multiple - 1) / multiple * multiple }
    var storedValues: Int { (valueDimension + multiple - 1) / multiple * multiple }
    /// Elements of one head's keys, and of its values, in a block.
    var keyElements: Int {
        bits.map { CPU.pageBytes(bits: $0, keys: true, dimension: storedKeys) } ?? KVBlock.length * storedKeys
    }
    var valueElements: Int {
        if sharesValues { return 0 }
        return bits.map { CPU.pageBytes(bits: $0, keys: false, dimension: storedValues) }
            ?? KVBlock.length * storedValues
    }
    /// Elements of this layer in a block.
    package var elementCount: Int { heads * (keyElements + valueElements) }
    var keyOffset: Int { offset }
    var valueOffset: Int { offset + heads * keyElements }

    /// Bytes of so many elements of a cache of this type.
    package static func byteCount(_ elements: Int, _ dtype: DType) -> Int {
        dtype.isQuantized ? elements : elements * dtype.blockByteCount
    }
}

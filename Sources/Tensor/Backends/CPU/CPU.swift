import CKernels

/// The kernels of the processor: float32, and weights in the formats they are stored in. This folder alone calls them.
enum CPU {
    /// Positions of a block of keys and values.
    static let pageTokens = Int(MARTLET_PAGE_TOKENS)
}

import CKernels

/// Processor kernels for float32 and for weights in their stored formats. Only this folder calls C kernels.
enum CPU {
    /// Positions per page of keys and values.
    static let pageTokens = Int(MARTLET_PAGE_TOKENS)
}

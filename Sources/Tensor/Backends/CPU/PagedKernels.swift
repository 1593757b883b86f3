import CKernels

/// The kernels of a type of cache.
struct PagedKernels {
    let append: martlet_append
    let attend: martlet_attend

    /// - Parameter sumsInFloat64: of a cache of float32: whether scores, weights and sums are float64.
    init(_ dtype: DType, sumsInFloat64: Bool = false) {
        let table = martlet_kernels_active().pointee.attention
        switch dtype {
        case .float32: (append, attend) = (table.append_f32, sumsInFloat64 ? table.attend_wide : table.attend_f32)
        case .q8_0: (append, attend) = (table.append_q8, table.attend_q8)
        case .q4_0: (append, attend) = (table.append_q4, table.attend_q4)
        default: (append, attend) = (table.append_f16, table.attend_f16)
        }
    }
}

extension CPU {
    /// Bytes of a block's keys of one head, or of its values, in a quantised cache.
    static func pageBytes(bits: Int, keys: Bool, dimension: Int) -> Int {
        martlet_cache_page_bytes(Int32(bits), keys, dimension)
    }
}

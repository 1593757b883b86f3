import CKernels

/// The kernels of a type of cache.
struct PagedKernels {
    let append: martlet_append
    let attend: martlet_attend

    init(_ dtype: DType) {
        let table = martlet_kernels_active().pointee.attention
        switch dtype {
        case .float32: (append, attend) = (table.append_f32, table.attend_f32)
        case .q8_0: (append, attend) = (table.append_q8, table.attend_q8)
        case .q4_0: (append, attend) = (table.append_q4, table.attend_q4)
        default: (append, attend) = (table.append_f16, table.attend_f16)
        }
    }
}

/// Where a layer's keys and values lie in a block, in what the kernels count: elements, or bytes of a quantised cache.
struct PageUnits {
    let keyOffset, valueOffset, keyStride, valueStride: Int

    init(_ layout: KVLayout, _ dtype: DType) {
        func units(_ elements: Int) -> Int {
            dtype.isQuantized ? elements / dtype.blockLength * dtype.blockByteCount : elements
        }
        keyOffset = units(layout.keyOffset)
        valueOffset = units(layout.valueOffset)
        keyStride = units(layout.keyElements)
        valueStride = units(layout.valueElements)
    }
}

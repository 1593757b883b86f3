import CKernels
import MartletTensor

/// What attention masks and scales.
struct AttentionOptions {
    var scale: Float
    var softCap: Float?
    /// The number of latest positions seen, or nil for all.
    var window: Int?
    var isCausal = true
}

extension KVCache {
    /// Query rows of one task: enough that a page of keys is read for several of them.
    private static let rowsOfTask = 96

    private var kernels: martlet_attention_kernels { martlet_kernels_active().pointee.attention }

    /// Writes the keys and values of `rows`, `[tokens, heads · headDimension]`, at the positions after `length`.
    func append(_ keys: Tensor, _ values: Tensor, rows: Range<Int>, layer: Int) {
        let width = heads * headDimension
        let kernel = dtype == .float32 ? kernels.append_f32 : kernels.append_f16
        withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer.self, capacity: max(blocks.count, 1)) { pages in
            for (index, block) in blocks.enumerated() { pages.initializeElement(at: index, to: block.pointer) }
            guard let pages = pages.baseAddress else { return }
            var arguments = martlet_append_arguments(
                keys: keys.floats + rows.lowerBound * width, values: values.floats + rows.lowerBound * width,
                key_stride: width, value_stride: width, tokens: rows.count, first_position: length,
                key_pages: pages, value_pages: pages, key_offset: keyOffset(layer), value_offset: valueOffset(layer),
                key_head_stride: pageElements, value_head_stride: pageElements, head_dimension: headDimension)
            kernel(&arguments, 0, heads)
        }
    }

    /// softmax(scale · q kᵀ) v for every row and head of every sequence. `q` and `output` are
    /// `[tokens, heads · headDimension]`; the rows' own keys and values have been appended.
    static func attend(
        _ q: Tensor, _ sequences: [DecoderSequence], layer: Int, heads: Int, _ options: AttentionOptions,
        into output: Tensor
    ) {
        for sequence in sequences where !sequence.rows.isEmpty {
            sequence.cache.attend(q, sequence.rows, layer: layer, heads: heads, options, into: output)
        }
    }

    private func attend(
        _ q: Tensor, _ rows: Range<Int>, layer: Int, heads queryHeads: Int, _ options: AttentionOptions,
        into output: Tensor
    ) {
        let width = queryHeads * headDimension, group = queryHeads / heads
        let kernel = dtype == .float32 ? kernels.attend_f32 : kernels.attend_f16
        withUnsafeTemporaryAllocation(of: UnsafeRawPointer.self, capacity: max(blocks.count, 1)) { pages in
            for (index, block) in blocks.enumerated() {
                pages.initializeElement(at: index, to: UnsafeRawPointer(block.pointer))
            }
            guard let pages = pages.baseAddress else { return }
            let everything = 1 << 40
            let arguments = martlet_attention_arguments(
                queries: q.floats + rows.lowerBound * width, output: output.floats + rows.lowerBound * width,
                query_stride: width, output_stride: width, key_pages: pages, value_pages: pages,
                key_offset: keyOffset(layer), value_offset: valueOffset(layer), key_head_stride: pageElements,
                value_head_stride: pageElements, group: group, head_dimension: headDimension,
                key_count: length + rows.count, first_position: length,
                keys_before: options.window.map { $0 - 1 } ?? everything, keys_after: options.isCausal ? 0 : everything,
                scale: options.scale, soft_cap: options.softCap ?? 0, alibi_slopes: nil, sinks: nil)
            let all = rows.count * group
            let tasks = (all + Self.rowsOfTask - 1) / Self.rowsOfTask
            // Later rows see more keys: hand them out first, so that no thread is left with the longest at the end.
            ThreadPool.shared.run(tasks * heads) { index in
                let task = tasks - 1 - index / heads, head = index % heads
                var arguments = arguments
                kernel(&arguments, head, task * Self.rowsOfTask, min((task + 1) * Self.rowsOfTask, all))
            }
        }
    }
}

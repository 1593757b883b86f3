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

/// Query rows of one task: enough that a page of keys is read for several of them.
private let rowsOfTask = 96

extension KVCache {
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
        let sequences = sequences.filter { !$0.rows.isEmpty }
        let pageCount = sequences.reduce(0) { $0 + $1.cache.blocks.count }
        withUnsafeTemporaryAllocation(of: UnsafeRawPointer.self, capacity: max(pageCount, 1)) { pages in
            guard let firstPage = pages.baseAddress else { return }
            var parts: [Part] = []
            parts.reserveCapacity(sequences.count)
            var page = 0, tasks = 0
            for sequence in sequences {
                let arguments = sequence.cache.arguments(
                    q, sequence.rows, layer: layer, heads: heads, options, pages: firstPage + page, into: output)
                for block in sequence.cache.blocks {
                    pages.initializeElement(at: page, to: UnsafeRawPointer(block.pointer))
                    page += 1
                }
                let part = Part(
                    arguments: arguments, heads: sequence.cache.heads,
                    rows: sequence.rows.count * (heads / sequence.cache.heads), firstTask: tasks)
                tasks += part.taskCount
                parts.append(part)
            }
            guard let kernels = sequences.first?.cache.kernels, let dtype = sequences.first?.cache.dtype else { return }
            let kernel = dtype == .float32 ? kernels.attend_f32 : kernels.attend_f16
            // One region for all sequences: a step of sixteen replies is as many small tasks, not as many regions.
            parts.withUnsafeBufferPointer { parts in
                ThreadPool.shared.run(tasks) { task in
                    var index = 0
                    while index + 1 < parts.count, parts[index + 1].firstTask <= task { index += 1 }
                    parts[index].run(task - parts[index].firstTask, kernel)
                }
            }
        }
    }

    /// The attention of one sequence, cut into tasks of some rows of one head.
    private struct Part {
        let arguments: martlet_attention_arguments
        let heads: Int
        /// Query rows of one key/value head.
        let rows: Int
        let firstTask: Int

        private var rowTasks: Int { (rows + rowsOfTask - 1) / rowsOfTask }
        var taskCount: Int { rowTasks * heads }

        func run(_ index: Int, _ kernel: martlet_attend) {
            // Later rows see more keys: hand them out first, so that no thread is left with the longest at the end.
            let task = rowTasks - 1 - index / heads
            var arguments = arguments
            kernel(&arguments, index % heads, task * rowsOfTask, min((task + 1) * rowsOfTask, rows))
        }
    }

    private func arguments(
        _ q: Tensor, _ rows: Range<Int>, layer: Int, heads queryHeads: Int, _ options: AttentionOptions,
        pages: UnsafeMutablePointer<UnsafeRawPointer>, into output: Tensor
    ) -> martlet_attention_arguments {
        let width = queryHeads * headDimension, everything = 1 << 40
        return martlet_attention_arguments(
            queries: q.floats + rows.lowerBound * width, output: output.floats + rows.lowerBound * width,
            query_stride: width, output_stride: width, key_pages: pages, value_pages: pages,
            key_offset: keyOffset(layer), value_offset: valueOffset(layer), key_head_stride: pageElements,
            value_head_stride: pageElements, group: queryHeads / heads, head_dimension: headDimension,
            key_count: length + rows.count, first_position: length,
            keys_before: options.window.map { $0 - 1 } ?? everything, keys_after: options.isCausal ? 0 : everything,
            scale: options.scale, soft_cap: options.softCap ?? 0, alibi_slopes: nil, sinks: nil)
    }
}

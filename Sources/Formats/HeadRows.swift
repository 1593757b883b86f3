import MartletTensor

/// The two orders of a head's rows: files whose positions rotate neighbouring pairs have row i of the one half beside row i
/// of the other (Meta's Llamas, llama2.c, GGUF files of Llama's kind); transformers' folders of the same models have the
/// halves one behind the other.
package enum HeadRows {
    /// Whether the rows of a parameter are rotated by positions: those of queries and keys.
    package static func areRotated(_ name: String) -> Bool {
        name.contains("self_attn.q_proj.") || name.contains("self_attn.k_proj.")
    }

    /// From halves to pairs: for each row of the result, which of the given rows it is.
    package static func interleaved(_ rows: Int, head: Int) -> [Int] {
        (0..<rows).map { row in
            let within = row % head
            return row - within + (within % 2 == 0 ? within / 2 : head / 2 + within / 2)
        }
    }

    /// From pairs to halves: rows 0, 2, 4, … of every head before its rows 1, 3, 5, …
    package static func separated(_ rows: Int, head: Int) -> [Int] {
        (0..<rows).map { row in
            let within = row % head, half = head / 2
            return row - within + (within < half ? 2 * within : 2 * (within - half) + 1)
        }
    }
}

extension Tensor {
    /// Rows in another order, as they are stored: row i of the result is row `order[i]`.
    package func reordered(_ order: [Int]) -> Tensor {
        let rowBytes = shape[0] == 0 ? 0 : (dtype.byteCount(of: elementCount / shape[0]) ?? 0)
        let whole = contiguous()
        return Tensor(filling: shape, dtype: dtype) { target in
            for (index, row) in order.enumerated() {
                whole.leadingRows(row, count: 1).forEachHostRun { run in
                    let place = index * rowBytes
                    UnsafeMutableRawBufferPointer(rebasing: target[place..<place + run.count]).copyMemory(from: run)
                }
            }
        }
    }
}

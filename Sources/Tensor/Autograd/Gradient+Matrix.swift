/// Gradient of the matrix product.
extension Tensor {
    /// Records `result = a b`: dA = dC Bᵀ, dB = Aᵀ dC, summed over broadcast batches.
    static func recordMatrixProduct(_ a: Tensor, _ b: Tensor, _ result: Tensor) -> Tensor {
        guard isRecording(a, b) else { return result }
        let (left, right) = (a.withoutOrigin, b.withoutOrigin)
        return result.recorded("matmul", [a, b], saved: [left, right]) { flow in
            // A vector operand as the row or column it was multiplied as.
            let row = left.rank == 1 ? try left.unsqueeze(0) : left
            let column = right.rank == 1 ? try right.unsqueeze(1) : right
            var gradient = try flow.gradient
            if left.rank == 1 { gradient = try gradient.unsqueeze(right.rank == 1 ? -1 : -2) }
            if right.rank == 1 { gradient = try gradient.unsqueeze(-1) }
            if flow.needs(0) {
                let back = try gradient.matmul(column.transposed())
                try flow.give(0, back.summed(to: row.shape).reshape(left.shape))
            }
            if flow.needs(1) {
                // One matrix for the whole batch: the batch becomes additional rows, so the product itself sums over
                // it.
                if column.rank == 2, row.rank > 2 {
                    let rows = try row.reshape(-1, row.shape[row.rank - 1])
                    let flat = try gradient.reshape(-1, gradient.shape[gradient.rank - 1])
                    try flow.give(1, rows.transposed().matmul(flat).reshape(right.shape))
                } else {
                    let back = try row.transposed().matmul(gradient)
                    try flow.give(1, back.summed(to: column.shape).reshape(right.shape))
                }
            }
        }
    }
}

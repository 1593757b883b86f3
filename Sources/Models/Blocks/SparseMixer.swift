import MartletTensor

/// The weights of SparseMixer's two experts in evaluation (Liu et al. 2024): of the first, softmax over the logits that
/// are near the highest one; of the second, the same without the first expert's logit.
///
/// A logit s is near the highest one m where (m − s) / max(|s|, m) ≤ 2 · jitter.
struct SparseMixer {
    /// `[tokens, experts]`.
    let logits: Tensor
    let jitter: Float

    /// - Parameters:
    ///   - first: the flat index of each token's first expert.
    ///   - chosen: flat indices of each token's experts in ascending order, token by token within each place.
    /// - Returns: `[2 * tokens, 1]`, in the order of `chosen`.
    func weights(first: ArraySlice<Int32>, chosen: [Int32]) throws -> Tensor {
        let tokens = logits.shape[0], experts = logits.shape[1]
        let values = try logits.detach().toArray(as: Float.self)
        var far = [[Float]](repeating: [Float](repeating: 0, count: values.count), count: 2)
        for token in 0..<tokens {
            let best = Int(first[first.startIndex + token]), row = token * experts..<(token + 1) * experts
            for place in 0..<2 {
                let others = place == 0 ? Array(row) : row.filter { $0 != best }
                let highest = others.map { values[$0] }.max() ?? 0
                for index in row {
                    let distance = (highest - values[index]) / max(abs(values[index]), highest)
                    if distance > 2 * jitter || (place == 1 && index == best) { far[place][index] = -1e30 }
                }
            }
        }
        let parts = try far.map { mask in
            try Fused.softmax(logits + Tensor(mask, shape: logits.shape))  // [tokens, experts]
        }
        let column = try Tensor.concatenate(parts).reshape(-1, 1)  // [2 * tokens * experts, 1]
        let places = chosen.enumerated().map { index, expert in
            first[first.startIndex + index % tokens] == expert ? expert : expert + Int32(values.count)
        }
        return try Fused.embed(places, column, scale: 1)
    }
}

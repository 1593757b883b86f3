import MartletNN
import MartletTensor

/// A sparse mixture of experts: each token is processed by the `active` experts with the highest router probability,
/// and their results are summed with these probabilities as weights (Shazeer et al. 2017; Jiang et al. 2024).
///
///     y = Σ over selected experts e of p_e · expert_e(x),   p = softmax(x Wᵀ)
///
/// All operations are recorded on the tape, so the router is trained through the weights of the selected experts. A
/// token's experts are summed in ascending order, so the result does not depend on the other tokens.
final class MixtureOfExperts {
    let gate: Linear
    let experts: [FeedForward]
    let layer: Int
    let spec: RouterSpec

    init(
        _ source: ParameterSource, _ name: String, layer: Int, _ feedForward: FeedForwardSpec, _ spec: RouterSpec,
        hidden: Int
    ) {
        gate = Linear(source, name + ".gate", from: hidden, to: spec.count)
        experts = (0..<spec.count).map {
            FeedForward(source, "\(name).experts.\($0)", feedForward, hidden: hidden)
        }
        self.layer = layer
        self.spec = spec
    }

    func callAsFunction(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        let tokens = x.shape[0]
        guard tokens > 0 else { return x }
        let probabilities = try Fused.softmax(gate(x, pass.adapters))  // [tokens, experts]
        let choice = Choice(try probabilities.detach().toArray(as: Float.self), tokens: tokens, spec)
        try pass.record?.add(loads: choice.rowsOfExpert.map(\.count), probabilities: probabilities, layer: layer)
        // The rows of every expert, expert after expert.
        var results: [Tensor] = []
        for (expert, rows) in choice.rowsOfExpert.enumerated() where !rows.isEmpty {
            let input = try Fused.embed(rows, x, scale: 1)  // [rows, hidden]
            results.append(try experts[expert](input, pass.adapters.narrowed(to: rows)))  // [rows, hidden]
        }
        let all = results.count == 1 ? results[0] : try Tensor.concatenate(results)  // [tokens * active, hidden]
        // The first expert of all tokens, then their second, and so on; these groups are added in this order.
        let weighted = try Fused.embed(choice.places, all, scale: 1) * weights(probabilities, choice, tokens)
        var output = try weighted.narrow(0, from: 0, length: tokens)  // [tokens, hidden]
        for place in 1..<max(spec.active, 1) {
            output = try Fused.add(output, weighted.narrow(0, from: place * tokens, length: tokens))
        }
        return output
    }

    /// The weights of the first, second, … expert of each token in ascending order: `[active * tokens, 1]`.
    private func weights(_ probabilities: Tensor, _ choice: Choice, _ tokens: Int) throws -> Tensor {
        let column = try probabilities.reshape(-1, 1)  // [tokens * experts, 1]
        let chosen = try Fused.embed(choice.ascending, column, scale: 1)  // [active * tokens, 1]
        guard spec.normalizesWeights else { return chosen }
        // In order of descending probability.
        let likely = try Fused.embed(choice.likely, column, scale: 1).reshape(spec.active, tokens)
        let total = try likely.cumulativeSum(0).narrow(0, from: spec.active - 1, length: 1)  // [1, tokens]
        return try (chosen.reshape(spec.active, tokens) / total).reshape(-1, 1)  // [active * tokens, 1]
    }

    /// Which experts process each token.
    private struct Choice {
        /// For each expert, its tokens in ascending order.
        var rowsOfExpert: [[Int32]]
        /// The flat indices of the probabilities of each token's most likely expert, then of its second most likely,
        /// and so on.
        var likely: [Int32]
        /// The same with each token's experts in ascending order.
        var ascending: [Int32]
        /// For each token's experts in ascending order: the row of the result in the concatenated results of all
        /// experts.
        var places: [Int32]

        /// With equal probabilities the expert with the lower index is preferred.
        init(_ probabilities: [Float], tokens: Int, _ spec: RouterSpec) {
            rowsOfExpert = Array(repeating: [], count: spec.count)
            let empty = [Int32](repeating: 0, count: spec.active * tokens)
            (likely, ascending, places) = (empty, empty, empty)
            for token in 0..<tokens {
                let first = token * spec.count, own = probabilities[first..<first + spec.count]
                let order = own.indices.sorted { own[$0] != own[$1] ? own[$0] > own[$1] : $0 < $1 }
                    .prefix(spec.active)
                for (place, index) in order.enumerated() { likely[place * tokens + token] = Int32(index) }
                for (place, index) in order.sorted().enumerated() {
                    ascending[place * tokens + token] = Int32(index)
                    // Relative to the expert's own rows; the start of these rows is added at the end.
                    places[place * tokens + token] = Int32(rowsOfExpert[index - first].count)
                    rowsOfExpert[index - first].append(Int32(token))
                }
            }
            var start: [Int] = [], next = 0
            for rows in rowsOfExpert {
                start.append(next)
                next += rows.count
            }
            for index in places.indices {
                places[index] += Int32(start[Int(ascending[index]) - index % tokens * spec.count])
            }
        }
    }
}

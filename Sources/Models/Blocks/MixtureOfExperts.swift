import MartletNN
import MartletTensor

/// A sparse mixture: each token goes through the `active` experts its router likes best, weighted by the router's
/// softmax (Shazeer et al. 2017; Jiang et al. 2024).
///
/// Every step is an operation of the tape, so the router learns through the weights of the experts it chose. A token's
/// sum goes over its experts in ascending order, so it does not depend on its neighbours.
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
        // The rows of every expert, one expert behind the other.
        var results: [Tensor] = []
        for (expert, rows) in choice.rowsOfExpert.enumerated() where !rows.isEmpty {
            let input = try Fused.embed(rows, x, scale: 1)  // [rows, hidden]
            results.append(try experts[expert](input, pass.adapters.narrowed(to: rows)))
        }
        let all = results.count == 1 ? results[0] : try Tensor.concatenate(results)  // [tokens * active, hidden]
        let weights = try weights(probabilities, choice)
        // An expert after the other, in ascending order for each token.
        var output: Tensor?
        for place in 0..<spec.active {
            let part = try Fused.embed(choice.places[place], all, scale: 1) * weights[place]  // [tokens, hidden]
            output = try output.map { try Fused.add($0, part) } ?? part
        }
        return output ?? x
    }

    /// For the first, second, … expert of each token in ascending order, its weight: `[tokens, 1]` each.
    private func weights(_ probabilities: Tensor, _ choice: Choice) throws -> [Tensor] {
        let column = try probabilities.reshape(-1, 1)  // [tokens * experts, 1]
        let likely = try choice.likely.map { try Fused.embed($0, column, scale: 1) }  // [tokens, 1] each
        let total = spec.normalizesWeights ? try likely.dropFirst().reduce(likely[0]) { try $0 + $1 } : nil
        return try choice.ascending.map { ids in
            let chosen = try Fused.embed(ids, column, scale: 1)
            return try total.map { try chosen / $0 } ?? chosen
        }
    }

    /// Which experts each token goes through.
    private struct Choice {
        /// For each expert, its tokens in ascending order.
        var rowsOfExpert: [[Int32]]
        /// For the likeliest, second likeliest, … expert: where each token's probability stands among all.
        var likely: [[Int32]]
        /// The same for a token's experts in ascending order.
        var ascending: [[Int32]]
        /// For a token's experts in ascending order: the row of each among the results of all.
        var places: [[Int32]]

        /// The lower index counts more where probabilities are equal.
        init(_ probabilities: [Float], tokens: Int, _ spec: RouterSpec) {
            rowsOfExpert = Array(repeating: [], count: spec.count)
            let empty = [[Int32]](repeating: [], count: spec.active)
            (likely, ascending, places) = (empty, empty, empty)
            var within: [[Int]] = []
            for token in 0..<tokens {
                let first = token * spec.count, own = probabilities[first..<first + spec.count]
                let order = own.indices.sorted { own[$0] != own[$1] ? own[$0] > own[$1] : $0 < $1 }
                    .prefix(spec.active)
                let sorted = order.sorted()
                for (place, index) in order.enumerated() { likely[place].append(Int32(index)) }
                for (place, index) in sorted.enumerated() { ascending[place].append(Int32(index)) }
                within.append(sorted.map { rowsOfExpert[$0 - first].count })
                for index in sorted { rowsOfExpert[index - first].append(Int32(token)) }
            }
            var start: [Int] = [], next = 0
            for rows in rowsOfExpert {
                start.append(next)
                next += rows.count
            }
            for token in 0..<tokens {
                for place in 0..<spec.active {
                    let expert = Int(ascending[place][token]) - token * spec.count
                    places[place].append(Int32(start[expert] + within[token][place]))
                }
            }
        }
    }
}

import MartletNN
import MartletTensor

/// A sparse mixture of experts: each token is processed by the `active` experts with the highest router probability,
/// and their results are summed with these probabilities as weights (Shazeer et al. 2017; Jiang et al. 2024).
///
///     y = Σ over selected experts e of p_e · expert_e(x) + shared(x),   p = softmax(x Wᵀ) or σ(x Wᵀ)
///
/// All operations are recorded on the tape, so the router is trained through the weights of the selected experts. A
/// token's experts are summed in ascending order, so the result does not depend on the other tokens.
final class MixtureOfExperts {
    let gate: Linear
    let selectionBias: SelectionBias?
    let experts: [FeedForward]
    let shared: FeedForward?
    let sharedGate: Linear?
    let layer: Int
    let spec: RouterSpec

    init(
        _ source: ParameterSource, _ name: String, layer: Int, _ feedForward: FeedForwardSpec, _ spec: RouterSpec,
        hidden: Int
    ) {
        gate = Linear(source, name + ".gate", from: hidden, to: spec.count, bias: spec.hasBias)
        selectionBias =
            spec.hasSelectionBias
            ? SelectionBias(source, name + ".gate.e_score_correction_bias", experts: spec.count) : nil
        experts = (0..<spec.count).map {
            FeedForward(source, "\(name).experts.\($0)", feedForward, hidden: hidden)
        }
        shared = spec.shared.map { shared in
            var own = feedForward
            own.size = shared.size
            return FeedForward(source, name + ".shared_experts", own, hidden: hidden)
        }
        sharedGate =
            spec.shared?.isGated == true ? Linear(source, name + ".shared_experts_gate", from: hidden, to: 1) : nil
        self.layer = layer
        self.spec = spec
    }

    func callAsFunction(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        let tokens = x.shape[0]
        guard tokens > 0 else { return x }
        let logits = try gate(x, pass.adapters)  // [tokens, experts]
        var mixed: SparseMixer?
        if case .sparseMixer(let jitter) = spec.scoring { mixed = SparseMixer(logits: logits.copied(), jitter: jitter) }
        let probabilities = try spec.scoring == .sigmoid ? logits.sigmoid() : Fused.softmax(logits)
        let choice = Choice(
            ExpertSelection(spec, bias: try selectionBias?.values()),
            try probabilities.detach().toArray(as: Float.self), tokens: tokens)
        try pass.record?.add(
            loads: choice.rowsOfExpert.map(\.count), probabilities: shares(probabilities), layer: layer)
        let chosen =
            try mixed?.weights(first: choice.likely.prefix(tokens), chosen: choice.ascending)
            ?? weights(probabilities, choice, tokens)  // [active * tokens, 1]
        let places = try spec.scalesInputs ? weightsByExpert(chosen, choice) : nil
        // The rows of every expert, expert after expert.
        var results: [Tensor] = [], first = 0
        for (expert, rows) in choice.rowsOfExpert.enumerated() where !rows.isEmpty {
            var input = try Fused.embed(rows, x, scale: 1)  // [rows, hidden]
            if let places { input = try input * places.narrow(0, from: first, length: rows.count) }
            first += rows.count
            results.append(try experts[expert](input, pass.adapters.narrowed(to: rows)))  // [rows, hidden]
        }
        let all = results.count == 1 ? results[0] : try Tensor.concatenate(results)  // [tokens * active, hidden]
        // The first expert of all tokens, then their second, and so on; these groups are added in this order.
        var weighted = try Fused.embed(choice.places, all, scale: 1)
        if !spec.scalesInputs { weighted = try weighted * chosen }
        var output = try weighted.narrow(0, from: 0, length: tokens)  // [tokens, hidden]
        for place in 1..<max(spec.active, 1) {
            output = try Fused.add(output, weighted.narrow(0, from: place * tokens, length: tokens))
        }
        guard let shared else { return output }
        var common = try shared(x, pass.adapters)  // [tokens, hidden]
        if let sharedGate { common = try common * sharedGate(x, pass.adapters).sigmoid() }
        return try Fused.add(output, common)
    }

    /// Probabilities that sum to one over the experts, as the balance loss takes them.
    private func shares(_ probabilities: Tensor) throws -> Tensor {
        spec.scoring != .sigmoid
            ? probabilities : try probabilities / probabilities.sum(1, keepDimensions: true)  // [tokens, experts]
    }

    /// The weights in the order of the experts' rows: `[tokens * active, 1]`.
    private func weightsByExpert(_ chosen: Tensor, _ choice: Choice) throws -> Tensor {
        var order = [Int32](repeating: 0, count: choice.places.count)
        for (index, place) in choice.places.enumerated() { order[Int(place)] = Int32(index) }
        return try Fused.embed(order, chosen, scale: 1)
    }

    /// The weights of the first, second, … expert of each token in ascending order: `[active * tokens, 1]`.
    private func weights(_ probabilities: Tensor, _ choice: Choice, _ tokens: Int) throws -> Tensor {
        let column = try probabilities.reshape(-1, 1)  // [tokens * experts, 1]
        let chosen = try Fused.embed(choice.ascending, column, scale: 1)  // [active * tokens, 1]
        guard spec.normalizesWeights else { return spec.scale == 1 ? chosen : try chosen * spec.scale }
        // In the order of selection.
        let likely = try Fused.embed(choice.likely, column, scale: 1).reshape(spec.active, tokens)
        var total = try likely.cumulativeSum(0).narrow(0, from: spec.active - 1, length: 1)  // [1, tokens]
        if spec.scoring == .sigmoid { total = try total + 1e-20 }
        let shares = try (chosen.reshape(spec.active, tokens) / total).reshape(-1, 1)  // [active * tokens, 1]
        return spec.scale == 1 ? shares : try shares * spec.scale
    }

    /// Which experts process each token.
    private struct Choice {
        /// For each expert, its tokens in ascending order.
        var rowsOfExpert: [[Int32]]
        /// The flat indices of the probabilities of each token's first selected expert, then of its second, and so on.
        var likely: [Int32]
        /// The same with each token's experts in ascending order.
        var ascending: [Int32]
        /// For each token's experts in ascending order: the row of the result in the concatenated results of all
        /// experts.
        var places: [Int32]

        init(_ selection: ExpertSelection, _ probabilities: [Float], tokens: Int) {
            let spec = selection.spec
            rowsOfExpert = Array(repeating: [], count: spec.count)
            let empty = [Int32](repeating: 0, count: spec.active * tokens)
            (likely, ascending, places) = (empty, empty, empty)
            for token in 0..<tokens {
                let first = token * spec.count
                let order = selection.experts(probabilities[first..<first + spec.count]).map { first + $0 }
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

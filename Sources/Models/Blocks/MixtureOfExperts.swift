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
    private let norms: MixtureNorms?
    let layer: Int
    let spec: RouterSpec

    init(
        _ source: ParameterSource, _ name: String, layer: Int, _ block: LayerSpec, _ spec: RouterSpec, hidden: Int
    ) {
        let feedForward = block.feedForward
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
        norms =
            spec.hasOwnNorms ? MixtureNorms(source, name, block.norm, experts: spec.count, hidden: hidden) : nil
        self.layer = layer
        self.spec = spec
    }

    /// `[tokens, hidden]` -> same.
    /// - Parameter residual: the residual stream that x is the norm of, where experts see that.
    func callAsFunction(_ x: Tensor, residual: Tensor, _ pass: PassContext) throws -> Tensor {
        let tokens = x.shape[0]
        guard tokens > 0 else { return x }
        var logits = try gate(norms?.routed(residual) ?? x, pass.adapters)  // [tokens, experts]
        try pass.record?.add(logits: logits)
        if let routing = pass.routing { logits = try routing.noisy(logits, layer: layer) }
        var mixed: SparseMixer?
        if case .sparseMixer(let jitter) = spec.scoring { mixed = SparseMixer(logits: logits.copied(), jitter: jitter) }
        var probabilities = try spec.scoring == .sigmoid ? logits.sigmoid() : Fused.softmax(logits)
        // SparseMixer weighs by the logits, so that other probabilities could not take effect.
        if let observation = pass.observation, mixed == nil {
            probabilities = try observation.altered(.router(layer), probabilities)
        }
        let choice = try assignment(probabilities, tokens, pass.routing)
        try pass.record?.add(choice, probabilities: shares(probabilities), layer: layer)
        var chosen =
            try mixed?.weights(first: choice.likely.prefix(tokens), chosen: choice.ascending)
            ?? weights(probabilities, choice, tokens)  // [places * tokens, 1]
        if let norms { chosen = try norms.scaled(chosen, places: choice.ascending) }
        let given = try norms?.given(residual) ?? x  // [tokens, hidden]
        let places = try spec.scalesInputs ? weightsByExpert(chosen, choice) : nil
        // The rows of every expert, expert after expert.
        var results: [Tensor] = [], first = 0
        for (expert, rows) in choice.rowsOfExpert.enumerated() where !rows.isEmpty {
            var input = try Fused.embed(rows, given, scale: 1)  // [rows, hidden]
            if let places { input = try input * places.narrow(0, from: first, length: rows.count) }
            first += rows.count
            results.append(try experts[expert](input, pass.adapters.narrowed(to: rows)))  // [rows, hidden]
        }
        // What was dropped adds nothing.
        if choice.hasEmptyPlaces { results.append(try Tensor.zeros([1, x.shape[1]], dtype: x.dtype)) }
        let all = results.count == 1 ? results[0] : try Tensor.concatenate(results)  // [assigned rows, hidden]
        // The first expert of all tokens, then their second, and so on; these groups are added in this order.
        var weighted = try Fused.embed(choice.places, all, scale: 1)
        if !spec.scalesInputs { weighted = try weighted * chosen }
        var output = try weighted.narrow(0, from: 0, length: tokens)  // [tokens, hidden]
        for place in 1..<max(choice.width, 1) {
            output = try Fused.add(output, weighted.narrow(0, from: place * tokens, length: tokens))
        }
        guard let shared else { return output }
        var common = try shared(x, pass.adapters)  // [tokens, hidden]
        if let sharedGate { common = try common * sharedGate(x, pass.adapters).sigmoid() }
        if let norms { return try norms.joined(experts: output, shared: common) }
        return try Fused.add(output, common)
    }

    private func assignment(
        _ probabilities: Tensor, _ tokens: Int, _ routing: RouterTraining?
    ) throws -> ExpertAssignment {
        let values = try probabilities.detach().toArray(as: Float.self)
        guard let routing, routing.choice == .experts else {
            let capacity = routing?.capacityFactor == nil ? nil : routing?.capacity(spec, tokens: tokens)
            return ExpertAssignment(
                ExpertSelection(spec, bias: try selectionBias?.values()), values, tokens: tokens, capacity: capacity)
        }
        guard spec.groups == nil, !spec.hasSelectionBias, spec.scoring == .softmax || spec.scoring == .sigmoid else {
            throw TensorError(
                .argument, "mixture",
                "experts cannot choose tokens where a router has groups, selection biases or a sparse mixer")
        }
        return ExpertAssignment(
            expertsOf: spec, values, tokens: tokens, capacity: routing.capacity(spec, tokens: tokens))
    }

    /// Probabilities that sum to one over the experts, as the balance loss takes them.
    private func shares(_ probabilities: Tensor) throws -> Tensor {
        spec.scoring != .sigmoid
            ? probabilities : try probabilities / probabilities.sum(1, keepDimensions: true)  // [tokens, experts]
    }

    /// The weights in the order of the experts' rows: `[assigned rows, 1]`.
    private func weightsByExpert(_ chosen: Tensor, _ choice: ExpertAssignment) throws -> Tensor {
        let rows = choice.rowCount
        var order = [Int32](repeating: 0, count: rows)
        for (index, place) in choice.places.enumerated() where Int(place) < rows { order[Int(place)] = Int32(index) }
        return try Fused.embed(order, chosen, scale: 1)
    }

    /// The weights of the first, second, … expert of each token in ascending order: `[places * tokens, 1]`.
    private func weights(_ probabilities: Tensor, _ choice: ExpertAssignment, _ tokens: Int) throws -> Tensor {
        let column = try probabilities.reshape(-1, 1)  // [tokens * experts, 1]
        var chosen = try Fused.embed(choice.ascending, column, scale: 1)  // [places * tokens, 1]
        guard spec.normalizesWeights else { return try chosen.scaled(by: spec.scale) }
        // In the order of selection.
        var likely = try Fused.embed(choice.likely, column, scale: 1).reshape(choice.width, tokens)
        var beside: Tensor?
        if let selected = choice.selected {
            let mask = try Tensor(selected, shape: [choice.width, tokens]).to(likely.dtype)
            likely = try likely * mask
            chosen = try chosen * mask.reshape(-1, 1)
            // A token without experts is divided by 1.
            beside = try mask.sum(0, keepDimensions: true) * -1 + 1
            beside = try beside?.clamp(min: Float(0), max: Float(1))
        }
        var total = try likely.cumulativeSum(0).narrow(0, from: choice.width - 1, length: 1)  // [1, tokens]
        if let beside { total = try total + beside }
        if spec.scoring == .sigmoid { total = try total + 1e-20 }
        let shares = try (chosen.reshape(choice.width, tokens) / total).reshape(-1, 1)  // [places * tokens, 1]
        return try shares.scaled(by: spec.scale)
    }
}

import MartletNN
import MartletTensor

/// down(act(gate(x)) · up(x)) (Shazeer 2020), or down(act(up(x))) where a family has no gate.
final class FeedForward {
    let gateProj: Linear?
    let upProj, downProj: Linear
    let activation: Activation

    init(_ source: ParameterSource, _ name: String, _ spec: DecoderConfiguration) {
        let hidden = spec.hiddenSize, size = spec.feedForward.size, bias = spec.feedForward.bias
        gateProj =
            spec.feedForward.isGated ? Linear(source, name + ".gate_proj", from: hidden, to: size, bias: bias) : nil
        upProj = Linear(source, name + ".up_proj", from: hidden, to: size, bias: bias)
        downProj = Linear(source, name + ".down_proj", from: size, to: hidden, bias: bias, role: .residualWeight)
        activation = spec.feedForward.activation
    }

    /// `[tokens, hidden]` -> same.
    func callAsFunction(_ x: Tensor) throws -> Tensor {
        guard let gateProj else {
            return try downProj(Fused.activate(upProj(x), activation.kernel))
        }
        let inner = try Linear.project(x, gateProj, upProj)
        return try downProj(Fused.gate(inner[0], inner[1], activation.kernel))
    }
}

/// A sparse mixture: each token goes through the `active` experts its router likes best, weighted by the router's
/// softmax (Shazeer et al. 2017; Jiang et al. 2024).
final class MixtureOfExperts {
    let gate: Linear
    let experts: [FeedForward]
    let spec: DecoderConfiguration.Experts

    init(
        _ source: ParameterSource, _ name: String, _ configuration: DecoderConfiguration,
        _ spec: DecoderConfiguration.Experts
    ) {
        gate = Linear(source, name + ".gate", from: configuration.hiddenSize, to: spec.count)
        experts = (0..<spec.count).map { FeedForward(source, "\(name).experts.\($0)", configuration) }
        self.spec = spec
    }

    func callAsFunction(_ x: Tensor) throws -> Tensor {
        let tokens = x.shape[0], hidden = x.shape[1]
        let scores = try Fused.softmax(gate(x))
        if Tensor.isRecording(scores, x) || x.dtype != .float32 { return try mixed(x, scores) }
        var rowsOfExpert: [[(row: Int, weight: Float)]] = Array(repeating: [], count: spec.count)
        let all = try scores.toArray(as: Float.self)
        for row in 0..<tokens {
            let (chosen, probabilities) = chosen(all, row)
            let total = spec.normalizesWeights ? chosen.reduce(0) { $0 + probabilities[$1] } : 1
            for expert in chosen { rowsOfExpert[expert].append((row, probabilities[expert] / total)) }
        }
        let output = Tensor(uninitialized: x.shape)
        output.floats.update(repeating: 0, count: tokens * hidden)
        // Experts in ascending order, so that a token's sum does not depend on its neighbours.
        for (expert, rows) in rowsOfExpert.enumerated() where !rows.isEmpty {
            let input = Tensor(uninitialized: [rows.count, hidden])
            for (index, entry) in rows.enumerated() {
                (input.floats + index * hidden).update(from: x.floats + entry.row * hidden, count: hidden)
            }
            let result = try experts[expert](input)
            for (index, entry) in rows.enumerated() {
                let source = result.floats + index * hidden, target = output.floats + entry.row * hidden
                for column in 0..<hidden { target[column] += entry.weight * source[column] }
            }
        }
        return output
    }

    /// The experts of a row, the likeliest first, the lower index on a tie.
    private func chosen(_ scores: [Float], _ row: Int) -> (ArraySlice<Int>, [Float]) {
        let probabilities = Array(scores[row * spec.count..<(row + 1) * spec.count])
        let order = probabilities.indices.sorted {
            probabilities[$0] != probabilities[$1] ? probabilities[$0] > probabilities[$1] : $0 < $1
        }
        return (order.prefix(spec.active), probabilities)
    }

    /// The same with every step on the tape: the router learns through the weights of the experts it chose.
    private func mixed(_ x: Tensor, _ scores: Tensor) throws -> Tensor {
        let tokens = x.shape[0]
        let all = try scores.detach().toArray(as: Float.self)
        var mask = [Float](repeating: 0, count: all.count)
        var rowsOfExpert: [[Int32]] = Array(repeating: [], count: spec.count)
        for row in 0..<tokens {
            for expert in chosen(all, row).0 {
                rowsOfExpert[expert].append(Int32(row))
                mask[row * spec.count + expert] = 1
            }
        }
        var weights = try scores * Tensor(mask, shape: scores.shape).to(scores.dtype)
        if spec.normalizesWeights { weights = try weights / weights.sum(axes: [1], keepDimensions: true) }
        var output = try Tensor.zeros(x.shape, dtype: x.dtype)
        for (expert, rows) in rowsOfExpert.enumerated() where !rows.isEmpty {
            let result = try experts[expert](Fused.embed(rows, x, scale: 1))
            let column = try weights.slice(1, from: expert, to: expert + 1).contiguous()
            let weighted = try result * Fused.embed(rows, column, scale: 1)
            output = try output + Fused.placeRows(weighted, at: rows, of: tokens)
        }
        return output
    }
}

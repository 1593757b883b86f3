import MartletModels
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Attention rollout: how much of each token reaches each other one through all layers, with the residual stream counted as
/// attention to oneself: R = Π (½ mean over heads of A + ½ I).
///
/// Source: Abnar and Zuidema 2020.
public enum AttentionRollout {
    /// `[tokens][tokens]`: rows add up to 1.
    public static func matrix(_ pass: ProbedPass, layerCount: Int) throws -> [[Double]] {
        let count = pass.tokens.count
        var whole = (0..<count).map { row in (0..<count).map { $0 == row ? 1.0 : 0 } }
        for layer in 0..<layerCount {
            let pattern = try pass(ActivationName(layer: layer, .pattern)), heads = pattern.shape[0]
            let values: [Float] = try pattern.toArray()
            var mean = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
            for head in 0..<heads {
                for row in 0..<count {
                    for column in 0..<count {
                        mean[row][column] += Double(values[(head * count + row) * count + column]) / Double(heads)
                    }
                }
            }
            for row in 0..<count {
                let sum = mean[row].reduce(0, +)
                for column in 0..<count {
                    // Sinks take a share that no token has.
                    mean[row][column] = 0.5 * mean[row][column] / max(sum, 1e-12) + (row == column ? 0.5 : 0)
                }
            }
            whole = (0..<count).map { row in
                (0..<count).map { column in
                    (0..<count).reduce(0) { $0 + mean[row][$1] * whole[$1][column] }
                }
            }
        }
        return whole
    }
}

/// Heads that look for what followed the last time: on random tokens written twice, the attention of a token of the second
/// half to the one after its first occurrence, and what the loss of the second half is without the heads that do so most.
///
/// Source: Olsson et al. 2022.
public struct InductionHeads: Sendable {
    /// `[layers][heads]`, from 0 to 1.
    public var scores: [[Double]]
    /// `[layers][heads]`: attention to the token before.
    public var previousTokenScores: [[Double]]
    /// Mean loss of the second half: as it is, without the best heads, and without as many others.
    public var loss: Double, lossWithout: Double, lossWithoutOthers: Double
    /// The heads that were switched off, best first.
    public var best: [DecoderHead]

    /// - Parameters:
    ///   - tokens: to draw from; special tokens have no place among them.
    ///   - length: tokens of each half.
    public init(
        _ probe: ModelProbe, drawingFrom tokens: [Int32], length: Int = 32, repeats: Int = 4, ablating count: Int = 2,
        seed: UInt64 = 1234
    ) throws {
        guard tokens.count > 1, length > 1, 2 * length <= ModelProbe.tokenLimit, repeats > 0 else {
            throw InterpretabilityError.badInput(
                "induction needs at least two tokens to draw from, and halves of 2 to \(ModelProbe.tokenLimit / 2)")
        }
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        func draw() -> Int32 {
            // SplitMix64 (Steele et al. 2014).
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return tokens[Int((z ^ (z >> 31)) % UInt64(tokens.count))]
        }
        let texts = (0..<repeats).map { _ in
            let half = (0..<length).map { _ in draw() }
            return half + half
        }
        let layers = probe.layerCount, heads = probe.headCount
        let names = Set((0..<layers).map { ActivationName(layer: $0, .pattern) })
        var scores = [[Double]](repeating: [Double](repeating: 0, count: heads), count: layers)
        var before = scores
        var loss = 0.0
        for text in texts {
            let pass = try probe.run(text, keeping: names)
            loss += try Self.loss(pass, from: length) / Double(repeats)
            for layer in 0..<layers {
                let values: [Float] = try pass(ActivationName(layer: layer, .pattern)).toArray(), size = text.count
                for head in 0..<heads {
                    func weight(_ row: Int, _ column: Int) -> Double {
                        Double(values[(head * size + row) * size + column])
                    }
                    let rows = length..<(2 * length)
                    let share = Double(rows.count * repeats)
                    for row in rows {
                        scores[layer][head] += weight(row, row - length + 1) / share
                        before[layer][head] += weight(row, row - 1) / share
                    }
                }
            }
        }
        let order = (0..<layers).flatMap { layer in (0..<heads).map { DecoderHead(layer: layer, head: $0) } }
            .sorted { scores[$0.layer][$0.head] > scores[$1.layer][$1.head] }
        let count = min(count, order.count / 2)
        func lossSwitchingOff(_ off: [DecoderHead]) throws -> Double {
            try texts.reduce(0) { sum, text in
                let edits = off.map { head in
                    ActivationEdit(ActivationName(layer: head.layer, .heads)) { own in
                        let result = own.copied(), size = own.shape[1] / heads
                        try result.slice(1, from: head.head * size, to: (head.head + 1) * size).fill(0)
                        return result
                    }
                }
                return try sum + Self.loss(probe.run(text, keeping: [] as Set, editing: edits), from: length)
                    / Double(repeats)
            }
        }
        (self.scores, previousTokenScores, self.loss, best) = (scores, before, loss, Array(order.prefix(count)))
        lossWithout = try lossSwitchingOff(Array(order.prefix(count)))
        lossWithoutOthers = try lossSwitchingOff(Array(order.suffix(count)))
    }

    /// The mean of −log p of the tokens after `start`.
    static func loss(_ pass: ProbedPass, from start: Int) throws -> Double {
        let values: [Float] = try pass.logits.toArray(), size = pass.logits.shape[1]
        var sum = 0.0
        let rows = start..<(pass.tokens.count - 1)
        for row in rows {
            let own = values[row * size..<(row + 1) * size], most = own.max() ?? 0
            let total = own.reduce(0.0) { $0 + exp(Double($1 - most)) }
            sum += log(total) - Double(own[row * size + Int(pass.tokens[row + 1])] - most)
        }
        return sum / Double(max(rows.count, 1))
    }
}

import MartletModels
import MartletNN
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The internal state of the model while it reads a short text: attention weights, the predictions of every layer
/// (logit lens), the norms of the residual stream, and the final prediction.
public struct Inspection: Sendable {
    public var tokens: [Int32]
    public var headsOff: Set<DecoderHead>
    public var headCount: Int
    /// For every layer with a router, in their order, which tokens each expert processes; empty for a dense model.
    public var experts: [MixtureLayer] = []
    /// For every layer `[heads, tokens, tokens]`: the attention weight of each query (row) on each key.
    public var attention: [[Float]]
    /// The logit lens: first the embeddings, then every layer; for each position the most probable next tokens if the
    /// final norm and the head were applied there. The last entry is the model's own prediction.
    public var lens: [[[TokenScore]]]
    /// Euclidean norm of the residual stream, `[layers + 1][tokens]`; the first are the embeddings.
    public var residualNorms: [[Float]]
    /// The logits after the last token, one per token of the vocabulary.
    public var logits: [Float]

    /// What a router makes of the tokens of a text.
    public struct MixtureLayer: Sendable, Equatable {
        public var layer: Int
        /// For each expert the places of its tokens in the text, in ascending order.
        public var tokensOfExpert: [[Int32]]
    }

    public struct TokenScore: Sendable, Equatable {
        public var token: Int32
        public var probability: Float
    }

    public var layerCount: Int { attention.count }

    /// The `count` largest logits, best first, the lower id first among equals.
    public func top(_ count: Int) -> [(token: Int32, logit: Float)] {
        logits.withUnsafeBufferPointer { logits in
            Self.largest(logits, count).map { (Int32($0), logits[$0]) }
        }
    }

    /// The indices of the `count` largest values in descending order: one pass with a short sorted list.
    static func largest(_ values: UnsafeBufferPointer<Float>, _ count: Int) -> [Int] {
        guard count > 0 else { return [] }
        var best: [Int] = []
        best.reserveCapacity(count + 1)
        for index in values.indices where best.count < count || values[index] > values[best[best.count - 1]] {
            let place = best.firstIndex { values[$0] < values[index] } ?? best.count
            best.insert(index, at: place)
            if best.count > count { best.removeLast() }
        }
        return best
    }
}

extension LanguageModel {
    /// The maximum number of tokens: attention takes memory of their square for every head.
    public static let inspectedTokens = 256

    /// Runs `tokens` through the model and returns what was observed. It computes on the caller's thread and does not
    /// block running generations.
    /// - Parameters:
    ///   - headsOff: attention heads whose output is replaced by zeros.
    ///   - lensTokens: the number of candidates kept per layer and position.
    /// - Throws: `OptionError` for no or too many tokens, a head that does not exist, or too many candidates;
    ///   `ModelError.tokenOutOfRange`, `ModelError.contextExceeded`.
    public func inspect(_ tokens: [Int32], headsOff: Set<DecoderHead> = [], lensTokens: Int = 5) throws -> Inspection {
        let spec = configuration
        func check(_ option: String, _ value: String, _ isGood: Bool, _ expected: String) throws {
            if !isGood { throw OptionError(option: option, value: value, expected: expected) }
        }
        try check(
            "tokens", "\(tokens.count) tokens", (1...Self.inspectedTokens).contains(tokens.count),
            "from 1 to \(Self.inspectedTokens)")
        try check("lens_top_k", "\(lensTokens)", (1...20).contains(lensTokens), "from 1 to 20")
        guard tokens.count <= spec.contextLength else {
            throw ModelError.contextExceeded(tokens: tokens.count, limit: spec.contextLength)
        }
        for off in headsOff {
            let isThere =
                (0..<spec.layerCount).contains(off.layer) && (0..<spec.attention.heads).contains(off.head)
                && spec.layers[off.layer].recurrent == nil
            try check(
                "heads_off", "[\(off.layer), \(off.head)]", isThere,
                "a layer of attention below \(spec.layerCount) and a head below \(spec.attention.heads)")
        }
        let observation = DecoderObservation(headsOff: headsOff), record = PassRecord(rowsOfExperts: true)
        let hidden = try decoder.hiddenStates(tokens, observing: observation, precision: precision, record: record)
        let last = try decoder.logits(hidden.leadingRows(tokens.count - 1, count: 1))
        return Inspection(
            tokens: tokens, headsOff: headsOff, headCount: spec.attention.heads,
            experts: record.rowsOfExperts.sorted { $0.key < $1.key }
                .map { Inspection.MixtureLayer(layer: $0.key, tokensOfExpert: $0.value) },
            attention: observation.attention,
            lens: try observation.residuals.map { try lens($0, lensTokens) },
            residualNorms: try observation.residuals.map(Self.norms),
            logits: try last.toArray())
    }

    /// The most probable tokens after each row of a residual stream, a few rows at a time to bound the memory for
    /// logits.
    private func lens(_ residual: Tensor, _ count: Int) throws -> [[Inspection.TokenScore]] {
        var result: [[Inspection.TokenScore]] = []
        let rows = residual.shape[0]
        for start in stride(from: 0, to: rows, by: 32) {
            let part = residual.leadingRows(start, count: min(32, rows - start))
            let logits = try decoder.logits(ofResidual: part)
            let size = logits.shape[1]
            try logits.withHostValues { logits in
                for start in stride(from: 0, to: logits.count, by: size) {
                    let values = UnsafeBufferPointer(rebasing: logits[start..<start + size])
                    let best = Inspection.largest(values, count)
                    let top = best.first.map { values[$0] } ?? 0
                    let total = values.reduce(0.0) { $0 + Double(expf($1 - top)) }
                    result.append(
                        best.map { .init(token: Int32($0), probability: Float(Double(expf(values[$0] - top)) / total)) }
                    )
                }
            }
        }
        return result
    }

    private static func norms(_ residual: Tensor) throws -> [Float] {
        let width = residual.shape[1]
        return try residual.withHostValues { values in
            (0..<residual.shape[0]).map { row in
                let row = values[row * width..<(row + 1) * width]
                return Float(row.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
            }
        }
    }
}

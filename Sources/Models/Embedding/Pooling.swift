import MartletJSON
import MartletTensor

/// Pooling: how the vector of a text is computed from the vectors of its tokens.
/// Source: Reimers & Gurevych 2019; the keys are those of `1_Pooling/config.json`.
public struct Pooling: Sendable, Equatable {
    public enum Mode: String, Sendable, CaseIterable {
        /// The first token's vector.
        case cls
        /// The maximum of each column.
        case max
        case mean
        /// The sum divided by the square root of the number of tokens.
        case meanSquareRootLength = "mean_sqrt_len_tokens"
        /// The weighted mean in which the n-th token has weight n (Muennighoff 2022).
        case weightedMean = "weightedmean"
        /// The last token's vector, as usual for decoders.
        case last = "lasttoken"

        /// Its key in the older form of `1_Pooling/config.json`.
        package var flag: String {
            switch self {
            case .cls: "pooling_mode_cls_token"
            case .max: "pooling_mode_max_tokens"
            case .mean: "pooling_mode_mean_tokens"
            case .meanSquareRootLength: "pooling_mode_mean_sqrt_len_tokens"
            case .weightedMean: "pooling_mode_weightedmean_tokens"
            case .last: "pooling_mode_lasttoken"
            }
        }
    }

    /// The results of these modes are concatenated.
    public var modes: [Mode]
    /// Whether the tokens of a prompt are included.
    public var includesPrompt: Bool

    public init(_ modes: Mode..., includesPrompt: Bool = true) {
        self.modes = modes
        self.includesPrompt = includesPrompt
    }

    /// Reads `1_Pooling/config.json`, which exists in two forms: a flag per mode, or a list of names.
    init(_ reader: ConfigurationReader) throws(ModelError) {
        includesPrompt = try reader.flag("include_prompt", default: true)
        modes = []
        if let value = reader.json["pooling_mode"], !value.isNull {
            for name in value.array ?? [value] {
                guard let mode = name.string.flatMap(Mode.init) else {
                    throw .wrongValue(
                        file: reader.file, key: "pooling_mode", found: String(name.text().prefix(60)),
                        expected: Mode.allCases.map(\.rawValue).joined(separator: ", "))
                }
                modes.append(mode)
            }
        } else {
            for mode in Mode.allCases where try reader.flag(mode.flag, default: false) { modes.append(mode) }
            let flags = Mode.allCases.map(\.flag)
            let unknown = reader.json.object?.first { key, value in
                key.hasPrefix("pooling_mode_") && value.bool == true && !flags.contains(key)
            }
            if let unknown {
                throw .wrongValue(
                    file: reader.file, key: unknown.key, found: "true",
                    expected: flags.joined(separator: ", "))
            }
        }
        if modes.isEmpty { modes = [.mean] }
    }

    /// The vector of one text: `[modes · width]`.
    ///
    /// Sums run over the tokens in ascending order, so the vector does not depend on the other texts of the batch.
    /// - Parameters:
    ///   - states: the states of all texts, `[tokens, width]`.
    ///   - rows: the rows of this text.
    ///   - prompt: how many of these rows are a prompt, including what the tokenizer adds before it.
    func pool(_ states: Tensor, rows: Range<Int>, prompt: Int) throws(TensorError) -> Tensor {
        let skipped = includesPrompt ? 0 : Swift.min(prompt, rows.count)
        let kept = rows.dropFirst(skipped)
        var parts: [Tensor] = []
        for mode in modes { parts.append(try pool(mode, states, rows, kept)) }
        return parts.count == 1 ? parts[0] : try Tensor.concatenate(parts)
    }

    private func pool(
        _ mode: Mode, _ states: Tensor, _ rows: Range<Int>, _ kept: Range<Int>
    ) throws(TensorError) -> Tensor {
        func row(_ index: Int) throws(TensorError) -> Tensor { try states.select(0, index) }  // [width]
        switch mode {
        case .cls where !rows.isEmpty: return try row(kept.first ?? rows.lowerBound).copied()
        case .last where !rows.isEmpty: return try row(rows.upperBound - 1).copied()
        case .max where !kept.isEmpty:
            return try states.narrow(0, from: kept.lowerBound, length: kept.count).max(axes: [0])
        case .cls, .last: return try Tensor.zeros([states.shape[1]])
        case .max: return try Tensor.full([states.shape[1]], -Double.infinity, dtype: states.dtype)
        case .mean, .meanSquareRootLength, .weightedMean:
            var sum = try Tensor.zeros([states.shape[1]], dtype: states.dtype), total: Float = 0
            for index in kept {
                let weight = mode == .weightedMean ? Float(index - rows.lowerBound + 1) : 1
                sum = try sum + (weight == 1 ? row(index) : row(index) * weight)
                total += weight
            }
            return try sum / Swift.max(mode == .meanSquareRootLength ? total.squareRoot() : total, 1e-9)
        }
    }
}

extension Pooling {
    /// The vectors of all texts, `[texts, modes · width]`, as one product for each mode that is a weighted sum: what training
    /// takes, since its gradient is one product too.
    /// - Parameters:
    ///   - states: the states of all texts, `[tokens, width]`.
    ///   - ranges: the rows of each text.
    ///   - prompts: how many of them are a prompt.
    func pool(_ states: Tensor, _ ranges: [Range<Int>], prompts: [Int]) throws -> Tensor {
        let tokens = states.shape[0]
        var parts: [Tensor] = []
        for mode in modes {
            if mode == .max {
                parts.append(
                    try Tensor.stack(
                        ranges.indices.map { try pool(mode, states, ranges[$0], kept(ranges, prompts, $0)) }))
                continue
            }
            var weights = [Float](repeating: 0, count: ranges.count * tokens)
            for index in ranges.indices {
                for (row, weight) in Self.weights(mode, ranges[index], kept(ranges, prompts, index)) {
                    weights[index * tokens + row] = weight
                }
            }
            parts.append(try Tensor(weights, shape: [ranges.count, tokens]).matmul(states))  // [texts, width]
        }
        return parts.count == 1 ? parts[0] : try Tensor.concatenate(parts, axis: 1)
    }

    private func kept(_ ranges: [Range<Int>], _ prompts: [Int], _ index: Int) -> Range<Int> {
        let rows = ranges[index]
        return rows.dropFirst(includesPrompt ? 0 : Swift.min(prompts[index], rows.count))
    }

    /// What each row counts in the sum.
    private static func weights(_ mode: Mode, _ rows: Range<Int>, _ kept: Range<Int>) -> [(row: Int, weight: Float)] {
        guard !rows.isEmpty else { return [] }
        switch mode {
        case .max: return []
        case .cls: return [(kept.first ?? rows.lowerBound, 1)]
        case .last: return [(rows.upperBound - 1, 1)]
        case .mean: return kept.map { ($0, 1 / Float(kept.count)) }
        case .meanSquareRootLength: return kept.map { ($0, 1 / Float(kept.count).squareRoot()) }
        case .weightedMean:
            let total = kept.reduce(Float(0)) { $0 + Float($1 - rows.lowerBound + 1) }
            return kept.map { ($0, Float($0 - rows.lowerBound + 1) / total) }
        }
    }
}

extension Tensor {
    /// Each row of a matrix scaled to Euclidean length one; the length is computed in double precision.
    func rowsOfLengthOne() throws(TensorError) -> Tensor {
        let squares = try to(.float64) * to(.float64)
        let lengths = try squares.cumulativeSum(1).narrow(1, from: shape[1] - 1, length: 1)  // [rows, 1]
        return try self * (1 / lengths.sqrt().maximum(1e-12)).to(.float32)
    }
}

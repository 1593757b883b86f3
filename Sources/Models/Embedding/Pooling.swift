import MartletJSON
import MartletTensor

/// How one vector of a text is made of the vectors of its tokens.
/// Source: Reimers & Gurevych 2019; the keys are those of `1_Pooling/config.json`.
public struct Pooling: Sendable, Equatable {
    public enum Mode: String, Sendable, CaseIterable {
        /// The first token's.
        case cls
        /// The largest of each column.
        case max
        case mean
        /// The sum over the square root of the number of tokens.
        case meanSquareRootLength = "mean_sqrt_len_tokens"
        /// The mean in which the n-th token counts n times (Muennighoff 2022).
        case weightedMean = "weightedmean"
        /// The last token's, as a decoder is pooled.
        case last = "lasttoken"
    }

    /// One after the other, they make the vector.
    public var modes: [Mode]
    /// Whether the tokens of a prompt count.
    public var includesPrompt: Bool

    public init(_ modes: Mode..., includesPrompt: Bool = true) {
        self.modes = modes
        self.includesPrompt = includesPrompt
    }

    /// Reads `1_Pooling/config.json`, of which there are two dialects: a flag for each mode, or a list of names.
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
            let flags: [(String, Mode)] = [
                ("pooling_mode_cls_token", .cls), ("pooling_mode_max_tokens", .max),
                ("pooling_mode_mean_tokens", .mean), ("pooling_mode_mean_sqrt_len_tokens", .meanSquareRootLength),
                ("pooling_mode_weightedmean_tokens", .weightedMean), ("pooling_mode_lasttoken", .last),
            ]
            for (key, mode) in flags where try reader.flag(key, default: false) { modes.append(mode) }
            let unknown = reader.json.object?.first { key, value in
                key.hasPrefix("pooling_mode_") && value.bool == true && !flags.contains { $0.0 == key }
            }
            if let unknown {
                throw .wrongValue(
                    file: reader.file, key: unknown.key, found: "true",
                    expected: flags.map(\.0).joined(separator: ", "))
            }
        }
        if modes.isEmpty { modes = [.mean] }
    }

    /// - Parameters:
    ///   - states: of all texts, `[tokens, width]`.
    ///   - rows: of one of them; not empty.
    ///   - prompt: how many of these are a prompt, with what the tokenizer puts before it.
    ///   - target: `modes.count · width` numbers.
    func pool(_ states: Tensor, rows: Range<Int>, prompt: Int, into target: UnsafeMutablePointer<Float>) {
        let width = states.shape[1]
        let skipped = includesPrompt ? 0 : min(prompt, rows.count)
        let kept = rows.dropFirst(skipped)
        for (index, mode) in modes.enumerated() {
            let part = target + index * width
            part.update(repeating: 0, count: width)
            switch mode {
            case .cls: part.update(from: states.floats + (kept.first ?? rows.lowerBound) * width, count: width)
            case .last: part.update(from: states.floats + (rows.upperBound - 1) * width, count: width)
            case .max:
                part.update(repeating: -.infinity, count: width)
                for row in kept {
                    let state = states.floats + row * width
                    for column in 0..<width { part[column] = Swift.max(part[column], state[column]) }
                }
            case .mean, .meanSquareRootLength, .weightedMean:
                var total: Float = 0
                for row in kept {
                    let state = states.floats + row * width
                    let weight = mode == .weightedMean ? Float(row - rows.lowerBound + 1) : 1
                    for column in 0..<width { part[column] += weight * state[column] }
                    total += weight
                }
                total = Swift.max(mode == .meanSquareRootLength ? total.squareRoot() : total, 1e-9)
                for column in 0..<width { part[column] /= total }
            }
        }
    }
}

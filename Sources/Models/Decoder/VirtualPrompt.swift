import MartletNN
import MartletTensor

/// Trained virtual tokens before every text: their embeddings (prompt tuning, Lester et al. 2021; P-tuning, Liu et al.
/// 2021), or their keys and values in every layer (prefix tuning, Li and Liang 2021).
///
/// Virtual tokens have the ids `vocabularySize ..< vocabularySize + count`, so the key/value cache, positions and the
/// prefix cache treat them like other tokens. A pass over whole sequences inserts them before each sequence; with a
/// cache, the caller begins the text with `tokens(vocabulary:)`.
public final class VirtualPrompt {
    public enum Content {
        /// `[count, hidden]`.
        case embeddings(() throws -> Tensor)
        /// `[count, layers * 2 * keyWidth]`: keys, then values, of each layer in turn, as attention takes them.
        case keysAndValues(() throws -> Tensor)
    }
    public let count: Int
    let content: Content

    public init(count: Int, _ content: Content) { (self.count, self.content) = (count, content) }

    /// The virtual tokens that a text begins with.
    public func tokens(vocabulary: Int) -> [Int32] { (0..<count).map { Int32(vocabulary + $0) } }
}

/// The rows of a pass that are virtual tokens.
struct VirtualRows {
    /// The row of each virtual token in the pass, and its index in the prompt.
    private(set) var rows: [Int32] = [], places: [Int32] = []
    private let prompt: VirtualPrompt

    /// Nil where no token is virtual.
    init?(_ tokens: [Int32], _ prompt: VirtualPrompt?, vocabulary: Int) {
        guard let prompt else { return nil }
        self.prompt = prompt
        for (row, token) in tokens.enumerated() where Int(token) >= vocabulary {
            rows.append(Int32(row))
            places.append(token - Int32(vocabulary))
        }
        if rows.isEmpty { return nil }
    }

    /// Embeddings `[tokens, hidden]` with the rows of virtual tokens replaced.
    func embedded(_ x: Tensor) throws -> Tensor {
        guard case .embeddings(let table) = prompt.content else { return x }
        return try placed(table(), in: x)
    }

    /// Whether the prompt is keys and values of every layer.
    var replacesKeys: Bool { if case .keysAndValues = prompt.content { true } else { false } }

    /// Keys and values of a layer, `[tokens, keyWidth]`, with the rows of virtual tokens replaced.
    func attended(_ k: Tensor, _ v: Tensor, layer: Int) throws -> (Tensor, Tensor) {
        guard case .keysAndValues(let table) = prompt.content else { return (k, v) }
        let all = try table(), width = k.shape[1]
        func part(_ index: Int) throws -> Tensor {
            try all.narrow(1, from: (2 * layer + index) * width, length: width).contiguous()  // [count, width]
        }
        return (try placed(part(0), in: k), try placed(part(1), in: v))
    }

    private func placed(_ table: Tensor, in x: Tensor) throws -> Tensor {
        var kept = [Float](repeating: 1, count: x.shape[0])
        for row in rows { kept[Int(row)] = 0 }
        let own = try Fused.embed(places, table, scale: 1)
        let rest = try x * Tensor(kept, shape: [kept.count, 1]).to(x.dtype)
        return try rest + Fused.placeRows(own.to(x.dtype), at: rows, of: x.shape[0])
    }
}

/// Whole sequences with the virtual tokens inserted before each.
struct ExpandedPass {
    var tokens: [Int32] = []
    var pass: Pass
    /// For each row of the given pass, its row in the expanded pass.
    var rows: [Int32] = []

    /// - Parameter segments: the row ranges of the sequences in the given pass.
    /// - Throws: `TensorError` for a mask that is a table, which has no place for the virtual tokens.
    init(
        _ given: [Int32], _ segments: [Range<Int>], _ pass: Pass, _ prompt: VirtualPrompt, vocabulary: Int
    ) throws(TensorError) {
        self.pass = pass
        for (index, mask) in pass.masks.enumerated() {
            switch mask {
            case nil: break
            // What a prefix sees, it sees of the virtual tokens before it too.
            case .prefix(let length): self.pass.masks[index] = .prefix(prompt.count + length)
            case .table:
                throw TensorError(
                    .argument, "decoder",
                    "the table of sequence \(index) has no queries and keys for the \(prompt.count) learnt tokens before "
                        + "it: put them into the tokens and the table")
            }
        }
        var positions: [Int32] = [], expanded: [Range<Int>] = []
        let first = prompt.tokens(vocabulary: vocabulary)
        rows = [Int32](repeating: 0, count: given.count)
        for segment in segments {
            let start = tokens.count
            tokens += first + given[segment]
            positions += 0..<Int32(prompt.count)
            for (offset, row) in segment.enumerated() {
                rows[row] = Int32(start + prompt.count + offset)
                positions.append(Int32(prompt.count) + (pass.positions?[row] ?? Int32(offset)))
            }
            expanded.append(start..<tokens.count)
        }
        self.pass.rows = .whole(expanded)
        self.pass.positions = positions
    }
}

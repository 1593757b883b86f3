/// Which keys each query sees. Attention over whole sequences and attention over a cache use the same mask.
///
/// ```swift
/// AttentionMask(.window(4096), within: [0..<12, 12..<30])          // two packed documents, a decoder's layer
/// AttentionMask(.everything, within: [0..<12, 12..<30])            // the same two texts in an encoder
/// AttentionMask(.everything, queries: [0..<5], keys: [0..<12])     // cross-attention to a text of twelve tokens
/// ```
public struct AttentionMask: Sendable, Equatable {
    /// How far a query sees within its block of the mask.
    public enum Reach: Sendable, Equatable {
        /// Its own position and all earlier ones.
        case causal
        /// A sliding window: the given number of latest positions, its own included.
        case window(Int)
        /// All keys of the block, later ones too (bidirectional).
        case everything

        /// A sliding window if `window` is given, else causal.
        public init(window: Int?) { self = window.map { .window($0) } ?? .causal }

        public var isCausal: Bool { self != .everything }
        /// The size of the sliding window, or nil.
        public var window: Int? { if case .window(let size) = self { size } else { nil } }

        /// Number of positions before its own that a query sees, as the kernels take it.
        var keysBefore: Int { window.map { $0 - 1 } ?? 1 << 40 }
        var keysAfter: Int { isCausal ? 0 : 1 << 40 }
    }

    public var reach: Reach
    /// The query rows of each block. A block is a sequence, or one of several documents packed into a sequence.
    public var queries: [Range<Int>]
    /// The key rows of each block.
    public var keys: [Range<Int>]

    /// Self-attention: block n of the mask is rows `blocks[n]` of queries, keys and values.
    public init(_ reach: Reach = .causal, within blocks: [Range<Int>]) {
        self.init(reach, queries: blocks, keys: blocks)
    }

    /// Cross-attention: the queries of a block attend to the keys of another sequence.
    public init(_ reach: Reach, queries: [Range<Int>], keys: [Range<Int>]) {
        self.reach = reach
        self.queries = queries
        self.keys = keys
    }

    /// - Throws: `TensorError` when the blocks do not cover all rows, when a query would see no key, and when a
    ///   causal block has different numbers of queries and keys.
    func check(queries queryRows: Int, keys keyRows: Int) throws(TensorError) {
        guard queries.count == keys.count, Self.cover(queries, queryRows), Self.cover(keys, keyRows) else {
            throw TensorError(
                .argument, "attention", "the blocks of the mask do not cover \(queryRows) queries and \(keyRows) keys")
        }
        for (own, seen) in zip(queries, keys) where own.count != seen.count {
            guard !reach.isCausal, own.isEmpty || !seen.isEmpty else {
                throw TensorError(
                    .argument, "attention",
                    "\(own.count) queries cannot attend to \(seen.count) keys" + (reach.isCausal ? " causally" : ""))
            }
        }
        if case .window(let size) = reach, size < 1 {
            throw TensorError(.argument, "attention", "a window of \(size) positions leaves a query no key")
        }
    }

    private static func cover(_ blocks: [Range<Int>], _ rows: Int) -> Bool {
        blocks.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= rows } && blocks.reduce(0) { $0 + $1.count } == rows
    }
}

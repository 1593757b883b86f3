/// Which keys each query sees. The attention of whole sequences and that over a cache read the same value.
///
/// ```swift
/// AttentionMask(.window(4096), within: [0..<12, 12..<30])          // two packed documents, a decoder's layer
/// AttentionMask(.everything, within: [0..<12, 12..<30])            // the same two texts in an encoder
/// AttentionMask(.everything, queries: [0..<5], keys: [0..<12])     // cross-attention to a text of twelve tokens
/// ```
public struct AttentionMask: Sendable, Equatable {
    /// How far a query sees within its block.
    public enum Reach: Sendable, Equatable {
        /// Its own position and all before it.
        case causal
        /// The latest positions, its own among them, as many as are said.
        case window(Int)
        /// All keys of the block, those behind it too.
        case everything

        /// A window where there is one, else causal.
        public init(window: Int?) { self = window.map { .window($0) } ?? .causal }

        public var isCausal: Bool { self != .everything }
        /// The number of latest positions seen, nil where there is no such limit.
        public var window: Int? { if case .window(let size) = self { size } else { nil } }

        /// Positions before its own that a query sees, in the numbers of the kernels.
        var keysBefore: Int { window.map { $0 - 1 } ?? 1 << 40 }
        var keysAfter: Int { isCausal ? 0 : 1 << 40 }
    }

    public var reach: Reach
    /// The rows of the queries of each block: of a sequence, or of a document packed with others.
    public var queries: [Range<Int>]
    /// The rows of the keys of each block.
    public var keys: [Range<Int>]

    /// Sequences that attend to themselves: block n of the mask is rows `blocks[n]` of queries, keys and values.
    public init(_ reach: Reach = .causal, within blocks: [Range<Int>]) {
        self.init(reach, queries: blocks, keys: blocks)
    }

    /// Queries that attend to keys of another sequence.
    public init(_ reach: Reach, queries: [Range<Int>], keys: [Range<Int>]) {
        self.reach = reach
        self.queries = queries
        self.keys = keys
    }

    /// - Throws: `TensorError` where the blocks do not cover all rows, where a query would see nothing, and where a
    ///   causal block has more queries than keys or fewer.
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

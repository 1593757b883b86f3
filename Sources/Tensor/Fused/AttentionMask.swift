/// Which keys each query sees. Attention over whole sequences, forward and backward, and attention over a cache use the
/// same mask.
///
/// ```swift
/// AttentionMask(.window(4096), within: [0..<12, 12..<30])          // two packed documents, a decoder's layer
/// AttentionMask(.everything, within: [0..<12, 12..<30])            // the same two texts in an encoder
/// AttentionMask([.prefix(5), .causal], within: [0..<12, 12..<30])  // the first text begins with a prefix of five
/// AttentionMask(.everything, queries: [0..<5], keys: [0..<12])     // cross-attention to a text of twelve tokens
/// ```
public struct AttentionMask: Sendable, Equatable {
    /// Which keys of its block of the mask a query sees. Positions are counted from the start of the block.
    public enum Reach: Sendable, Equatable {
        /// Its own position and all earlier ones.
        case causal
        /// A sliding window: the given number of latest positions, its own included.
        case window(Int)
        /// Chunks of the given size: the positions of its own chunk up to its own (Llama 4's local layers).
        case chunk(Int)
        /// Positions less than the given number away, later ones too: ModernBERT's local layers.
        case around(Int)
        /// All keys of the block, later ones too (bidirectional).
        case everything
        /// A prefix language model (Raffel et al. 2020): positions before `length` see each other, earlier and later;
        /// each position after them sees itself and all earlier ones, or with a window the latest of these.
        case prefix(_ length: Int, window: Int? = nil)
        /// The keys that a table names; with a window, those of them less than `window` positions away.
        case table(AttentionTable, window: Int? = nil)

        /// A sliding window if `window` is given, else causal.
        public init(window: Int?) { self = window.map { .window($0) } ?? .causal }

        /// The size of the sliding window, or nil.
        public var window: Int? {
            switch self {
            case .window(let size), .around(let size): size
            case .prefix(_, let window), .table(_, let window): window
            case .causal, .everything, .chunk: nil
            }
        }

        /// Whether a query at one position sees the key at another.
        /// - Parameter row: the query's row of the table, if that is not its position.
        package func sees(key: Int, from query: Int, row: Int? = nil) -> Bool {
            switch self {
            case .causal: key <= query
            case .window(let size): key <= query && query - key < size
            case .chunk(let size): key <= query && key / size == query / size
            case .around(let size): abs(query - key) < size
            case .everything: true
            case .prefix(let length, let window):
                query < length ? key < length : key <= query && query - key < window ?? .max
            case .table(let table, let window): table[row ?? query, key] && abs(query - key) < window ?? .max
            }
        }

        /// Whether queries and keys are the same positions.
        var isWithinSequence: Bool {
            switch self {
            case .causal, .window, .chunk, .around, .prefix: true
            case .everything: false
            case .table(_, let window): window != nil
            }
        }

        // What the kernels take: the range of keys around the query's own position, the length of a prefix, a table.
        private static let all = 1 << 40
        package var keysBefore: Int { window.map { $0 - 1 } ?? Self.all }
        var keysAfter: Int {
            switch self {
            case .causal, .window, .chunk, .prefix: 0
            case .around(let size): size - 1
            case .everything: Self.all
            case .table(_, let window): window.map { $0 - 1 } ?? Self.all
            }
        }
        var prefixLength: Int { if case .prefix(let length, _) = self { length } else { 0 } }
        var table: AttentionTable? { if case .table(let table, _) = self { table } else { nil } }

        /// - Throws: `TensorError` when a query would see no key, or a table or a prefix does not fit.
        func check(queries: Int, keys: Int, firstQuery: Int = 0) throws(TensorError) {
            func fail(_ reason: String) -> TensorError { TensorError(.argument, "attention", reason) }
            if let window, window < 1 { throw fail("a window of \(window) positions leaves a query no key") }
            switch self {
            case .causal, .window, .around, .everything: break
            case .chunk(let size):
                guard size > 0 else { throw fail("a chunk of \(size) positions leaves a query no key") }
            case .prefix(let length, _):
                guard (0...keys).contains(length) else {
                    throw fail("a prefix of \(length) positions does not fit a sequence of \(keys)")
                }
            case .table(let table, let window):
                guard table.queries == queries, table.keys == keys else {
                    throw fail(
                        "a table of \(table.queries) queries and \(table.keys) keys does not fit "
                            + "\(queries) queries and \(keys) keys")
                }
                let blind =
                    window == nil
                    ? table.blindQuery
                    : (0..<queries).first { row in
                        !(0..<keys).contains { sees(key: $0, from: firstQuery + row, row: row) }
                    }
                if let blind { throw fail("query \(blind) of the table sees no key") }
            }
        }
    }

    /// For each block, which of its keys its queries see.
    public var reaches: [Reach]
    /// The query rows of each block. A block is a sequence, or one of several documents packed into a sequence.
    public var queries: [Range<Int>]
    /// The key rows of each block.
    public var keys: [Range<Int>]

    /// Self-attention: block n of the mask is rows `blocks[n]` of queries, keys and values.
    public init(_ reach: Reach = .causal, within blocks: [Range<Int>]) {
        self.init(reach, queries: blocks, keys: blocks)
    }

    /// Self-attention whose blocks differ in what their queries see.
    public init(_ reaches: [Reach], within blocks: [Range<Int>]) {
        (self.reaches, queries, keys) = (reaches, blocks, blocks)
    }

    /// Cross-attention: the queries of a block attend to the keys of another sequence.
    public init(_ reach: Reach, queries: [Range<Int>], keys: [Range<Int>]) {
        reaches = Array(repeating: reach, count: queries.count)
        self.queries = queries
        self.keys = keys
    }

    /// - Throws: `TensorError` when the blocks do not cover all rows, when a query would see no key, when a block of
    ///   self-attention has different numbers of queries and keys, and when a prefix or a table does not fit its block.
    func check(queries queryRows: Int, keys keyRows: Int) throws(TensorError) {
        guard queries.count == keys.count, Self.cover(queries, queryRows), Self.cover(keys, keyRows),
            reaches.count == queries.count
        else {
            throw TensorError(
                .argument, "attention", "the blocks of the mask do not cover \(queryRows) queries and \(keyRows) keys")
        }
        for (reach, (own, seen)) in zip(reaches, zip(queries, keys)) {
            if own.count != seen.count {
                let isWithin = reach.isWithinSequence
                guard !isWithin, own.isEmpty || !seen.isEmpty else {
                    throw TensorError(
                        .argument, "attention",
                        "\(own.count) queries cannot attend to \(seen.count) keys"
                            + (isWithin ? " of their own sequence" : ""))
                }
            }
            try reach.check(queries: own.count, keys: seen.count)
        }
    }

    /// The same with each chunk as a block of its own, which is what backends compute.
    var withoutChunks: AttentionMask {
        guard reaches.contains(where: { if case .chunk = $0 { true } else { false } }) else { return self }
        var result = AttentionMask([], within: [])
        for (reach, (own, seen)) in zip(reaches, zip(queries, keys)) {
            var size = max(own.count, 1), inner = reach
            if case .chunk(let positions) = reach { (size, inner) = (positions, .causal) }
            var start = own.lowerBound
            repeat {
                let end = min(start + size, own.upperBound), first = seen.lowerBound - own.lowerBound
                result.reaches.append(inner)
                result.queries.append(start..<end)
                result.keys.append(inner == reach ? seen : start + first..<end + first)
                start = end
            } while start < own.upperBound
        }
        return result
    }

    private static func cover(_ blocks: [Range<Int>], _ rows: Int) -> Bool {
        blocks.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= rows } && blocks.reduce(0) { $0 + $1.count } == rows
    }
}

/// An arbitrary attention mask of one sequence: for each query, which keys it sees. A byte each, so for short sequences
/// or few queries; what a rule can say (`AttentionMask.Reach`) takes no memory.
///
/// ```swift
/// // Two answers to one prompt of four tokens, side by side in one sequence.
/// let table = AttentionTable(queries: 8, keys: 8) { query, key in
///     key <= query && (key < 4 || (key < 6) == (query < 6))
/// }
/// let hidden = try decoder.hiddenStates(tokens, Pass(.whole([0..<8]), masks: [.table(table)]))
/// ```
///
/// Over a cache, the keys are all positions of the sequence and the queries only those of the pass.
public struct AttentionTable: Sendable, Equatable {
    public let queries, keys: Int
    /// The number of pairs of a query and a key that it sees.
    public let pairCount: Int
    /// The first query that sees no key.
    let blindQuery: Int?
    private let bytes: Storage

    /// - Parameter sees: whether a query sees a key; called once for each pair.
    public init(queries: Int, keys: Int, _ sees: (_ query: Int, _ key: Int) throws -> Bool) rethrows {
        precondition(queries >= 0 && keys >= 0, "a table has no negative size")
        (self.queries, self.keys) = (queries, keys)
        bytes = Storage(byteCount: queries * keys)
        let seen = bytes.pointer.assumingMemoryBound(to: UInt8.self)
        var pairs = 0, blind: Int?
        for query in 0..<queries {
            let before = pairs
            for key in 0..<keys {
                let isSeen = try sees(query, key)
                seen[query * keys + key] = isSeen ? 1 : 0
                if isSeen { pairs += 1 }
            }
            if pairs == before, blind == nil { blind = query }
        }
        (pairCount, blindQuery) = (pairs, blind)
    }

    /// Whether a query sees a key.
    public subscript(query: Int, key: Int) -> Bool {
        precondition((0..<queries).contains(query) && (0..<keys).contains(key), "a query and a key of the table")
        return pointer[query * keys + key] != 0
    }

    /// A byte for each query and key, row by row. Valid as long as the table is.
    var pointer: UnsafePointer<UInt8> { UnsafePointer(bytes.pointer.assumingMemoryBound(to: UInt8.self)) }

    public static func == (a: AttentionTable, b: AttentionTable) -> Bool {
        guard a.queries == b.queries, a.keys == b.keys, a.pairCount == b.pairCount else { return false }
        if a.bytes === b.bytes { return true }
        return (0..<a.queries * a.keys).allSatisfy { a.pointer[$0] == b.pointer[$0] }
    }
}

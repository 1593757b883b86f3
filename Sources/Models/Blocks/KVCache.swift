import MartletNN
import MartletTensor

/// The key/value cache of one sequence, in blocks of `blockLength` positions (paged attention, Kwon et al. 2023). Layers
/// may have different numbers and dimensions of heads.
///
/// Layers with a sliding window keep only what their next query sees, and `rollback` positions before that: older
/// blocks are released when the next tokens are computed.
///
/// Layers with a recurrent state have one state of the sequence at its `length`, and none of earlier lengths: `truncate`
/// drops everything unless nothing is to be dropped.
///
/// ```swift
/// let cache = KVCache(decoder.configuration, precision: .fast)
/// _ = try decoder.hiddenStates(prompt, [DecoderSequence(rows: 0..<prompt.count, cache: cache)])
/// _ = try decoder.hiddenStates([next], [DecoderSequence(rows: 0..<1, cache: cache)])   // computes one row
/// cache.truncate(to: prompt.count)                                                     // as if it had not been said
/// ```
public final class KVCache: @unchecked Sendable {
    package static let blockLength = KVBlock.length

    /// The number of positions whose keys and values are complete in every layer.
    public private(set) var length = 0
    /// How many of the last positions `truncate` may drop without emptying the cache, whatever the windows are.
    let rollback: Int
    private let layout: CacheLayout
    let dtype: DType
    /// Whether attention over it has its scores, weights and sums in float64; of a cache of float32.
    private let sumsInFloat64: Bool
    /// For each group of the layout.
    private var groups: [Blocks]
    /// The recurrent states of all layers at `length`; nil without such layers, and at the beginning.
    private var states: KVBlock?
    /// Whether a pass has begun to change the states and did not come to its end: they belong to no length.
    private var areStatesBroken = false
    private let ledger: KVBlockLedger?

    /// The blocks of one group.
    private struct Blocks {
        /// Blocks at the beginning of the sequence that have been released.
        var released = 0
        var kept: [KVBlock] = []

        var end: Int { released + kept.count }
    }

    /// An empty cache for layers of these kinds: float16 for fast weights, float32 for exact ones.
    init(
        _ layers: [LayerCache], dtype: DType, rollback: Int = KVCache.blockLength, sumsInFloat64: Bool = false,
        ledger: KVBlockLedger? = nil
    ) {
        self.sumsInFloat64 = sumsInFloat64
        layout = CacheLayout(layers, dtype: dtype)
        self.dtype = dtype
        self.rollback = rollback
        self.ledger = ledger
        groups = Array(repeating: Blocks(), count: layout.groups.count)
    }

    private init(like other: KVCache) {
        (layout, dtype, rollback, ledger) = (other.layout, other.dtype, other.rollback, other.ledger)
        sumsInFloat64 = other.sumsInFloat64
        (groups, length) = (other.groups, other.length)
        (states, areStatesBroken) = (other.states, other.areStatesBroken)
    }

    /// - Parameter rollback: how many of the last positions may be dropped again at any time; `.max` for all of them, so
    ///   that layers with a sliding window keep every position.
    public convenience init(
        _ configuration: DecoderConfiguration, precision: Precision, type: KVCacheType = .f16,
        rollback: Int = KVCache.defaultRollback
    ) {
        self.init(configuration, precision: precision, type: type, rollback: rollback, ledger: nil)
    }

    /// One block.
    public static var defaultRollback: Int { blockLength }

    /// A cache that starts with blocks that were computed before for the same tokens (prefix cache).
    /// - Parameters:
    ///   - ledger: counts the bytes of the blocks of all caches created with it.
    ///   - blocks: for each block of the sequence, one of every group; nil where no query after `length` sees it.
    ///   - states: the recurrent states at `length`, for models that have some.
    ///   - length: the number of valid positions in `blocks`; the last block may be used partially.
    package convenience init(
        _ configuration: DecoderConfiguration, precision: Precision, type: KVCacheType = .f16, rollback: Int = 0,
        ledger: KVBlockLedger?, blocks: [[KVBlock?]] = [], states: KVBlock? = nil, length: Int = 0
    ) {
        self.init(
            configuration.layers.map(\.cache), dtype: type.dtype(precision), rollback: rollback,
            sumsInFloat64: precision == .exactSums, ledger: ledger)
        precondition(blocks.count == Self.blocks(for: length), "as many blocks as the length fills")
        for group in groups.indices {
            let column = blocks.map { $0[group] }
            groups[group].released = column.lastIndex { $0 == nil }.map { $0 + 1 } ?? 0
            groups[group].kept = column[groups[group].released...].compactMap { $0 }
        }
        self.length = length
        self.states = states
        precondition(hasKeys(before: length), "every block that the next query sees")
        precondition(length == 0 || (states != nil) == hasStates, "states where there are layers with some")
    }

    /// Bytes of the blocks that this cache has, shared or not.
    public var byteCount: Int {
        groups.indices.reduce(states?.byteCount ?? 0) { $0 + groups[$1].kept.count * groupBytes[$1] }
    }

    /// Whether some layers have a recurrent state.
    package var hasStates: Bool { layout.stateCount > 0 }
    private var stateBytes: Int { layout.stateCount * 4 }

    /// The recurrent states at `length`, as others may go on from them; nil where there are none.
    package var statesAtLength: KVBlock? { areStatesBroken ? nil : states }

    /// For each group of layers the size of its window, or nil where all positions are kept.
    package var windows: [Int?] { layout.groups.map(\.window) }
    private var groupBytes: [Int] { layout.groups.map { KVLayout.byteCount($0.elementCount, dtype) } }

    /// Bytes of what a continuation needs at its beginning alone: blocks of layers with a sliding window, and states.
    package var windowByteCount: Int {
        zip(layout.groups, groupBytes).reduce(stateBytes) { sum, group in
            group.0.window == nil
                ? sum : sum + layout.blockCount(group.0, tokens: max(length, 1), rows: 1) * group.1
        }
    }

    /// Bytes of a block of all layers, and of the states: what is copied when two sequences that share them part.
    package var blockByteCount: Int { groupBytes.reduce(stateBytes, +) }

    /// The most bytes that a sequence of `tokens` positions has at a time, computed `rows` at a time.
    package func byteCount(tokens: Int, rows: Int) -> Int {
        zip(layout.groups, groupBytes).reduce(stateBytes) { sum, group in
            let blocks = layout.blockCount(group.0, tokens: tokens, rows: rows, rollback: rollback)
            return sum.adding(clamped: blocks.multiplied(clampedBy: group.1))
        }
    }

    /// The number of blocks of the sequence, released ones included.
    package var blockCount: Int { Self.blocks(for: length) }

    /// Block `index` of the sequence: one of every group, nil where it has been released.
    package func blocks(at index: Int) -> [KVBlock?] {
        groups.map { $0.released <= index && index < $0.end ? $0.kept[index - $0.released] : nil }
    }

    /// Drops every position from `length` on. Where that is more than `rollback` positions back, layers with a sliding
    /// window may have released keys that the next query sees: then all positions are dropped. So they are where there
    /// are recurrent states, which are of the last position only.
    /// - Returns: the number of positions left: `length`, or 0.
    @discardableResult
    public func truncate(to length: Int) -> Int {
        precondition((0...self.length).contains(length))
        let isExact = !hasStates || (length == self.length && !areStatesBroken)
        self.length = isExact && hasKeys(before: length) ? length : 0
        if self.length == 0 { (states, areStatesBroken) = (nil, false) }
        for group in groups.indices {
            if self.length == 0 {
                groups[group] = Blocks()
            } else {
                groups[group].kept.removeLast(groups[group].end - Self.blocks(for: self.length))
            }
        }
        return self.length
    }

    /// Whether every key that a query at position `length` sees is kept.
    private func hasKeys(before length: Int) -> Bool {
        zip(layout.groups, groups).allSatisfy { group, blocks in
            blocks.released == 0
                || group.window.map { length - ($0 - 1) >= blocks.released * Self.blockLength } ?? false
        }
    }

    /// A copy that can continue differently, for beam search. The two share blocks until one of them writes to a block
    /// (copy on write).
    package func fork() -> KVCache { KVCache(like: self) }

    /// The number of blocks for `length` positions.
    package static func blocks(for length: Int) -> Int { length / blockLength + (length % blockLength == 0 ? 0 : 1) }

    /// Bytes needed to grow to `length`: new blocks, and copies of last blocks that are shared now.
    package func growth(to length: Int) -> Int {
        let bytes = groupBytes
        let own = length > self.length && (states == nil || !isKnownUniquelyReferenced(&states)) ? stateBytes : 0
        return groups.indices.reduce(own) { sum, group in
            var blocks = max(Self.blocks(for: length) - groups[group].end, 0)
            let first = max(self.length / Self.blockLength - groups[group].released, 0)
            for index in min(first, groups[group].kept.count)..<groups[group].kept.count
            where !isKnownUniquelyReferenced(&groups[group].kept[index]) { blocks += 1 }
            return sum + blocks * bytes[group]
        }
    }

    /// Bytes of the blocks of several caches; a block that they share counts once.
    package static func byteCount(of caches: [KVCache]) -> Int {
        guard caches.count > 1 else { return caches.first?.byteCount ?? 0 }
        var seen: Set<ObjectIdentifier> = []
        return caches.reduce(0) { sum, cache in
            var sum = sum
            if let states = cache.states, seen.insert(ObjectIdentifier(states)).inserted { sum += states.byteCount }
            return cache.groups.reduce(sum) { sum, group in
                group.kept.reduce(sum) { seen.insert(ObjectIdentifier($1)).inserted ? $0 + $1.byteCount : $0 }
            }
        }
    }

    /// Allocates blocks for positions up to `length`; blocks that will be written to are not shared afterwards. Releases
    /// blocks that no query from the present length on sees.
    /// - Throws: `TensorError` where an earlier pass failed and left states of no length.
    func reserve(_ length: Int) throws(TensorError) {
        release()
        if hasStates, length > self.length { try reserveStates() }
        let needed = Self.blocks(for: length)
        for (group, byteCount) in zip(groups.indices, groupBytes) {
            // Positions are only written from the current length on.
            let first = max(self.length / Self.blockLength - groups[group].released, 0)
            for index in min(first, groups[group].kept.count)..<groups[group].kept.count
            where !isKnownUniquelyReferenced(&groups[group].kept[index]) {
                groups[group].kept[index] = groups[group].kept[index].copied()
            }
            while groups[group].end < needed {
                groups[group].kept.append(KVBlock(byteCount: byteCount, ledger: ledger))
            }
        }
    }

    /// Not earlier than when the next tokens are computed: until then the last ones may be dropped (rejected drafts).
    private func release() {
        guard rollback < length else { return }
        for (index, group) in layout.groups.enumerated() {
            guard let window = group.window, window <= length - rollback else { continue }
            let seen = (length - rollback - (window - 1)) / Self.blockLength
            guard seen > groups[index].released else { continue }
            groups[index].kept.removeFirst(seen - groups[index].released)
            groups[index].released = seen
        }
    }

    private func reserveStates() throws(TensorError) {
        guard !areStatesBroken else {
            throw TensorError(
                .argument, "cache",
                "a pass over this sequence failed and left its recurrent states half computed: truncate(to: 0) and compute "
                    + "it again")
        }
        if states == nil {
            states = KVBlock(zeros: stateBytes, ledger: ledger)
        } else if !isKnownUniquelyReferenced(&states) {
            states = states?.copied()
        }
        areStatesBroken = true
    }

    /// The state of a layer from number `offset` on, of which a pass has reserved its own copy; nil where there is none.
    func state(layer: Int, at offset: Int) -> RecurrentState? {
        guard let states, let first = layout.states[layer] else { return nil }
        return RecurrentState(states, at: first + offset)
    }

    func advance(by count: Int) {
        length += count
        areStatesBroken = false
    }

    /// Writes keys `[tokens, heads · headDimension]` and values `[tokens, heads · valueDimension]` of `rows` at the
    /// positions after `length`.
    func append(_ keys: Tensor, _ values: Tensor, rows: Range<Int>, layer: Int) throws(TensorError) {
        guard let place = layout.layers[layer] else { throw .noKeys(layer) }
        let blocks = groups[place.group]
        try Fused.append(
            keys, values, rows: rows, to: blocks.kept, at: length - blocks.released * Self.blockLength, place.layout,
            dtype)
    }

    /// softmax(scale · q kᵀ) v for every row and head of every sequence: q `[tokens, heads · headDimension]` ->
    /// `[tokens, heads · valueDimension]`.
    /// - Parameters:
    ///   - reaches: for each sequence, which keys its rows see.
    ///   - extending: whether the rows' own keys and values have been appended and are seen.
    static func attend(
        _ q: Tensor, _ sequences: [DecoderSequence], layer: Int, reaches: [AttentionReach], _ shape: AttentionShape,
        sinks: Tensor? = nil, extending: Bool = true
    ) throws(TensorError) -> Tensor {
        guard let first = sequences.first?.cache else { return Tensor(uninitialized: q.shape) }
        guard let place = first.layout.layers[layer] else { throw .noKeys(layer) }
        let queries = zip(sequences, reaches).map { sequence, reach in
            let cache = sequence.cache, blocks = cache.groups[place.group]
            return PagedQueries(
                rows: sequence.rows, blocks: blocks.kept, firstKey: blocks.released * blockLength,
                keyCount: extending ? cache.length + sequence.rows.count : cache.length,
                firstPosition: extending ? cache.length : 0, reach: reach)
        }
        if first.sumsInFloat64 {
            var exact = shape
            exact.sumsInFloat64 = true
            return try Fused.attention(q, queries, place.layout, first.dtype, exact, sinks: sinks)
        }
        return try Fused.attention(q, queries, place.layout, first.dtype, shape, sinks: sinks)
    }
}

extension TensorError {
    fileprivate static func noKeys(_ layer: Int) -> TensorError {
        TensorError(.argument, "cache", "layer \(layer) has a recurrent state and no keys and values")
    }
}

import MartletNN
import MartletSystem
import MartletTensor

/// What a layer stores of a sequence: something of each position, or a state.
public indirect enum LayerCache: Sendable, Equatable {
    /// Keys and values, kept for all following positions.
    case kept(heads: Int, headDimension: Int, valueDimension: Int)
    /// One vector of each position, the first `valueDimension` numbers of which are its value and all of which its key:
    /// latent attention. Quantised caches store the value again.
    case latent(keyDimension: Int, valueDimension: Int)
    /// Keys and values of the latest `size` positions: a sliding window sees no others.
    case window(_ size: Int, heads: Int, headDimension: Int, valueDimension: Int)
    /// Keys and values only while the layer is computed: the next layer overwrites them. This is enough for encoders.
    case transient(heads: Int, headDimension: Int, valueDimension: Int)
    /// Nothing: the layer attends to what an earlier one stores.
    case shared(layer: Int)
    /// A recurrent state of so many float32 numbers, whatever the length.
    case state(count: Int)
    /// What is stored of each position, and a state beside it.
    case beside(LayerCache, state: Int)
}

extension LayerCache {
    /// Numbers of one position, where heads may be padded.
    /// - Parameter sharesValues: whether the value of a latent vector is a part of its key.
    func elementCount(padding: Int = 0, sharesValues: Bool = true) -> Int {
        switch self {
        case .shared, .state: 0
        case .beside(let own, _): own.elementCount(padding: padding, sharesValues: sharesValues)
        case .latent(let keys, let values):
            keys.adding(clamped: sharesValues ? 0 : values).adding(clamped: 2 * padding)
        case .kept(let heads, let keys, let values), .window(_, let heads, let keys, let values),
            .transient(let heads, let keys, let values):
            heads.multiplied(clampedBy: keys.adding(clamped: values).adding(clamped: 2 * padding))
        }
    }
}

extension LayerSpec {
    var cache: LayerCache {
        if let recurrent { return .state(count: recurrent.stateCount) }
        return beside.map { .beside(attention.cache, state: $0.mixer.stateCount) } ?? attention.cache
    }
}

extension AttentionSpec {
    var cache: LayerCache {
        if let sharesKeysOf {
            .shared(layer: sharesKeysOf)
        } else if let latent {
            latent.cache
        } else if case .chunk(let size) = reach {
            // What a chunk sees is less than a chunk away.
            .window(size, heads: keyValueHeads, headDimension: scoreDimension, valueDimension: valueDimension)
        } else if let window {
            .window(window, heads: keyValueHeads, headDimension: scoreDimension, valueDimension: valueDimension)
        } else {
            .kept(heads: keyValueHeads, headDimension: scoreDimension, valueDimension: valueDimension)
        }
    }
    /// Of cross-attention, whose keys are another sequence's: all are seen.
    var sourceCache: LayerCache {
        .kept(heads: keyValueHeads, headDimension: scoreDimension, valueDimension: valueDimension)
    }
    var transientCache: LayerCache {
        .transient(heads: keyValueHeads, headDimension: scoreDimension, valueDimension: valueDimension)
    }
}

/// Where a cache has the keys and values of each layer. Layers that keep the same positions form a group, whose blocks
/// are allocated and released together: one group for layers that keep all positions, and one for each size of window.
struct CacheLayout: Sendable, Equatable {
    struct Group: Sendable, Equatable {
        /// The size of the sliding window; nil where all positions are kept.
        let window: Int?
        /// Elements per block.
        var elementCount: Int
    }

    private(set) var groups: [Group] = []
    /// For each layer its group, and where it is in a block of that group; nil for layers with nothing but a state.
    private(set) var layers: [Place?] = []
    /// For each layer where its state begins among all of them, in floats; nil for layers without one.
    private(set) var states: [Int?] = []
    /// Numbers of all states.
    private(set) var stateCount = 0

    struct Place: Sendable, Equatable {
        let group: Int
        let layout: KVLayout
    }

    private let dtype: DType

    /// - Parameter dtype: the cache's type, by which heads are padded.
    init(_ layers: [LayerCache], dtype: DType = .float16) {
        self.dtype = dtype
        var shared: Int?
        for entry in layers {
            var layer = entry, state: Int?
            if case .state(let count) = entry { state = count }
            if case .beside(let own, let count) = entry { (layer, state) = (own, count) }
            states.append(state.map { _ in stateCount })
            stateCount = stateCount.adding(clamped: state ?? 0)
            switch layer {
            case .state, .beside: self.layers.append(nil)
            case .kept(let heads, let size, let values):
                add(nil, heads, size, values)
            case .latent(let size, let values):
                add(nil, 1, size, values, sharesValues: true)
            case .window(let window, let heads, let size, let values):
                add(window, heads, size, values)
            case .shared(let layer): self.layers.append(self.layers[layer])
            case .transient(let heads, let size, let values):
                // All at the same place.
                if shared == nil { shared = group(nil) < groups.count ? groups[group(nil)].elementCount : 0 }
                add(nil, heads, size, values, offset: shared)
            }
        }
    }

    private func group(_ window: Int?) -> Int { groups.firstIndex { $0.window == window } ?? groups.count }

    private mutating func add(
        _ window: Int?, _ heads: Int, _ size: Int, _ values: Int, offset: Int? = nil, sharesValues: Bool = false
    ) {
        let index = group(window)
        if index == groups.count { groups.append(Group(window: window, elementCount: 0)) }
        let layout = KVLayout(
            heads: heads, headDimension: size, valueDimension: values, offset: offset ?? groups[index].elementCount,
            sharesValues: sharesValues, dtype: dtype)
        groups[index].elementCount = max(groups[index].elementCount, layout.offset + layout.elementCount)
        self.layers.append(Place(group: index, layout: layout))
    }

    /// The most blocks of a group that a sequence of `tokens` positions has at a time, computed `rows` at a time, where
    /// the last `rollback` positions may be dropped again.
    func blockCount(_ group: Group, tokens: Int, rows: Int, rollback: Int = 0) -> Int {
        let all = KVCache.blocks(for: tokens)
        guard let window = group.window else { return all }
        return min(all, KVCache.blocks(for: (window - 1).adding(clamped: rows).adding(clamped: rollback)) + 1)
    }
}

extension DecoderConfiguration {
    /// Bytes of one sequence of `tokens` tokens in all layers: keys and values in whole blocks, and states. Layers with a
    /// sliding window keep only what their window sees, and the tokens that are computed at a time.
    ///
    /// ```swift
    /// let bytes = try checkpoint.decoderConfiguration().cacheBytes(tokens: 8192)
    /// ```
    ///
    /// - Parameters:
    ///   - type: how keys and values are stored.
    ///   - rows: the number of tokens computed at a time.
    /// - Returns: `Int.max` for more than can be counted, as a broken file may claim.
    public func cacheBytes(
        tokens: Int, precision: Precision = .fast, type: KVCacheType = .f16, rows: Int = 1
    ) -> Int {
        let dtype = type.dtype(precision)
        // Products of what a file claims: counted before a layout is made, which would trap.
        let padded = layers.reduce(0) {
            $0.adding(clamped: $1.cache.elementCount(padding: 31, sharesValues: false))
        }
        guard padded.multiplied(clampedBy: KVCache.blockLength * 4) < .max else { return .max }
        let layout = CacheLayout(layers.map(\.cache), dtype: dtype)
        return layout.groups.reduce(stateBytes) { sum, group in
            let blocks = layout.blockCount(group, tokens: tokens, rows: rows)
            return sum.adding(clamped: blocks.multiplied(clampedBy: KVLayout.byteCount(group.elementCount, dtype)))
        }
    }

    /// Bytes of the recurrent states of one sequence, whatever its length; 0 without such layers.
    public var stateBytes: Int {
        layers.reduce(0) { $0.adding(clamped: $1.withState?.stateCount ?? 0) }.multiplied(clampedBy: 4)
    }
}

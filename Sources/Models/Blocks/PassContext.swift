import MartletNN
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The state that the blocks of one forward pass share. A class, since every part of every layer is given it.
final class PassContext {
    /// In the order of their rows; empty for whole sequences without a cache.
    let sequences: [DecoderSequence]
    /// The rows of each sequence; attention stays within a segment.
    let segments: [Range<Int>]
    let isCached: Bool
    /// Whether the caches are discarded after the pass.
    let isTransient: Bool
    /// The position of every row.
    let positions: [Int32]
    /// For each rotary embedding of the model: runs of rows, each with the cosine and sine tables that rotate it.
    ///
    /// Dynamic and LongRoPE frequencies depend on the length of a sequence, so each sequence has its own table,
    /// independent of the other sequences of the batch. Neighbouring sequences with the same table share a run; usually
    /// there is one run.
    let rotations: [[RotationRun]]
    /// The index into `rotations` for each layer; nil for a layer without rotary embedding.
    let rotaryOfLayer: [Int?]
    private let relativeBiases: [RelativePositionBias?]
    private let relativeTable: RelativePositions?
    /// What all layers see alike, where it is not trained.
    private var knownVectors: RelativePositions.Vectors?
    private var knownDistances: (bias: LinearBias, table: RelativeBias)?
    /// Nil outside of training.
    let dropout: DecoderDropout?
    /// Whether whole sequences sum as over a cache.
    let attendsInPages: Bool
    let adapters: RowAdapters
    /// For each segment, what its rows see instead of what the layers say; empty if no sequence has a mask.
    private let masks: [SequenceMask?]
    var hasMasks: Bool { !masks.isEmpty }
    let memory: EncodedSource?
    let observation: DecoderObservation?
    var record: PassRecord?
    let routing: RouterTraining?
    /// The rows of virtual tokens (prompt tuning).
    var virtual: VirtualRows?
    /// The inputs of all layers beside the residual stream, `[tokens, layers * size]`.
    var perLayerInputs: Tensor?
    /// Keys and values that later layers use too, by layer.
    var lentKeys: [Int: (keys: Tensor, values: Tensor)] = [:]
    /// What the caches' keys of such layers were divided by.
    var keyFactors: [Int: KeyFactors] = [:]
    /// Whether this is the second computation of a layer (activation checkpointing), which only gradients are wanted of.
    var replays = false

    /// - Parameter limit: the number of positions of the model, if it is limited.
    init(_ pass: Pass, tokens: Int, _ stack: BlockStack, limit: Int?) throws {
        (dropout, memory, observation, record) = (pass.dropout, pass.memory, pass.observation, pass.record)
        routing = pass.routing
        (isTransient, attendsInPages) = (pass.isTransient, pass.attendsInPages)
        rotaryOfLayer = stack.rotaryOfLayer
        relativeBiases = stack.relativeBiases
        relativeTable = stack.relativePositions
        let parts: [Part], named: [Range<Int>]
        switch pass.rows {
        case .cached(let given):
            named = given.map(\.rows)
            sequences = given.sorted { $0.rows.lowerBound < $1.rows.lowerBound }
            segments = sequences.map(\.rows)
            isCached = true
            var positions = [Int32](repeating: 0, count: tokens)
            var end = 0
            for sequence in sequences {
                precondition(sequence.rows.lowerBound == end, "the sequences cover every row once")
                end = sequence.rows.upperBound
                precondition(end <= tokens, "the sequences cover every row once")
                for (offset, row) in sequence.rows.enumerated() {
                    positions[row] = Int32(sequence.cache.length + offset)
                }
            }
            precondition(end == tokens, "the sequences cover every row once")
            guard pass.positions == nil || pass.isTransient else {
                throw TensorError(
                    .argument, "decoder", "the positions of a sequence with a cache follow from its length")
            }
            self.positions = positions
            parts = sequences.map { Part(rows: $0.rows, length: $0.newLength) }
        case .whole(let given):
            named = given
            sequences = []
            segments = given.sorted { $0.lowerBound < $1.lowerBound }
            isCached = false
            var end = 0
            for segment in segments {
                guard segment.lowerBound == end else {
                    throw TensorError(
                        .argument, "decoder", "the segments do not cover row \(min(end, segment.lowerBound))")
                }
                end = segment.upperBound
            }
            guard end == tokens, pass.positions.map({ $0.count == tokens }) ?? true else {
                throw TensorError(.argument, "decoder", "segments up to \(end) do not fit \(tokens) tokens")
            }
            let positions = pass.positions ?? segments.flatMap { 0..<Int32($0.count) }
            self.positions = positions
            parts = segments.map { Part(rows: $0, length: Int(positions[$0].max() ?? 0) + 1) }
        }
        if let limit {
            let longest = isCached ? parts.map(\.length).max() ?? 0 : Int(positions.max() ?? -1) + 1
            if longest > limit { throw ModelError.contextExceeded(tokens: longest, limit: limit) }
        }
        guard pass.adapters.isEmpty || pass.adapters.count == named.count else {
            throw TensorError(
                .argument, "decoder", "\(pass.adapters.count) sets of adapters do not fit \(named.count) sequences")
        }
        adapters = RowAdapters(
            zip(named, pass.adapters).compactMap { rows, set in set.map { (rows, $0) } }
                .sorted { $0.0.lowerBound < $1.0.lowerBound },
            draw: pass.dropout.flatMap {
                // Asked here and not where it is drawn: layers that are computed again are computed without gradients first.
                $0.dropsAdapters ?? isGradientEnabled
                    ? AdapterDraw(seed: $0.seed, step: $0.step, firstToken: $0.firstToken) : nil
            })
        guard pass.masks.isEmpty || pass.masks.count == named.count else {
            throw TensorError(
                .argument, "decoder", "\(pass.masks.count) masks do not fit \(named.count) sequences")
        }
        masks =
            pass.masks.allSatisfy { $0 == nil }
            ? [] : zip(named, pass.masks).sorted { $0.0.lowerBound < $1.0.lowerBound }.map(\.1)
        if !masks.isEmpty,
            stack.blocks.contains(where: { if case .chunk = $0.spec.attention.reach { true } else { false } })
        {
            throw TensorError(.argument, "decoder", "layers with chunks of attention take no other masks")
        }
        for (sequence, mask) in zip(sequences, masks) {
            guard case .prefix(let length) = mask else { continue }
            let start = sequence.cache.length
            guard start == 0 ? length <= sequence.rows.count : start >= length else {
                throw TensorError(
                    .argument, "decoder",
                    "a prefix of \(length) tokens is computed in one pass, not tokens \(start) to \(sequence.newLength) "
                        + "of it: its first tokens see its last")
            }
        }
        rotations = try stack.rotary.map { try Self.runs(parts, $0) }
        for sequence in sequences { try sequence.cache.reserve(sequence.newLength) }
    }

    /// The rows of one sequence, and its length including them.
    private struct Part {
        let rows: Range<Int>
        let length: Int
    }

    private static func runs(_ parts: [Part], _ rotary: RotaryEmbedding) throws -> [RotationRun] {
        var runs: [RotationRun] = []
        var rest = parts.filter { !$0.rows.isEmpty }[...]
        while let first = rest.first {
            let regime = rotary.configuration.regime(length: first.length)
            let run = rest.prefix { rotary.configuration.regime(length: $0.length) == regime }
            let longest = run.reduce(0) { max($0, $1.length) }
            let last = run.last ?? first
            let tables = try rotary.tables(length: longest)
            runs.append(
                RotationRun(
                    rows: first.rows.lowerBound..<last.rows.upperBound,
                    rotation: Rotation(
                        cosine: tables.cosine, sine: tables.sine, dimension: rotary.configuration.dimension,
                        interleaved: rotary.configuration.layout == .interleaved)))
            rest = rest.dropFirst(run.count)
        }
        return runs
    }

    /// For each segment, what its rows see in a layer with this rule.
    func reaches(_ layer: AttentionReach) -> [AttentionReach] {
        masks.isEmpty
            ? Array(repeating: layer, count: segments.count) : masks.map { layer.masked(by: $0) }
    }

    /// The heads of a layer with its biases by distance, and how they sum.
    func biased(_ shape: AttentionShape, _ distance: LinearBias?, layer: Int) throws -> AttentionShape {
        var result = shape
        result.isInPages = attendsInPages
        if let bias = distance {
            if knownDistances?.bias != bias {
                knownDistances = (bias, try bias.distances(heads: shape.heads, farthest: longest - 1))
            }
            result.relativeBias = knownDistances?.table
        }
        guard let bias = relativeBiases[layer] else { return result }
        result.relativeBias = try bias.bias()
        return result
    }

    /// The tokens of the longest segment.
    private var longest: Int { segments.reduce(1) { max($0, $1.count) } }

    /// The vectors of the distances within the segments, with dropout if the pass has it; nil where the model has none.
    func relativePositions(layer: Int) throws -> RelativePositions.Vectors? {
        guard let relativeTable else { return nil }
        if let knownVectors { return knownVectors }
        var vectors = try relativeTable.reached(by: longest)
        if let dropout {
            vectors = RelativePositions.Vectors(
                rows: try dropout.ofPositions(vectors.rows, layer: layer), buckets: vectors.buckets)
        } else if !relativeTable.isTrained {
            knownVectors = vectors
        }
        return vectors
    }

    /// x with dropout if the pass has it; `site` numbers the place in the network.
    func dropped(_ x: Tensor, site: Int) throws -> Tensor { try dropout?.callAsFunction(x, site: site) ?? x }

    /// Queries `[tokens, heads · headDimension]`, each multiplied by a factor of its position: 1 + β log(1 + ⌊(position
    /// + offset) / originalContext⌋).
    func grown(_ q: Tensor, by growth: QueryGrowth) throws -> Tensor {
        guard positions.contains(where: { Int($0) + growth.offset >= growth.originalContext }) else { return q }
        let factors = positions.map { position in
            1 + growth.beta * log(1 + Float((Int(position) + growth.offset) / growth.originalContext))
        }
        return try q * Tensor(factors, shape: [positions.count, 1])
    }

    /// Applies rotary embeddings to queries or keys, `[tokens, heads · headDimension]`; consumes x.
    func rotate(_ x: Tensor, heads: Int, rotary: Int) throws -> Tensor {
        try Fused.rotate(x, heads: heads, rotations[rotary], positions)
    }
}

extension DecoderSequence {
    /// The length of the sequence including the rows of this pass.
    fileprivate var newLength: Int { cache.length + rows.count }
}

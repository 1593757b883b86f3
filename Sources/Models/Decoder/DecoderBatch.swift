import MartletNN
import MartletTensor

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What the layers of one forward pass share.
struct DecoderBatch {
    /// In the order of their rows; none for whole sequences without a cache.
    let sequences: [DecoderSequence]
    /// The rows that see each other.
    let segments: [Range<Int>]
    let isCached: Bool
    /// The position of every row.
    let positions: [Int32]
    /// For each rotary embedding of the model, runs of rows with the tables they are rotated by.
    ///
    /// Dynamic and LongRoPE frequencies follow from the length of a sequence, so each takes its own table: what stands
    /// beside it in the batch must not change it. Neighbours with the same table share a run; mostly there is one.
    let rotations: [[RotationRun]]
    /// In training only.
    var dropout: DecoderDropout?
    /// Where the pass is looked at.
    var observation: DecoderObservation?

    init(tokens: Int, _ sequences: [DecoderSequence], _ decoder: Decoder) throws {
        let sequences = sequences.sorted { $0.rows.lowerBound < $1.rows.lowerBound }
        var end = 0
        for sequence in sequences {
            precondition(sequence.rows.lowerBound == end, "the sequences cover every row once")
            end = sequence.rows.upperBound
        }
        precondition(end == tokens, "the sequences cover every row once")
        self.sequences = sequences
        segments = sequences.map(\.rows)
        isCached = true
        var positions = [Int32](repeating: 0, count: tokens)
        for sequence in sequences {
            for (offset, row) in sequence.rows.enumerated() { positions[row] = Int32(sequence.cache.length + offset) }
        }
        self.positions = positions
        let spec = decoder.configuration
        let longest = sequences.map(\.newLength).max() ?? 0
        if spec.learnedPositions, longest > spec.contextLength {
            throw ModelError.contextExceeded(tokens: longest, limit: spec.contextLength)
        }
        let parts = sequences.map { Part(rows: $0.rows, length: $0.newLength) }
        rotations = decoder.rotary.map { Self.runs(parts, $0) }
        for sequence in sequences { sequence.cache.reserve(sequence.newLength) }
    }

    /// Whole sequences, or documents packed into some, without a cache.
    init(
        tokens: Int, segments: [Range<Int>], positions: [Int32]?, dropout: DecoderDropout? = nil, _ decoder: Decoder
    ) throws {
        self.dropout = dropout
        let segments = segments.sorted { $0.lowerBound < $1.lowerBound }
        var end = 0
        for segment in segments {
            guard segment.lowerBound == end else {
                throw TensorError(.argument, "decoder", "the segments do not cover row \(min(end, segment.lowerBound))")
            }
            end = segment.upperBound
        }
        guard end == tokens, positions.map({ $0.count == tokens }) ?? true else {
            throw TensorError(.argument, "decoder", "segments up to \(end) do not fit \(tokens) tokens")
        }
        sequences = []
        isCached = false
        self.segments = segments
        let positions = positions ?? segments.flatMap { 0..<Int32($0.count) }
        self.positions = positions
        let longest = Int(positions.max() ?? -1) + 1
        let spec = decoder.configuration
        if spec.learnedPositions, longest > spec.contextLength {
            throw ModelError.contextExceeded(tokens: longest, limit: spec.contextLength)
        }
        let parts = segments.map { segment in
            Part(rows: segment, length: Int(positions[segment].max() ?? 0) + 1)
        }
        rotations = decoder.rotary.map { Self.runs(parts, $0) }
    }

    /// Rows of one sequence, and how long it is with them.
    private struct Part {
        let rows: Range<Int>
        let length: Int
    }

    private static func runs(_ parts: [Part], _ rotary: RotaryEmbedding) -> [RotationRun] {
        var runs: [RotationRun] = []
        var rest = parts.filter { !$0.rows.isEmpty }[...]
        while let first = rest.first {
            let regime = rotary.configuration.regime(length: first.length)
            let run = rest.prefix { rotary.configuration.regime(length: $0.length) == regime }
            let longest = run.reduce(0) { max($0, $1.length) }
            let last = run.last ?? first
            let tables = rotary.tables(length: longest)
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

    /// x with dropout where the pass has it; a site is a place of the network.
    func dropped(_ x: Tensor, site: Int) throws -> Tensor { try dropout?.callAsFunction(x, site: site) ?? x }

    /// Queries, each multiplied by what its position asks for.
    func grown(_ q: Tensor, by growth: DecoderConfiguration.QueryGrowth) throws -> Tensor {
        guard positions.contains(where: { Int($0) >= growth.originalContext }) else { return q }
        let factors = Tensor(uninitialized: [positions.count, 1])
        for (row, position) in positions.enumerated() {
            let turns = Float(Int(position) / growth.originalContext)
            factors.floats[row] = 1 + growth.beta * log(1 + turns)
        }
        return try q * factors
    }

    /// Queries or keys, `[tokens, heads · headDimension]`, rotated; x is used up.
    func rotate(_ x: Tensor, heads: Int, rotary: Int) throws -> Tensor {
        try Fused.rotate(x, heads: heads, rotations[rotary], positions)
    }
}

extension DecoderSequence {
    /// The length of the sequence with this pass's rows.
    fileprivate var newLength: Int { cache.length + rows.count }
}

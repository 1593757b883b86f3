import MartletNN
import MartletTensor

/// What the layers of one forward pass share.
struct DecoderBatch {
    /// In the order of their rows.
    let sequences: [DecoderSequence]
    /// The position of every row.
    let positions: [Int32]
    /// For each rotary embedding of the model, runs of rows with the tables they are rotated by.
    ///
    /// Dynamic and LongRoPE frequencies follow from the length of a sequence, so each takes its own table: what stands
    /// beside it in the batch must not change it. Neighbours with the same table share a run; mostly there is one.
    let rotations: [[RotationRun]]

    struct RotationRun {
        var rows: Range<Int>
        let rotation: Rotation
    }

    init(tokens: Int, _ sequences: [DecoderSequence], _ decoder: Decoder) throws {
        let sequences = sequences.sorted { $0.rows.lowerBound < $1.rows.lowerBound }
        var end = 0
        for sequence in sequences {
            precondition(sequence.rows.lowerBound == end, "the sequences cover every row once")
            end = sequence.rows.upperBound
        }
        precondition(end == tokens, "the sequences cover every row once")
        self.sequences = sequences
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
        rotations = decoder.rotary.map { Self.runs(sequences, $0) }
        for sequence in sequences { sequence.cache.reserve(sequence.newLength) }
    }

    private static func runs(_ sequences: [DecoderSequence], _ rotary: RotaryEmbedding) -> [RotationRun] {
        var runs: [RotationRun] = []
        var rest = sequences.filter { !$0.rows.isEmpty }[...]
        while let first = rest.first {
            let regime = rotary.configuration.regime(length: first.newLength)
            let run = rest.prefix { rotary.configuration.regime(length: $0.newLength) == regime }
            let longest = run.reduce(0) { max($0, $1.newLength) }
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

    /// Rotates queries or keys, `[tokens, heads · headDimension]`, in place.
    func rotate(_ x: Tensor, heads: Int, rotary: Int) throws {
        for run in rotations[rotary] {
            // The usual case without a slice of the positions.
            if run.rows.count == positions.count { return try Fused.rotate(x, heads: heads, run.rotation, positions) }
            try Fused.rotate(
                x.leadingRows(run.rows.lowerBound, count: run.rows.count), heads: heads, run.rotation,
                Array(positions[run.rows]))
        }
    }
}

extension DecoderSequence {
    /// The length of the sequence with this pass's rows.
    fileprivate var newLength: Int { cache.length + rows.count }
}

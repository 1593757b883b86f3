/// The rows of one length in a set of shards, numbered from 0.
///
/// Only the shards' memory maps and, for packed rows, 16 bytes per document are kept in memory.
public final class SequenceSet: Sendable {
    public let shards: [TokenShard]
    public let length: Int
    public let layout: SequenceLayout
    /// The number of rows per epoch.
    public let count: Int
    /// The fraction of positions that are not padding.
    public let fill: Double
    /// Documents of packed layouts that are not in any row.
    public let leftOut: LeftOut
    let padToken: Int32
    private let shifts: Bool
    /// The first row of each shard, and the total number of rows. Only for rows cut from the stream.
    private let firstRows: [Int]
    private let plan: PackingPlan?

    /// How many documents are not in any row, and why.
    public struct LeftOut: Sendable, Hashable {
        /// Without any trained token.
        public var withoutLabel = 0
        /// Conversations longer than a row; a part would be a reply without its prompt.
        public var tooLong = 0

        public init() {}

        public var isEmpty: Bool { withoutLabel == 0 && tooLong == 0 }

        /// "3 conversations longer than a row of 256 tokens, 1 document without a token to learn".
        public func description(length: Int) -> String {
            var parts: [String] = []
            if tooLong > 0 {
                parts.append("\(tooLong) conversation\(tooLong == 1 ? "" : "s") longer than a row of \(length) tokens")
            }
            if withoutLabel > 0 {
                parts.append("\(withoutLabel) document\(withoutLabel == 1 ? "" : "s") without a token to learn")
            }
            return parts.joined(separator: ", ")
        }
    }

    /// - Parameters:
    ///   - vocabulary: the model's vocabulary. Shards of another one are refused.
    ///   - shiftsWindows: whether contiguous rows are cut at different positions in every epoch of `BatchStream`,
    ///     so that no token is always the first. This costs at most one row per shard. Use false for evaluation.
    ///   - padToken: the padding token; by default the shard's separator or 0.
    public init(
        _ shards: [TokenShard], length: Int, layout: SequenceLayout = .contiguous,
        vocabulary: VocabularyIdentity? = nil, shiftsWindows: Bool = true, padToken: Int32? = nil
    ) throws(DataError) {
        guard length > 0, length < 1 << 30 else {
            throw DataError(.invalid, field: "length", "is \(length), expected 1 to \(1 << 30 - 1)")
        }
        guard let first = shards.first else { throw DataError(.invalid, "there are no shards to train on") }
        let expected = vocabulary ?? shards.lazy.compactMap(\.vocabulary).first
        for shard in shards {
            guard let expected, let own = shard.vocabulary, own != expected else { continue }
            let whose = vocabulary == nil ? "the other shards have" : "the model has"
            throw DataError(
                .invalid, path: shard.path, field: "vocabulary", "is \(own), but \(whose) \(expected)")
        }
        self.shards = shards
        self.length = length
        self.layout = layout
        self.padToken = padToken ?? first.separator ?? 0
        shifts = shiftsWindows
        if case .packed(let packing) = layout {
            let plan = PackingPlan(shards, length: length, packing: packing)
            self.plan = plan
            leftOut = plan.leftOut
            firstRows = []
            count = plan.rowCount
            fill = plan.fill(length: length)
        } else {
            var starts = [0], rows = 0
            for shard in shards {
                rows += Self.windows(shard.tokenCount, length, shifts: shiftsWindows)
                starts.append(rows)
            }
            firstRows = starts
            plan = nil
            leftOut = LeftOut()
            count = rows
            fill = 1
        }
        guard count > 0 else {
            let tokens = shards.reduce(0) { $0 + $1.tokenCount }
            throw DataError(
                .invalid, path: first.path,
                "too little data: \(tokens) tokens in \(shards.count) shard\(shards.count == 1 ? "" : "s") "
                    + (plan == nil
                        ? "do not make one row of \(length) tokens and the one after it"
                        : "and no document of two or more")
                    + (leftOut.isEmpty ? "" : "; left out: \(leftOut.description(length: length))"))
        }
    }

    private static func windows(_ tokens: Int, _ length: Int, shifts: Bool) -> Int {
        guard tokens > length else { return 0 }
        // With shifts, every offset from 0 to length - 1 must give the same number of rows.
        return shifts ? max((tokens - length) / length, 1) : (tokens - 1) / length
    }

    /// The position of a row of contiguous tokens.
    private func window(_ sequence: Int, epochKey: UInt64?) -> (shard: Int, start: Int) {
        var low = 0, high = shards.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if firstRows[middle] <= sequence { low = middle } else { high = middle }
        }
        let rows = firstRows[low + 1] - firstRows[low]
        var shift = 0
        if shifts, let epochKey {
            let room = min(shards[low].tokenCount - 1 - rows * length, length - 1)
            var hash = StreamHash(salt: epochKey)
            hash.add(UInt64(low))
            shift = Int(hash.value.multipliedFullWidth(by: UInt64(room + 1)).high)
        }
        return (low, shift + (sequence - firstRows[low]) * length)
    }

    /// The token ranges of a row; each is read with the token after it.
    public func stretches(of sequence: Int, epochKey: UInt64? = nil) -> [(shard: Int, tokens: Range<Int>)] {
        precondition(sequence >= 0 && sequence < count, "row \(sequence) of \(count)")
        if let plan {
            return plan.pieces(ofRow: sequence).map { (Int($0.shard), $0.start..<$0.start + Int($0.count)) }
        }
        let (shard, start) = window(sequence, epochKey: epochKey)
        return [(shard, start..<start + length)]
    }

    /// Rows by their indices, for evaluation.
    public func batch(_ sequences: some Collection<Int>) throws(DataError) -> TrainingBatch {
        var batch = TrainingBatch(rows: sequences.count, length: length, padToken: padToken)
        for (row, sequence) in sequences.enumerated() { try fill(&batch, row: row, with: sequence, epochKey: nil) }
        return batch
    }

    /// Writes a row of a batch.
    func fill(
        _ batch: inout TrainingBatch, row: Int, with sequence: Int, epochKey: UInt64?
    ) throws(DataError) {
        var place = 0
        for (number, tokens) in stretches(of: sequence, epochKey: epochKey) {
            let shard = shards[number]
            let ids = try shard.tokens(tokens.lowerBound..<tokens.upperBound + 1)
            let start = row * length + place
            for index in 0..<tokens.count {
                batch.inputs[start + index] = ids[index]
                let target = tokens.lowerBound + index + 1
                batch.targets[start + index] =
                    !shard.hasMask || shard.isTrained(target) ? ids[index + 1] : TrainingBatch.ignoredTarget
            }
            if shard.hasWeights {
                var weights = batch.weights ?? Array(repeating: 1, count: batch.targets.count)
                batch.weights = nil
                for index in 0..<tokens.count {
                    weights[start + index] = try shard.weight(of: tokens.lowerBound + index + 1)
                }
                batch.weights = weights
            }
            if layout == .contiguousDocuments {
                separateDocuments(&batch, row: row, shard, tokens)
            } else {
                batch.addSegment(
                    row: row, place..<place + tokens.count,
                    beginsWithPrompt: plan != nil && shard.hasMask && !shard.isTrained(tokens.lowerBound))
            }
            place += tokens.count
        }
        batch.addSegment(row: row, place..<length, isPadding: true)
    }

    private func separateDocuments(
        _ batch: inout TrainingBatch, row: Int, _ shard: TokenShard, _ tokens: Range<Int>
    ) {
        var start = tokens.lowerBound
        while start < tokens.upperBound, let document = shard.document(containing: start) {
            let end = shard.range(ofDocument: document).upperBound
            let stop = min(end, tokens.upperBound)
            batch.addSegment(row: row, start - tokens.lowerBound..<stop - tokens.lowerBound)
            if end <= tokens.upperBound {
                batch.targets[row * length + end - 1 - tokens.lowerBound] = TrainingBatch.ignoredTarget
            }
            start = stop
        }
    }
}

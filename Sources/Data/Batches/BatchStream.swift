/// The order of training data: the rows of a step are a function of the seed and the step only.
///
/// ```swift
/// let stream = try BatchStream(sequences, rowsPerStep: 32, seed: 1)
/// let batch = try stream.batch(step: 0)          // inputs and targets [32, length]
/// ```
///
/// There is no state: a run resumes at any step by its number, and the rows of a step do not depend on the number of
/// micro-batches. Each source is shuffled again in every epoch of its own; several sources are mixed by weight, exactly
/// within every 4096 rows.
public struct BatchStream: Sendable {
    public struct Source: Sendable {
        public var set: SequenceSet
        /// Its relative weight in the mixture.
        public var weight: Double

        public init(_ set: SequenceSet, weight: Double = 1) {
            self.set = set
            self.weight = weight
        }
    }

    /// The origin of a row.
    public struct Address: Sendable, Hashable {
        public var source: Int
        /// The number of previous passes through the source.
        public var epoch: Int
        /// The row's index in the source's `SequenceSet`.
        public var sequence: Int
    }

    public let sources: [Source]
    /// The number of rows per step.
    public let rowsPerStep: Int
    public let seed: UInt64
    public let length: Int
    /// How many of each `period` rows come from each source, and how many from the sources before it.
    private let quotas: [Int]
    private let quotaStarts: [Int]
    private static let period = 4096

    public init(_ sources: [Source], rowsPerStep: Int, seed: UInt64) throws(DataError) {
        guard let first = sources.first else { throw DataError(.invalid, "there is no data to train on") }
        guard rowsPerStep > 0 else {
            throw DataError(.invalid, field: "rows per step", "is \(rowsPerStep), expected at least 1")
        }
        for source in sources where source.set.length != first.set.length {
            throw DataError(
                .invalid, path: source.set.shards.first?.path, field: "length",
                "is \(source.set.length), but \(first.set.length) in another source")
        }
        for (index, source) in sources.enumerated() {
            guard source.weight.isFinite, source.weight >= 0 else {
                throw DataError(.invalid, field: "weight \(index + 1)", "is \(source.weight), expected 0 or more")
            }
        }
        let total = sources.reduce(0) { $0 + $1.weight }
        guard total > 0, total.isFinite else { throw DataError(.invalid, field: "weights", "sum to \(total)") }
        self.sources = sources
        self.rowsPerStep = rowsPerStep
        self.seed = seed
        length = first.set.length
        let quotas = Self.quotas(sources.map { $0.weight / total })
        self.quotas = quotas
        quotaStarts = quotas.indices.map { quotas[..<$0].reduce(0, +) }
    }

    public init(_ set: SequenceSet, rowsPerStep: Int, seed: UInt64) throws(DataError) {
        try self.init([Source(set)], rowsPerStep: rowsPerStep, seed: seed)
    }

    /// Integers that sum to the period, by the largest-remainder method; a source with a positive weight gets at least
    /// one.
    private static func quotas(_ shares: [Double]) -> [Int] {
        var quotas = shares.map { $0 > 0 ? max(Int($0 * Double(period)), 1) : 0 }
        let byRemainder = shares.indices.sorted {
            let a = shares[$0] * Double(period) - Double(quotas[$0])
            let b = shares[$1] * Double(period) - Double(quotas[$1])
            return a != b ? a > b : $0 < $1
        }
        var rest = period - quotas.reduce(0, +), next = 0
        while rest > 0 {
            let index = byRemainder[next % byRemainder.count]
            if shares[index] > 0 {
                quotas[index] += 1
                rest -= 1
            }
            next += 1
        }
        while rest < 0, let largest = quotas.indices.max(by: { quotas[$0] < quotas[$1] }) {
            quotas[largest] -= 1
            rest += 1
        }
        return quotas
    }

    /// Steps per epoch of the largest source relative to its weight.
    public var stepsPerEpoch: Int {
        let rows = sources.indices.map { index -> Double in
            guard quotas[index] > 0 else { return 0 }
            return Double(sources[index].set.count) * Double(Self.period) / Double(quotas[index])
        }
        return Int(((rows.max() ?? 0) / Double(rowsPerStep)).rounded(.up))
    }

    /// The origin of row `row` of a step.
    public func address(step: Int, row: Int) -> Address {
        precondition(step >= 0 && row >= 0 && row < rowsPerStep, "row \(row) of \(rowsPerStep), step \(step)")
        let global = step * rowsPerStep + row
        var source = 0, number = global
        if sources.count > 1 {
            let block = global / Self.period
            let place = KeyedPermutation(count: Self.period, key: key(.mixing, UInt64(block)))(global % Self.period)
            source = quotaStarts.lastIndex { $0 <= place } ?? 0
            number = block * quotas[source] + place - quotaStarts[source]
        }
        let count = sources[source].set.count, epoch = number / count
        let shuffle = KeyedPermutation(count: count, key: key(.order, UInt64(source), UInt64(epoch)))
        return Address(source: source, epoch: epoch, sequence: shuffle(number % count))
    }

    /// The rows of a step; all of them by default.
    public func batch(step: Int, rows: Range<Int>? = nil) throws(DataError) -> TrainingBatch {
        let rows = rows ?? 0..<rowsPerStep
        var batch = TrainingBatch(rows: rows.count, length: length, padToken: sources[0].set.padToken)
        for (index, row) in rows.enumerated() {
            let address = address(step: step, row: row)
            try sources[address.source].set.fill(
                &batch, row: index, with: address.sequence, epochKey: epochKey(address))
        }
        return batch
    }

    /// One of `count` micro-batches of a step; together they are the step's rows in order.
    public func batch(step: Int, microBatch: Int, of count: Int) throws(DataError) -> TrainingBatch {
        guard count > 0, microBatch >= 0, microBatch < count, count <= rowsPerStep else {
            throw DataError(
                .invalid, field: "micro-batch",
                "is \(microBatch) of \(count), but a step has \(rowsPerStep) rows")
        }
        return try batch(
            step: step, rows: rowsPerStep * microBatch / count..<rowsPerStep * (microBatch + 1) / count)
    }

    /// The origin of a step's row, for messages: "file.shard tokens 128..<192".
    public func origin(step: Int, row: Int) -> String {
        let address = address(step: step, row: row)
        let set = sources[address.source].set
        return set.stretches(of: address.sequence, epochKey: epochKey(address)).map {
            "\(set.shards[$0.shard].path) tokens \($0.tokens)"
        }.joined(separator: ", ")
    }

    private enum Purpose: UInt64 { case mixing = 1, order, windows }

    private func key(_ purpose: Purpose, _ numbers: UInt64...) -> UInt64 {
        var hash = StreamHash(salt: purpose.rawValue)
        hash.add(seed)
        for number in numbers { hash.add(number) }
        return hash.value
    }

    private func epochKey(_ address: Address) -> UInt64 {
        key(.windows, UInt64(address.source), UInt64(address.epoch))
    }
}

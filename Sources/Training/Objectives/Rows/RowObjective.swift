import MartletData
import MartletInference
import MartletTensor
import MartletTokenizers

/// An objective over rows of tokens: what of them is given, what is to be found, and by which kind of model.
///
/// What is drawn for a row (places of masks, spans, cuts) follows from the seed, the step and the row's place in the step,
/// so it is the same however a step is cut into micro-batches, and again in a run that is resumed.
protocol RowObjective: Objective {
    /// What is learnt of some rows.
    func batch(of rows: TrainingBatch, _ draw: RowDraw) throws -> Batch
    /// All batches of a step, once they are there, with what of each depends on the others.
    func settled(_ batches: [Batch]) -> [Batch]
    /// Losses of a mixture's routers, where there are some.
    var routers: RouterLosses? { get }
    /// The same loss without what belongs to training alone: dropout, smoothing, losses of routers.
    func plain() -> Self
    /// The same loss, with the entropy and accuracy of its tokens among the metrics or without.
    func measuringTokens(_ measures: Bool) -> Self
    /// What the model makes of a held-out row, for people.
    func sample(of row: TrainingBatch, _ tokenizer: Tokenizer, endTokens: Set<Int32>) throws -> (
        prompt: String, reply: String
    )
}

extension RowObjective {
    var routers: RouterLosses? { nil }
    func settled(_ batches: [Batch]) -> [Batch] { batches }
    func measuringTokens(_ measures: Bool) -> Self { self }
}

/// Where the random choices for some rows come from.
public struct RowDraw: Sendable {
    public var seed: UInt64
    public var step: Int
    /// The number of the step's rows before these.
    public var firstRow: Int

    public init(seed: UInt64, step: Int, firstRow: Int = 0) {
        self.seed = seed
        self.step = step
        self.firstRow = firstRow
    }

    /// Of one of the rows.
    public func stream(row: Int) -> RandomStream {
        RandomStream(
            seed: seed ^ 0x636f_7272_7570_7400,
            stream: UInt64(truncatingIfNeeded: step) << 20 | UInt64(truncatingIfNeeded: firstRow + row))
    }

    /// Of held-out rows: the same at every look.
    static func heldOut(row: Int) -> RowDraw { RowDraw(seed: 0x6865_6c64, step: 0, firstRow: row) }
}

extension TrainingBatch {
    /// Each text's inputs, in order, with the stream of random numbers of its row, which goes on from text to text.
    func forEachText(_ draw: RowDraw, _ body: ([Int32], inout RandomStream) throws -> Void) rethrows {
        var streams: [Int: RandomStream] = [:]
        for segment in segments where !segment.isPadding {
            let first = segment.row * length + segment.start
            var stream = streams[segment.row] ?? draw.stream(row: segment.row)
            try body(Array(inputs[first..<first + segment.end - segment.start]), &stream)
            streams[segment.row] = stream
        }
    }

    /// The tokens of a segment: its inputs and the target of the last of them.
    /// - Returns: nil for padding.
    func tokens(of segment: Segment) -> [Int32]? {
        guard !segment.isPadding, segment.end > segment.start else { return nil }
        let range = segment.row * length + segment.start..<segment.row * length + segment.end
        let last = targets[range.upperBound - 1]
        return Array(inputs[range]) + (last == Self.ignoredTarget ? [] : [last])
    }

    /// Whether every token of a segment is trained on: none of it is a prompt.
    func isTrainedWhole(_ segment: Segment) -> Bool {
        let range = segment.row * length + segment.start..<segment.row * length + segment.end
        return !segment.isPadding && !segment.beginsWithPrompt && !targets[range].contains(Self.ignoredTarget)
    }

    /// The rows of a pass that each segment takes.
    var segmentRows: [Range<Int>] {
        segments.map { $0.row * length + $0.start..<$0.row * length + $0.end }
    }
}

extension RandomStream {
    /// A whole number from 0 to `bound − 1`.
    mutating func below(_ bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(max(bound, 1))).high)
    }

    /// A number from 0 to 1, without 1.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}

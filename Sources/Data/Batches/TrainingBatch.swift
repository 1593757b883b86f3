import MartletTensor

/// Rows of token ids with their targets, and the segments within which tokens attend to each other.
public struct TrainingBatch: Sendable, Equatable {
    /// The target of positions without a loss, as in PyTorch.
    public static let ignoredTarget: Int32 = -100

    /// A range of one row within which tokens attend to each other, and to no others.
    public struct Segment: Sendable, Hashable {
        public var row: Int
        public var start: Int
        /// The end, exclusive.
        public var end: Int
        /// Whether it is padding, which is not trained.
        public var isPadding: Bool
        /// Whether its first token is only read, as those of a prompt are. Targets do not tell, since the first token is
        /// the target of none. Known of packed documents; false for rows cut from a stream.
        public var beginsWithPrompt: Bool

        public init(row: Int, start: Int, end: Int, isPadding: Bool = false, beginsWithPrompt: Bool = false) {
            self.row = row
            self.start = start
            self.end = end
            self.isPadding = isPadding
            self.beginsWithPrompt = beginsWithPrompt
        }
    }

    public let rows: Int
    public let length: Int
    /// `[rows, length]`, like targets and positions.
    public var inputs: [Int32]
    /// The token after each input, or `ignoredTarget`.
    public var targets: [Int32]
    /// What each target counts in the loss; nil: all the same.
    public var weights: [Float]?
    /// Each token's position in its segment, from 0.
    public var positions: [Int32]
    /// In order; together they cover every row from start to end.
    public var segments: [Segment]

    /// A batch of padding only.
    public init(rows: Int, length: Int, padToken: Int32 = 0) {
        precondition(rows >= 0 && length > 0, "a batch of \(rows) rows of \(length)")
        self.rows = rows
        self.length = length
        inputs = Array(repeating: padToken, count: rows * length)
        targets = Array(repeating: Self.ignoredTarget, count: rows * length)
        positions = Array(repeating: 0, count: rows * length)
        segments = []
    }

    /// The number of positions with a loss.
    public var trainedTokenCount: Int { targets.count { $0 != Self.ignoredTarget } }

    /// What the loss is a mean over: positions with a loss, each with its weight.
    public var trainedWeight: Double {
        guard let weights else { return Double(trainedTokenCount) }
        return zip(targets, weights).reduce(0) { $1.0 == Self.ignoredTarget ? $0 : $0 + Double($1.1) }
    }

    /// Whether every row is one segment, so that attention needs no mask between segments.
    public var isContiguous: Bool { segments.count == rows }

    public func inputTensor() throws(TensorError) -> Tensor { try Tensor(inputs, shape: [rows, length]) }
    public func targetTensor() throws(TensorError) -> Tensor { try Tensor(targets, shape: [rows, length]) }
    public func positionTensor() throws(TensorError) -> Tensor { try Tensor(positions, shape: [rows, length]) }

    /// Ends a segment: records it and numbers its positions from 0.
    mutating func addSegment(
        row: Int, _ range: Range<Int>, isPadding: Bool = false, beginsWithPrompt: Bool = false
    ) {
        guard !range.isEmpty else { return }
        segments.append(
            Segment(
                row: row, start: range.lowerBound, end: range.upperBound, isPadding: isPadding,
                beginsWithPrompt: beginsWithPrompt))
        for (position, place) in range.enumerated() {
            positions[row * length + place] = Int32(truncatingIfNeeded: position)
        }
    }
}

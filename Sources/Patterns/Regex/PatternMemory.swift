/// Memoised outcomes by instruction and text position: two bits each, for a window of the text.
///
/// An attempt that failed once fails again, because no instruction depends on how it was reached. Memoisation makes the
/// time linear: every instruction runs at most once at every position, except for the few steps to the next memoised
/// instruction.
struct PatternMemory {
    enum Outcome {
        case unknown, fails
        /// The enclosing lookaround or atomic group matches.
        case succeeds
    }

    private let count: Int
    /// The start of the window; nothing is known about earlier positions.
    private var base = 0
    /// Bytes of text in the window.
    private var covered = 0
    private var bits: [UInt8] = []
    /// The end of an atomic group that is known to match.
    private var ends: [Int: Int] = [:]
    /// By instruction index, for bounded repeats.
    var spans: [PatternSpan]

    init(count: Int) {
        self.count = count
        spans = Array(repeating: PatternSpan(), count: count)
    }

    /// Drops what is known before `start` when it has become large.
    mutating func moveOn(to start: Int) {
        guard start - base >= max(1 << 16, covered / 2) else { return }
        base = start
        covered = 0
        bits.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
    }

    private func slot(_ memo: Int32, _ position: Int) -> Int { (position - base) * count + Int(memo) }

    @inline(__always)
    func outcome(_ memo: Int32, _ position: Int) -> Outcome {
        guard position >= base, position - base < covered else { return .unknown }
        let slot = slot(memo, position)
        switch bits[slot >> 2] >> (UInt8(slot & 3) * 2) & 3 {
        case 0: return .unknown
        case 1: return .fails
        default: return .succeeds
        }
    }

    func end(_ memo: Int32, _ position: Int) -> Int? { ends[slot(memo, position)] }

    mutating func note(_ outcome: Outcome, _ memo: Int32, _ position: Int, end: Int? = nil) {
        guard position >= base else { return }
        if position - base >= covered {
            covered = max(64, (position - base) * 2)
            bits += repeatElement(0, count: (covered * count + 3) / 4 - bits.count)
        }
        let slot = slot(memo, position)
        bits[slot >> 2] |= (outcome == .fails ? 1 : 2) << (UInt8(slot & 3) * 2)
        if let end { ends[slot] = end }
    }
}

/// What is known about a bounded repeat of one set.
///
/// When it is entered at successive positions, it matches nearly the same scalars and backtracks over the same ones.
/// With this memory, the cost of an entry does not depend on the number of scalars.
struct PatternSpan {
    /// A range of scalars of the set, each of `width` bytes.
    var start = 0
    var end = 0
    var width = 1
    /// From the positions in this range, both ends included, the rest after the repeat is known to fail. Initially
    /// empty.
    private(set) var failedLow = 1
    private(set) var failedHigh = 0
    /// The end of the scalar at `failedHigh`.
    private var failedEnd = 0

    func hasFailed(at position: Int) -> Bool { position >= failedLow && position <= failedHigh }

    /// Records that the rest fails at a position; `length` is the length of its scalar, 0 at the end of the text.
    mutating func fail(at position: Int, length: Int) {
        if hasFailed(at: position) { return }
        if failedLow <= failedHigh, position + length == failedLow {
            failedLow = position
        } else if failedLow <= failedHigh, position == failedEnd {
            (failedHigh, failedEnd) = (position, position + length)
        } else {
            (failedLow, failedHigh, failedEnd) = (position, position, position + length)
        }
    }
}

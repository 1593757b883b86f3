/// What came of being at an instruction and a place in the text: two bits each, for a stretch of the text.
///
/// An attempt that went wrong once goes wrong again, from wherever it is reached, as no instruction asks how it was
/// reached. Remembering that makes the time linear: every instruction runs at most once at every place, but for the
/// few steps up to the next one that remembers.
struct PatternMemory {
    enum Outcome {
        case unknown, fails
        /// The lookaround or atomic group it stands in matches.
        case succeeds
    }

    private let count: Int
    /// Where the stretch begins; nothing is known about what comes before.
    private var base = 0
    /// Bytes of text the bits reach over.
    private var covered = 0
    private var bits: [UInt8] = []
    /// Where an atomic group ends that is known to match.
    private var ends: [Int: Int] = [:]
    /// By the number of the instruction, for those that take a bounded number of scalars.
    var spans: [PatternSpan]

    init(count: Int) {
        self.count = count
        spans = Array(repeating: PatternSpan(), count: count)
    }

    /// Forgets what came before `start` when it has become much.
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

/// What is known about a repeat of one set from so many times to so many.
///
/// Entered at one place after the other, it takes nearly the same scalars again and gives nearly the same ones back. With
/// this, what an entry costs does not depend on how many it takes.
struct PatternSpan {
    /// A stretch of scalars of the set, each of `width` bytes.
    var start = 0
    var end = 0
    var width = 1
    /// From the places of this stretch, both ends included, what follows the repeat is known to fail. None at first.
    private(set) var failedLow = 1
    private(set) var failedHigh = 0
    /// Where the scalar at `failedHigh` ends.
    private var failedEnd = 0

    func hasFailed(at position: Int) -> Bool { position >= failedLow && position <= failedHigh }

    /// What follows fails at a place; `length` is that of its scalar, 0 at the end of the text.
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

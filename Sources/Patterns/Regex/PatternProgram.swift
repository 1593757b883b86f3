/// One instruction of a compiled expression. The meaning of `a`, `b` and `c` is given at each operation.
struct PatternInstruction {
    enum Operation: UInt8 {
        /// The end; `a` is a `Level`.
        case accept
        /// The `b` bytes of text at `a`.
        case text
        /// One scalar of set `a`.
        case one
        /// As many scalars of set `a` as possible; then one of set `b`, unless it is -1.
        case star
        /// From `b` to `c` scalars of set `a`.
        case span
        /// One of the targets of alternation `a`, tried in order.
        case alternatives
        /// Jumps to `a`.
        case jump
        /// A lookahead: the code up to its `accept` matches here (or does not, if `b` = 1); then jumps to `a`.
        case look
        /// An atomic group: the code up to its `accept` is matched once; then jumps to `a`.
        case atomic
        /// Moves back by `a` scalars.
        case back
        /// `a` is a `PatternNode.Assertion`.
        case assertion
    }

    enum Level: Int32 {
        case whole, look, atomic
    }

    var operation: Operation
    /// For a run: no backtracking into it.
    var isPossessive = false
    var a: Int32 = 0
    var b: Int32 = 0
    var c: Int32 = 0
    /// The index among memoised instructions.
    var memo: Int32 = 0
}

/// Targets to try in order, and for which next scalar each is possible.
struct PatternAlternation {
    /// The index of the first target in `targets`, and of its set in `targetSets`.
    var first: Int32
    var count: Int32
    /// The start of the table of masks for ASCII.
    var table: Int32
    /// The bits of targets that are possible for any next scalar.
    var open: UInt64
}

/// A set as two tables: by byte, and by scalar in blocks of 256 bits.
struct PatternSetTable {
    static let outside: UInt8 = 0
    static let inside: UInt8 = 1
    static let isWide: UInt8 = 2

    let bytes: UnsafePointer<UInt8>
    let blocks: UnsafePointer<UInt32>
    let bits: UnsafePointer<UInt64>

    @inline(__always)
    func contains(_ scalar: UInt32) -> Bool {
        let word = Int(blocks[Int(scalar >> 8)]) << 2 | Int(scalar >> 6 & 3)
        return bits[word] >> UInt64(scalar & 63) & 1 != 0
    }
}

/// The blocks of 256 bits of all sets. Blocks are shared; most are empty or full.
struct PatternBlockPool {
    private(set) var bits: [UInt64] = [0, 0, 0, 0, .max, .max, .max, .max]
    private var known: [[UInt64]: UInt32] = [[0, 0, 0, 0]: 0, [.max, .max, .max, .max]: 1]

    private mutating func index(of words: [UInt64]) -> UInt32 {
        if let index = known[words] { return index }
        let index = UInt32(truncatingIfNeeded: bits.count / 4)
        known[words] = index
        bits += words
        return index
    }

    /// Appends the indices of the set's blocks, in order.
    mutating func append(_ set: ScalarSet, to blocks: inout [UInt32]) {
        let first = blocks.count
        blocks += repeatElement(0, count: 0x1100)
        var block = 0
        var words: [UInt64] = [0, 0, 0, 0]
        for range in set.ranges {
            for word in Int(range.lowerBound >> 6)...Int(range.upperBound >> 6) {
                if word >> 2 != block {
                    blocks[first + block] = index(of: words)
                    block = word >> 2
                    words = [0, 0, 0, 0]
                }
                let low = max(Int(range.lowerBound), word << 6) & 63
                let high = min(Int(range.upperBound), word << 6 | 63) & 63
                words[word & 3] |= UInt64.max << UInt64(low) & UInt64.max >> UInt64(63 - high)
            }
        }
        blocks[first + block] = index(of: words)
    }
}

/// A compiled expression. Immutable; owns its memory.
final class PatternProgram: @unchecked Sendable {
    let code: UnsafePointer<PatternInstruction>
    let text: UnsafePointer<UInt8>
    let sets: UnsafePointer<PatternSetTable>
    let alternations: UnsafePointer<PatternAlternation>
    let masks: UnsafePointer<UInt64>
    let targets: UnsafePointer<Int32>
    let targetSets: UnsafePointer<Int32>
    /// The number of memoised instructions.
    let memoCount: Int
    /// The set of scalars that a match starts with; -1 if a match may be empty.
    let startSet: Int
    /// The set of word characters for `\b`.
    let wordSet: Int
    private let memory: [UnsafeMutableRawPointer]

    init(_ compiler: PatternCompiler) {
        var memory: [UnsafeMutableRawPointer] = []
        func kept<Element>(_ values: [Element]) -> UnsafePointer<Element> {
            let copy = UnsafeMutablePointer<Element>.allocate(capacity: max(values.count, 1))
            copy.initialize(from: values, count: values.count)
            memory.append(UnsafeMutableRawPointer(copy))
            return UnsafePointer(copy)
        }
        code = kept(compiler.code)
        text = kept(compiler.text)
        alternations = kept(compiler.alternations)
        masks = kept(compiler.masks)
        targets = kept(compiler.targets)
        targetSets = kept(compiler.targetSets)
        memoCount = Int(compiler.memoCount)
        startSet = Int(compiler.startSet)
        wordSet = Int(compiler.wordSet)

        var pool = PatternBlockPool()
        var blocks: [UInt32] = []
        var bytes: [UInt8] = []
        for set in compiler.sets {
            pool.append(set, to: &blocks)
            bytes += (0..<0x80).map { set.contains($0) ? PatternSetTable.inside : PatternSetTable.outside }
            bytes += repeatElement(PatternSetTable.isWide, count: 0x80)
        }
        let (keptBits, keptBlocks, keptBytes) = (kept(pool.bits), kept(blocks), kept(bytes))
        sets = kept(
            compiler.sets.indices.map {
                PatternSetTable(bytes: keptBytes + $0 * 256, blocks: keptBlocks + $0 * 0x1100, bits: keptBits)
            })
        self.memory = memory
    }

    deinit {
        for part in memory { part.deallocate() }
    }
}

/// Words as sequences of tokens, stored consecutively in one array, with their frequencies. Merges shorten them in
/// place.
struct SymbolWords {
    private(set) var symbols: [Int32] = []
    /// Word i starts at `starts[i]`.
    private(set) var starts: [Int] = [0]
    private(set) var lengths: [Int32] = []
    private(set) var counts: [Int64] = []

    var count: Int { counts.count }

    mutating func reserveCapacity(words: Int, symbols: Int) {
        self.symbols.reserveCapacity(symbols)
        starts.reserveCapacity(words + 1)
        lengths.reserveCapacity(words)
        counts.reserveCapacity(words)
    }

    /// Adds a word; a word of fewer than two tokens has nothing to merge and is omitted.
    mutating func append(_ word: some Collection<Int32>, count: Int64) {
        guard word.count > 1 else { return }
        symbols += word
        starts.append(symbols.count)
        lengths.append(Int32(word.count))
        counts.append(count)
    }

    /// Words that can be modified in place.
    struct Mutable {
        fileprivate let symbols: UnsafeMutablePointer<Int32>
        fileprivate let starts: UnsafePointer<Int>
        let lengths: UnsafeMutablePointer<Int32>
        let counts: UnsafePointer<Int64>

        @inline(__always)
        func start(of word: Int32) -> UnsafeMutablePointer<Int32> { symbols + starts[Int(word)] }
    }

    /// Calls `body` with the words, if there are any.
    mutating func withMutableWords<Result>(_ body: (Mutable) -> Result) -> Result? {
        symbols.withUnsafeMutableBufferPointer { symbols in
            lengths.withUnsafeMutableBufferPointer { lengths in
                starts.withUnsafeBufferPointer { starts in
                    counts.withUnsafeBufferPointer { counts in
                        guard let symbols = symbols.baseAddress, let lengths = lengths.baseAddress,
                            let starts = starts.baseAddress, let counts = counts.baseAddress
                        else { return nil }
                        return body(Mutable(symbols: symbols, starts: starts, lengths: lengths, counts: counts))
                    }
                }
            }
        }
    }
}

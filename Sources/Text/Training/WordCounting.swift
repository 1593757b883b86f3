/// Counts the words of texts on several threads, each with a table of its own.
package struct WordCounting: Sendable {
    let cutter: WordCutter
    let unit: TrainingUnit
    /// Strings between which text is learned from, and which are never part of a word.
    let specials: [String]
    let threads: Int

    package init(cutter: WordCutter, unit: TrainingUnit, specials: [String], threads: Int) {
        self.cutter = cutter
        self.unit = unit
        self.specials = specials
        self.threads = threads
    }

    /// - Throws: `noText` when there is not one word.
    package func count(
        _ texts: some Sequence<TrainingText>, total: Int?, blockSize: Int = 4 << 20, observer: TrainingObserver?
    ) throws(TrainingError) -> WordCounts {
        let cuts = SafeCut(cutter: cutter, specials: specials, unit: unit)
        let blocks = TextBlocks(texts, cuts: cuts, total: total, blockSize: blockSize, observer: observer)
        let matcher = AddedTokenMatcher.specials(specials)
        let tables = try ThreadTeam.run(threads) { (_) throws(TrainingError) in
            let table = WordCounts()
            while let block = try blocks.next() { count(block, matcher, into: table) }
            return table
        }
        guard let first = tables.max(by: { $0.count < $1.count }), first.count > 0 else { throw .noText }
        for table in tables where table !== first { first.add(table) }
        return first
    }

    private func count(_ block: TextBlock, _ matcher: AddedTokenMatcher, into table: WordCounts) {
        block.bytes.withUnsafeBufferPointer { bytes in
            var start = 0
            for end in block.ends {
                let text = UnsafeBufferPointer(rebasing: bytes[start..<end])
                if matcher.isEmpty {
                    count(text, into: table)
                } else {
                    matcher.split(text, specials: .all) { range, token in
                        if token == nil { count(UnsafeBufferPointer(rebasing: text[range]), into: table) }
                    }
                }
                start = end
            }
        }
    }

    private func count(_ text: UnsafeBufferPointer<UInt8>, into table: WordCounts) {
        guard unit == .line else { return countWords(text, into: table) }
        var start = 0
        while start < text.count {
            let rest = UnsafeBufferPointer(rebasing: text[start...])
            let end = rest.firstIndex(of: 0x0A).map { start + $0 + 1 } ?? text.count
            countWords(UnsafeBufferPointer(rebasing: text[start..<end]), into: table)
            start = end
        }
    }

    /// - Parameter text: followed by `TextBlock.padding` bytes that may be read.
    private func countWords(_ text: UnsafeBufferPointer<UInt8>, into table: WordCounts) {
        guard let base = UnsafeRawPointer(text.baseAddress) else { return }
        var start = 0
        while start < text.count {
            let first = UInt64(littleEndian: (base + start).loadUnaligned(as: UInt64.self))
            let second = UInt64(littleEndian: (base + start + 8).loadUnaligned(as: UInt64.self))
            var length = cutter.shortWord(first, second)
            // What comes after the end of this text was looked at, too.
            if length == 0 || length > text.count - start { length = cutter.end(text, from: start) - start }
            if length <= WordCounts.longestShort {
                table.add(first, second, length: length)
            } else {
                table.add(UnsafeBufferPointer(rebasing: text[start..<(start + length)]))
            }
            start += length
        }
    }
}

/// How words are obtained from text.
package enum WordSource: Sendable {
    /// A scanner of the unmodified text.
    case scanner(WordCutter)
    /// The normaliser and pre-tokenizer of a tokenizer, applied to each line separately, so that no word extends into
    /// the next line.
    case pieces((any Normalizer)?, PieceStages)
    /// Runs of words, line by line.
    case phrases(PatternCutter)

    /// Whether words may contain spaces.
    var joinsWords: Bool { if case .phrases = self { true } else { false } }

    var gathersNewlines: Bool {
        if case .scanner(let cutter) = self { cutter.gathersNewlines } else { true }
    }
}

/// Counts the words of texts on several threads, each with its own hash table.
package struct WordCounting: Sendable {
    let source: WordSource
    let unit: TrainingUnit
    /// Strings that separate texts and are never part of a word.
    let specials: [String]
    let threads: Int
    /// The maximum number of distinct words.
    let limit: Int

    package init(
        source: WordSource, unit: TrainingUnit, specials: [String], threads: Int, limit: Int = .max
    ) {
        self.source = source
        self.unit = unit
        self.specials = specials
        self.limit = limit
        // With a limit, which words are the rarest must not depend on the threads.
        self.threads = limit < .max ? 1 : threads
    }

    /// - Throws: `noText` when there is no word.
    package func count(
        _ texts: some Sequence<TrainingText>, total: Int?, blockSize: Int = 4 << 20, observer: TrainingObserver?
    ) throws(TokenizerTrainingError) -> WordCounts {
        let cuts = SafeCut(source: source, specials: specials, unit: unit)
        let blocks = TextBlocks(texts, cuts: cuts, total: total, blockSize: blockSize, observer: observer)
        let matcher = AddedTokenMatcher.specials(specials)
        let tables = try ThreadTeam.run(threads) { (_) throws(TokenizerTrainingError) in
            let table = WordCounts(limit: limit)
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
        switch source {
        case .scanner(let cutter):
            if unit == .text { return Self.countWords(text, cutter, into: table) }
            forEachLine(of: text) { Self.countWords($0, cutter, into: table) }
        case .phrases(let cutter):
            forEachLine(of: text) { line in
                let repaired = Array(String(decoding: line, as: UTF8.self).utf8)
                repaired.withUnsafeBufferPointer { line in
                    cutter.split(line) { table.add(UnsafeBufferPointer(rebasing: line[$0])) }
                }
            }
        case .pieces(let normalizer, let stages):
            forEachLine(of: text) { line in
                let repaired = Array(String(decoding: line, as: UTF8.self).utf8)
                let normalized = normalizer?.normalize(repaired) ?? repaired
                normalized.withUnsafeBufferPointer {
                    stages.forEachPiece(of: $0, isFirst: true) { table.add($0) }
                }
            }
        }
    }

    private func forEachLine(
        of text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
    ) {
        var start = 0
        while start < text.count {
            let rest = UnsafeBufferPointer(rebasing: text[start...])
            let end = rest.firstIndex(of: 0x0A).map { start + $0 + 1 } ?? text.count
            body(UnsafeBufferPointer(rebasing: text[start..<end]))
            start = end
        }
    }

    /// - Parameter text: followed by `TextBlock.padding` readable bytes.
    private static func countWords(
        _ text: UnsafeBufferPointer<UInt8>, _ cutter: WordCutter, into table: WordCounts
    ) {
        guard let base = UnsafeRawPointer(text.baseAddress) else { return }
        var start = 0
        while start < text.count {
            let first = UInt64(littleEndian: (base + start).loadUnaligned(as: UInt64.self))
            let second = UInt64(littleEndian: (base + start + 8).loadUnaligned(as: UInt64.self))
            var length = cutter.shortWord(first, second)
            // Bytes after the end of this text were read too.
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

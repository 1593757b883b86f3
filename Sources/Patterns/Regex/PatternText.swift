/// The text that a program runs over: UTF-8, possibly invalid.
struct PatternText {
    let bytes: UnsafeBufferPointer<UInt8>
    /// The word characters for `\b`.
    let words: PatternSetTable

    @inline(__always)
    var count: Int { bytes.count }

    /// The bytes of the scalar at a position before the end.
    @inline(__always)
    func length(at position: Int) -> Int {
        if bytes[position] < 0x80 { return 1 }
        return wide(position).length
    }

    @inline(__always)
    func wide(_ position: Int) -> (scalar: UInt32, length: Int) {
        let first = bytes[position]
        if first & 0xE0 == 0xC0, first >= 0xC2, position + 1 < bytes.count {
            let second = bytes[position + 1]
            if second & 0xC0 == 0x80 { return (UInt32(first & 0x1F) << 6 | UInt32(second & 0x3F), 2) }
        } else if first & 0xF0 == 0xE0, position + 2 < bytes.count {
            let (second, third) = (bytes[position + 1], bytes[position + 2])
            let scalar = UInt32(first & 0x0F) << 12 | UInt32(second & 0x3F) << 6 | UInt32(third & 0x3F)
            if second & third & 0xC0 == 0x80, second | third < 0xC0, scalar >= 0x800, scalar & 0xF800 != 0xD800 {
                return (scalar, 3)
            }
        }
        return unusual(position)
    }

    @inline(never)
    private func unusual(_ position: Int) -> (scalar: UInt32, length: Int) {
        var scalars = UTF8Scalars(bytes, at: position)
        let scalar = scalars.next() ?? 0xFFFD
        return (scalar, scalars.position - position)
    }

    /// The start of the scalar that ends at `end`.
    @inline(__always)
    func start(before end: Int) -> Int {
        if bytes[end - 1] < 0x80 { return end - 1 }
        var start = end - 1
        while start > 0, end - start < 4, bytes[start] & 0xC0 == 0x80 { start -= 1 }
        // In invalid UTF-8, go back by the same lengths as forward.
        return start + length(at: start) == end ? start : end - 1
    }

    /// Whether the scalar at a position before the end is in the set.
    @inline(__always)
    func has(_ set: PatternSetTable, _ position: Int) -> Bool {
        let kind = set.bytes[Int(bytes[position])]
        return kind == PatternSetTable.isWide ? set.contains(wide(position).scalar) : kind == PatternSetTable.inside
    }

    /// The bytes of the scalar at `position` if it is in the set, else 0.
    @inline(__always)
    func taken(_ set: PatternSetTable, _ position: Int) -> Int {
        guard position < bytes.count else { return 0 }
        let kind = set.bytes[Int(bytes[position])]
        guard kind == PatternSetTable.isWide else { return Int(kind) }
        let (scalar, length) = wide(position)
        return set.contains(scalar) ? length : 0
    }

    private func isWord(before position: Int) -> Bool {
        position > 0 && has(words, start(before: position))
    }

    private func isWord(at position: Int) -> Bool {
        position < bytes.count && has(words, position)
    }

    func holds(_ assertion: Int32, _ position: Int) -> Bool {
        switch PatternNode.Assertion(rawValue: assertion) {
        case .lineStart: position == 0 || bytes[position - 1] == 0x0A && position < bytes.count
        case .lineEnd: position == bytes.count || bytes[position] == 0x0A
        case .textStart: position == 0
        case .textEnd: position == bytes.count
        case .textEndOrFinalNewline:
            position == bytes.count || position == bytes.count - 1 && bytes[position] == 0x0A
        case .wordBoundary: isWord(before: position) != isWord(at: position)
        case .notWordBoundary: isWord(before: position) == isWord(at: position)
        case nil: false
        }
    }
}

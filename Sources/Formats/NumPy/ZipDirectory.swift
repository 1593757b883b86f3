/// The members in a zip archive's central directory, with all offsets checked against the file.
struct ZipDirectory {
    struct Member {
        var name: String
        var isDeflated: Bool
        var checksum: UInt32
        /// Uncompressed size in bytes.
        var size: Int
        /// The range of the (compressed) data in the file.
        var data: Range<Int>
    }
    private(set) var members: [Member] = []

    init(_ bytes: UnsafeRawBufferPointer, name: String) throws(FormatError) {
        let reader = ZipReader(bytes: bytes, name: name)
        let end = try reader.endOfDirectory()
        var place = end.offset
        for _ in 0..<end.count {
            try reader.require(place, 46, "a directory entry")
            guard reader.four(place) == 0x0201_4b50 else { throw reader.bad("a directory entry is broken") }
            let flags = reader.two(place + 8), method = reader.two(place + 10)
            let nameLength = reader.two(place + 28), extraLength = reader.two(place + 30)
            let commentLength = reader.two(place + 32)
            try reader.require(place + 46, nameLength + extraLength + commentLength, "a directory entry")
            // Copied first, so that the text cannot change between check and use.
            let own = String(decoding: Array(bytes[place + 46..<place + 46 + nameLength]), as: UTF8.self)
            var size = reader.four(place + 24), packed = reader.four(place + 20), offset = reader.four(place + 42)
            try reader.widen(
                &size, &packed, &offset, in: place + 46 + nameLength..<place + 46 + nameLength + extraLength)
            guard flags & 1 == 0 else { throw reader.bad("member \(FormatError.quote(own)) is encrypted") }
            guard method == 0 || method == 8 else {
                throw reader.bad("member \(FormatError.quote(own)) is compressed by method \(method)")
            }
            try reader.require(offset, 30, "member \(FormatError.quote(own))")
            guard reader.four(offset) == 0x0403_4b50 else {
                throw reader.bad("member \(FormatError.quote(own)) is not where it should be")
            }
            let start = offset + 30 + reader.two(offset + 26) + reader.two(offset + 28)
            try reader.require(start, packed, "member \(FormatError.quote(own))")
            guard method == 8 || size == packed else {
                throw reader.bad("stored member \(FormatError.quote(own)) has two sizes")
            }
            // The maximum compression ratio of deflate.
            guard size <= packed.multipliedReportingOverflow(by: 1032).partialValue + 1032 else {
                throw reader.bad("member \(FormatError.quote(own)) claims \(size) bytes from \(packed)")
            }
            members.append(
                Member(
                    name: own, isDeflated: method == 8, checksum: UInt32(truncatingIfNeeded: reader.four(place + 16)),
                    size: size, data: start..<start + packed))
            place += 46 + nameLength + extraLength + commentLength
        }
        // Members that share data could make a small file decompress to any number of large ones.
        let sorted = members.map(\.data).filter { !$0.isEmpty }.sorted { $0.lowerBound < $1.lowerBound }
        for (former, latter) in zip(sorted, sorted.dropFirst()) where latter.lowerBound < former.upperBound {
            throw reader.bad("two members share the data at byte \(latter.lowerBound)")
        }
    }
}

private struct ZipReader {
    let bytes: UnsafeRawBufferPointer
    let name: String

    func bad(_ reason: String) -> FormatError { FormatError(.malformed, path: name, reason) }

    func require(_ place: Int, _ count: Int, _ what: String) throws(FormatError) {
        guard place >= 0, count >= 0, place <= bytes.count, count <= bytes.count - place else {
            throw bad("\(what) lies outside the file")
        }
    }

    // Callers have checked that the bytes exist.
    func two(_ place: Int) -> Int { Int(bytes[place]) | Int(bytes[place + 1]) << 8 }
    func four(_ place: Int) -> Int { two(place) | two(place + 2) << 16 }
    /// Nil for values above `Int.max`.
    func eight(_ place: Int) -> Int? {
        let high = four(place + 4)
        return high < 1 << 31 ? four(place) | high << 32 : nil
    }

    /// The offset of the directory and its number of entries.
    func endOfDirectory() throws(FormatError) -> (offset: Int, count: Int) {
        guard bytes.count >= 22 else { throw bad("is not a zip archive: only \(bytes.count) bytes") }
        // The record is last, followed only by a comment of at most 65535 bytes.
        var place = bytes.count - 22
        let lowest = max(0, place - 65_535)
        while place >= lowest, four(place) != 0x0605_4b50 { place -= 1 }
        guard place >= lowest else { throw bad("is not a zip archive: it has no directory") }
        var count = two(place + 10), offset = four(place + 16)
        if count == 0xffff || offset == 0xffff_ffff, place >= 20, four(place - 20) == 0x0706_4b50 {
            guard let wide = eight(place - 12) else { throw bad("the directory lies outside the file") }
            try require(wide, 56, "the directory's end")
            guard four(wide) == 0x0606_4b50, let entries = eight(wide + 32), let start = eight(wide + 48) else {
                throw bad("the directory's end is broken")
            }
            count = entries
            offset = start
        }
        guard count <= bytes.count / 46 else { throw bad("the directory claims \(count) entries") }
        return (offset, count)
    }

    /// Sizes that do not fit into 32 bits are in an extra field, in this order.
    func widen(
        _ size: inout Int, _ packed: inout Int, _ offset: inout Int, in extra: Range<Int>
    ) throws(FormatError) {
        var place = extra.lowerBound
        while place + 4 <= extra.upperBound {
            let tag = two(place), end = place + 4 + two(place + 2)
            guard end <= extra.upperBound else { throw bad("an extra field leaves its entry") }
            if tag == 1 {
                var next = place + 4
                func taken(_ value: Int) throws(FormatError) -> Int {
                    guard value == 0xffff_ffff else { return value }
                    guard next + 8 <= end, let wide = eight(next) else { throw bad("a zip64 size is broken") }
                    next += 8
                    return wide
                }
                size = try taken(size)
                packed = try taken(packed)
                offset = try taken(offset)
                return
            }
            place = end
        }
    }
}

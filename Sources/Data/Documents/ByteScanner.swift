import MartletFormats

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The bytes of a stream, searched for the ends of lines and documents.
struct ByteScanner {
    private let stream: CorpusStream
    private var buffer: [UInt8] = []
    /// The number of consumed bytes of the buffer.
    private var position = 0
    private var isAtEnd = false
    private var isAtStart = true
    private static let stretch = 1 << 18

    init(_ stream: CorpusStream) { self.stream = stream }

    /// Bytes that are read but not consumed.
    var ready: ArraySlice<UInt8> { buffer[position...] }

    mutating func take(_ count: Int) -> ArraySlice<UInt8> {
        defer { position += count }
        return buffer[position..<position + count]
    }

    /// Reads more bytes after `ready`. False at the end of the stream.
    mutating func readMore() throws(DataError) -> Bool {
        guard !isAtEnd else { return false }
        if position > 0 {
            buffer.removeFirst(position)
            position = 0
        }
        let start = buffer.count
        // The size of a read doubles for long documents, so that the bytes in `ready` are rarely moved.
        let wanted = max(Self.stretch, start)
        buffer.append(contentsOf: repeatElement(0, count: wanted))
        var count = 0
        var failure: DecompressionError?
        buffer.withUnsafeMutableBytes { raw in
            do throws(DecompressionError) {
                while count < wanted {
                    let rest = UnsafeMutableRawBufferPointer(rebasing: raw[(start + count)...])
                    let step = try stream.read(into: rest)
                    if step == 0 { break }
                    count += step
                }
            } catch {
                failure = error
            }
        }
        buffer.removeLast(wanted - count)
        if let failure { throw DataError(failure, path: stream.path) }
        if isAtStart, buffer.count >= 3 || count == 0 {
            isAtStart = false
            try checkMark()
        }
        isAtEnd = count == 0
        return count > 0
    }

    /// Skips the byte order mark of UTF-8, and refuses UTF-16.
    private mutating func checkMark() throws(DataError) {
        if buffer.starts(with: [0xef, 0xbb, 0xbf]) { buffer.removeFirst(3) }
        if buffer.starts(with: [0xff, 0xfe]) || buffer.starts(with: [0xfe, 0xff]) {
            throw DataError(.unsupported, path: stream.path, "is UTF-16; convert it to UTF-8 first")
        }
    }

    /// The offset in `ready` of the first `byte` at or after `offset`.
    func find(_ byte: UInt8, from offset: Int = 0) -> Int? {
        buffer.withUnsafeBytes { raw in
            let start = position + offset
            guard start < raw.count, let base = raw.baseAddress,
                let found = memchr(base + start, Int32(byte), raw.count - start)
            else { return nil }
            return UnsafeRawPointer(found) - base - position
        }
    }

    /// The offset in `ready` of the first occurrence of `pattern` at or after `offset`.
    func find(_ pattern: [UInt8], from offset: Int = 0) -> Int? {
        guard let first = pattern.first else { return nil }
        var place = offset
        while let found = find(first, from: place) {
            let rest = buffer[(position + found)...]
            if rest.count < pattern.count { return nil }
            if rest.starts(with: pattern) { return found }
            place = found + 1
        }
        return nil
    }
}

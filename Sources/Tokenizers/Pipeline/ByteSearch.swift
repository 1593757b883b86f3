#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Searches for a byte string in time linear in the text, for any pattern.
enum ByteSearch {
    /// Patterns of at most this many bytes are compared at every position.
    private static let short = 16

    /// Calls `body` with every position of `pattern`, from left to right without overlap.
    @inline(__always)
    static func forEachMatch(
        of pattern: [UInt8], in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) throws -> Void
    ) rethrows {
        guard let first = pattern.first, text.count >= pattern.count, let base = text.baseAddress else { return }
        guard pattern.count <= short else { return try forEachMatch(ofLong: pattern, in: text, body) }
        var index = 0
        let last = text.count - pattern.count
        while index <= last {
            guard let found = memchr(base + index, Int32(first), last - index + 1) else { return }
            index = UnsafeRawPointer(found) - UnsafeRawPointer(base)
            if memcmp(base + index, pattern, pattern.count) == 0 {
                try body(index..<(index + pattern.count))
                index += pattern.count
            } else {
                index += 1
            }
        }
    }

    /// Source: Knuth, Morris and Pratt 1977.
    private static func forEachMatch(
        ofLong pattern: [UInt8], in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) throws -> Void
    ) rethrows {
        // The length of the pattern's prefix that still matches after a mismatch (failure function).
        var borders = [0, 0]
        var matched = 0
        for index in 1..<pattern.count {
            while matched > 0, pattern[index] != pattern[matched] { matched = borders[matched] }
            if pattern[index] == pattern[matched] { matched += 1 }
            borders.append(matched)
        }
        matched = 0
        for (index, byte) in text.enumerated() {
            while matched > 0, byte != pattern[matched] { matched = borders[matched] }
            if byte == pattern[matched] { matched += 1 }
            if matched == pattern.count {
                try body((index + 1 - matched)..<(index + 1))
                matched = 0
            }
        }
    }
}

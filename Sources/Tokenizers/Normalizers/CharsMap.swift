import MartletPatterns

/// The compiled character map of a sentencepiece model: a double-array trie from byte sequences to offsets of
/// null-terminated replacements.
///
/// Layout: u32 size of the trie in bytes, the trie's u32 units, the replacements. All little-endian. A unit has its
/// label in the low 8 bits (with bit 31: no match), bit 8 says that a value follows below, bits 10 and up are the
/// offset to the children, shifted by 8 more if bit 9 is set. Source: the Darts-clone format.
package struct CharsMap: Sendable {
    private let units: [UInt32]
    private let replacements: [UInt8]
    /// Bytes of the longest replacement; Unicode's compatibility forms need 33.
    let longestReplacement: Int

    /// An empty blob is a map without effect.
    package init(_ blob: [UInt8], file: String, field: String) throws(TokenizerError) {
        guard !blob.isEmpty else {
            (units, replacements, longestReplacement) = ([], [], 0)
            return
        }
        func malformed(_ reason: String) -> TokenizerError { .malformed(file: file, field: field, reason: reason) }
        func word(_ offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(blob[offset + $1]) << UInt32(8 * $1) }
        }
        guard blob.count >= 4 else { throw malformed("\(blob.count) bytes, too short for a character map") }
        let size = Int(word(0))
        guard size % 4 == 0, size > 0, size <= blob.count - 4 else {
            throw malformed("a trie of \(size) bytes does not fit in a character map of \(blob.count) bytes")
        }
        units = (0..<(size / 4)).map { word(4 + 4 * $0) }
        replacements = Array(blob[(4 + size)...])
        longestReplacement = replacements.split(separator: 0).map(\.count).max() ?? 0
        guard longestReplacement <= Self.longestAllowed else {
            throw malformed("a replacement of \(longestReplacement) bytes; at most \(Self.longestAllowed) are allowed")
        }
    }

    private static let longestAllowed = 256
    /// The maximum key length: keys are a few characters, but a damaged trie may contain a cycle.
    private static let longestKey = 256

    package var isEmpty: Bool { units.isEmpty }

    /// The map as it is stored.
    var bytes: [UInt8] {
        guard !isEmpty else { return [] }
        func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        return word(UInt32(clamping: units.count * 4)) + units.flatMap(word) + replacements
    }

    /// Calls `body` with the length and the value of every key that is a prefix of `bytes`, shortest first, while it
    /// returns true.
    @inline(__always)
    private func prefixes(of bytes: UnsafeBufferPointer<UInt8>, from start: Int, _ body: (Int, Int) -> Bool) {
        guard !units.isEmpty else { return }
        var node = Self.offset(units[0])
        var index = start
        let end = min(bytes.count, start + Self.longestKey)
        while index < end {
            node ^= Int(bytes[index])
            guard node < units.count else { return }
            let unit = units[node]
            guard unit & 0x8000_00FF == UInt32(bytes[index]) else { return }
            node ^= Self.offset(unit)
            index += 1
            if unit >> 8 & 1 == 1 {
                guard node < units.count else { return }
                if !body(index - start, Int(units[node] & 0x7FFF_FFFF)) { return }
            }
        }
    }

    private static func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 0x200) >> 6) }

    /// The longest key at `start` and its replacement.
    package func longestMatch(
        in bytes: UnsafeBufferPointer<UInt8>, at start: Int
    ) -> (length: Int, replacement: ArraySlice<UInt8>)? {
        var found: (Int, Int)?
        prefixes(of: bytes, from: start) { length, value in
            found = (length, value)
            return true
        }
        return found.flatMap { found in replacement(at: found.1).map { (found.0, $0) } }
    }

    /// The replacement of the shortest key that is a prefix of `bytes`.
    package func shortestMatch(in bytes: UnsafeBufferPointer<UInt8>) -> ArraySlice<UInt8>? {
        var found: Int?
        prefixes(of: bytes, from: 0) { _, value in
            found = value
            return false
        }
        return found.flatMap { replacement(at: $0) }
    }

    private func replacement(at offset: Int) -> ArraySlice<UInt8>? {
        guard offset < replacements.count else { return nil }
        let end = replacements[offset...].firstIndex(of: 0) ?? replacements.count
        return replacements[offset..<end]
    }
}

/// Applies a character map as the `tokenizers` library does: to each grapheme of fewer than six bytes as a whole, else
/// to each scalar, using the shortest matching key.
package struct PrecompiledNormalizer: Normalizer {
    package let map: CharsMap

    package init(_ map: CharsMap) { self.map = map }

    package func normalize(_ text: [UInt8]) -> [UInt8] {
        if map.isEmpty { return text }
        var output: [UInt8] = []
        output.reserveCapacity(text.count + text.count / 8)
        for character in String(decoding: text, as: UTF8.self) {
            Array(String(character).utf8).withUnsafeBufferPointer { bytes in
                if bytes.count < 6, let replacement = map.shortestMatch(in: bytes) {
                    output += replacement
                    return
                }
                var start = 0
                while start < bytes.count {
                    let end = min(bytes.count, start + utf8Length(bytes[start]))
                    let part = UnsafeBufferPointer(rebasing: bytes[start..<end])
                    if let replacement = map.shortestMatch(in: part) {
                        output += replacement
                    } else {
                        output += part
                    }
                    start = end
                }
            }
        }
        return output
    }
}

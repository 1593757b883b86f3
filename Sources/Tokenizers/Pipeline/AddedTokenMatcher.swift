import MartletPatterns

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Finds added tokens in a text: the leftmost match, and the longest one at that position.
package struct AddedTokenMatcher: Sendable {
    private let tokens: [AddedToken]
    private let isMarker: [Bool]
    private var trie = TokenTrie()
    /// Replaces the trie if a token is so long that trie walks from every position would be too slow.
    private var longTokens: TokenStarts?
    /// Whether a token starts with the byte; `onlyStart` if all start with the same one.
    private var starts = [Bool](repeating: false, count: 256)
    private var onlyStart: UInt8?

    /// - Parameter tokens: each with the bytes to match.
    package init(_ tokens: [(token: AddedToken, bytes: [UInt8])]) {
        self.tokens = tokens.map(\.token)
        isMarker = tokens.map(\.token.isMarker)
        for (index, (_, bytes)) in tokens.enumerated() {
            guard let first = bytes.first else { continue }
            if trie.node(of: bytes) < 0 || trie.value(at: trie.node(of: bytes)) < 0 {
                trie.insert(bytes, value: Int32(index))
            }
            starts[Int(first)] = true
        }
        if trie.longestKey > Self.longestForTrie {
            longTokens = TokenStarts(tokens.enumerated().reversed().map { (bytes: $1.bytes, value: Int32($0)) })
        }
        let used = starts.indices.filter { starts[$0] }
        if used.count == 1 { onlyStart = UInt8(used[0]) }
    }

    package var isEmpty: Bool { trie.isEmpty }

    /// Bytes of the longest token that is matched with a trie.
    private static let longestForTrie = 64

    /// Which special tokens may match.
    package enum Specials {
        case all
        case none
        /// Those that lie entirely in one of the ranges (ascending, disjoint); the same for other markers.
        case inside([Range<Int>])

        func allow(_ range: Range<Int>) -> Bool {
            switch self {
            case .all: return true
            case .none: return false
            case .inside(let ranges):
                var (low, high) = (0, ranges.count)
                while low < high {
                    let middle = (low + high) / 2
                    if ranges[middle].upperBound < range.upperBound { low = middle + 1 } else { high = middle }
                }
                return low < ranges.count && ranges[low].lowerBound <= range.lowerBound
            }
        }
    }

    /// Calls `body` with every span of text: the id of an added token, or nil for text between them.
    @inline(__always)
    package func split(
        _ text: UnsafeBufferPointer<UInt8>, specials: Specials, _ body: (Range<Int>, Int32?) throws -> Void
    ) rethrows {
        var done = 0
        var position = 0
        // White space that was already scanned: tokens inside it all extend to its end.
        var space = 0..<0
        let found = longTokens?.longest(in: text)
        while position < text.count, let match = next(in: text, found, from: position, specials: specials) {
            position = match.range.upperBound
            let token = tokens[match.token]
            guard !token.isSingleWord || standsAlone(match.range, in: text) else { continue }
            var (start, end) = (match.range.lowerBound, match.range.upperBound)
            if token.stripsLeft {
                start = max(done, WhiteSpace.start(of: text, before: start, notBefore: min(done, start)))
            }
            if token.stripsRight {
                if !(space.contains(end)) { space = end..<WhiteSpace.end(of: text, from: end) }
                end = space.upperBound
            }
            if done < start { try body(done..<start, nil) }
            try body(min(start, end)..<end, token.id)
            done = end
        }
        if done < text.count { try body(done..<text.count, nil) }
    }

    private func next(
        in text: UnsafeBufferPointer<UInt8>, _ found: [Int32]?, from start: Int, specials: Specials
    ) -> (range: Range<Int>, token: Int)? {
        if let found, let longTokens { return next(found, longTokens, from: start, specials: specials) }
        var position = start
        while true {
            if let onlyStart {
                guard let base = text.baseAddress, position < text.count,
                    let found = memchr(base + position, Int32(onlyStart), text.count - position)
                else { return nil }
                position = UnsafeRawPointer(found) - UnsafeRawPointer(base)
            } else {
                while position < text.count, !starts[Int(text[position])] { position += 1 }
                guard position < text.count else { return nil }
            }
            let match = trie.longestMatch(in: text, at: position) { length, token in
                !isGuarded(Int(token), specials) || specials.allow(position..<(position + length))
            }
            if let match { return (position..<(position + match.length), Int(match.value)) }
            position += 1
        }
    }

    /// Whether the token only matches where `specials` allows it.
    private func isGuarded(_ token: Int, _ specials: Specials) -> Bool {
        if case .inside = specials { isMarker[token] } else { tokens[token].isSpecial }
    }

    private func next(
        _ found: [Int32], _ longTokens: TokenStarts, from start: Int, specials: Specials
    ) -> (range: Range<Int>, token: Int)? {
        for position in start..<found.count where found[position] >= 0 {
            let match = longTokens.match(found[position]) { length, token in
                !isGuarded(Int(token), specials) || specials.allow(position..<(position + length))
            }
            if let match { return (position..<(position + match.length), Int(match.value)) }
        }
        return nil
    }

    private func standsAlone(_ range: Range<Int>, in text: UnsafeBufferPointer<UInt8>) -> Bool {
        if range.lowerBound > 0,
            ScalarClass.isWord(WhiteSpace.precedingScalar(text, before: range.lowerBound, notBefore: 0).scalar)
        {
            return false
        }
        var scalars = UTF8Scalars(text, at: range.upperBound)
        guard let next = scalars.next() else { return true }
        return !ScalarClass.isWord(next)
    }
}

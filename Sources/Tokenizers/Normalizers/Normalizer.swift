import MartletPatterns

/// Rewrites text before it is split into pieces (pre-tokens). Input and output are valid UTF-8.
package protocol Normalizer: Sendable {
    func normalize(_ text: [UInt8]) -> [UInt8]
    /// - Parameter isFirst: whether the text is at the start of the whole input.
    func normalize(_ text: [UInt8], isFirst: Bool) -> [UInt8]
}

extension Normalizer {
    package func normalize(_ text: [UInt8], isFirst: Bool) -> [UInt8] { normalize(text) }
}

/// Applies several normalisers in order.
package struct SequenceNormalizer: Normalizer {
    package let steps: [any Normalizer]

    package init(_ steps: [any Normalizer]) { self.steps = steps }

    package func normalize(_ text: [UInt8]) -> [UInt8] {
        steps.reduce(text) { $1.normalize($0) }
    }
}

/// NFC, NFD, NFKC or NFKD.
package struct FormNormalizer: Normalizer {
    package let form: NormalizationForm

    package init(_ form: NormalizationForm) { self.form = form }

    package func normalize(_ text: [UInt8]) -> [UInt8] { form.normalize(text) }
}

/// Adds `prefix` before any non-empty text.
package struct PrependNormalizer: Normalizer {
    package let prefix: [UInt8]

    package init(_ prefix: String) { self.prefix = Array(prefix.utf8) }

    package func normalize(_ text: [UInt8]) -> [UInt8] { text.isEmpty ? text : prefix + text }
}

/// Removes white space at the ends.
package struct StripNormalizer: Normalizer {
    package let left: Bool
    package let right: Bool

    package init(left: Bool, right: Bool) {
        self.left = left
        self.right = right
    }

    package func normalize(_ text: [UInt8]) -> [UInt8] {
        text.withUnsafeBufferPointer { bytes in
            let start = left ? WhiteSpace.end(of: bytes, from: 0) : 0
            let end = right ? WhiteSpace.start(of: bytes, before: bytes.count, notBefore: start) : bytes.count
            return Array(bytes[start..<max(start, end)])
        }
    }
}

/// Replaces every occurrence of a string.
package struct ReplaceNormalizer: Normalizer {
    package let pattern: [UInt8]
    package let replacement: [UInt8]

    package init(_ pattern: String, with replacement: String) {
        self.pattern = Array(pattern.utf8)
        self.replacement = Array(replacement.utf8)
    }

    package func normalize(_ text: [UInt8]) -> [UInt8] { text.replacing(bytes: pattern, with: replacement) }
}

extension [UInt8] {
    /// Replaces every occurrence of `pattern`, from left to right without overlap.
    package func replacing(bytes pattern: [UInt8], with replacement: [UInt8]) -> [UInt8] {
        guard !pattern.isEmpty, count >= pattern.count else { return self }
        return withUnsafeBufferPointer { bytes in
            var output: [UInt8] = []
            var done = 0
            ByteSearch.forEachMatch(of: pattern, in: bytes) { match in
                if output.isEmpty { output.reserveCapacity(count + count / 4) }
                output.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[done..<match.lowerBound]))
                output += replacement
                done = match.upperBound
            }
            if done == 0 { return self }
            output.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[done...]))
            return output
        }
    }
}

/// White space by Unicode's White_Space property, in UTF-8.
package enum WhiteSpace {
    @inline(__always)
    package static func contains(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x20, 0x09...0x0D: true
        case 0..<0x80: false
        case 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// The end of the white space that starts at `start`.
    package static func end(of bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var scalars = UTF8Scalars(bytes, at: start)
        var end = start
        while let scalar = scalars.next(), contains(scalar) { end = scalars.position }
        return end
    }

    /// The start of the white space that ends at `end`.
    package static func start(of bytes: UnsafeBufferPointer<UInt8>, before end: Int, notBefore limit: Int) -> Int {
        var start = end
        while start > limit {
            let previous = precedingScalar(bytes, before: start, notBefore: limit)
            guard contains(previous.scalar) else { break }
            start = previous.start
        }
        return start
    }

    /// The scalar that ends at `end`, and its start.
    package static func precedingScalar(
        _ bytes: UnsafeBufferPointer<UInt8>, before end: Int, notBefore limit: Int
    ) -> (scalar: UInt32, start: Int) {
        var start = end - 1
        while start > limit, end - start < 4, bytes[start] & 0xC0 == 0x80 { start -= 1 }
        var scalars = UTF8Scalars(bytes, at: start)
        return (scalars.next() ?? 0xFFFD, start)
    }
}

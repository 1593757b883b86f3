import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension JinjaText {
    /// Byte offset of the first `needle` at or after byte `start`.
    package func find(_ needle: JinjaText, from start: Int = 0) -> Int? {
        guard start <= bytes.count else { return nil }
        if needle.isEmpty { return start }
        if needle.bytes.count > Self.plainSearchLimit { return search(needle, start..<bytes.count, backwards: false) }
        return bytes.withUnsafeBytes { haystack in
            needle.bytes.withUnsafeBytes { needle in
                guard let base = haystack.baseAddress, let pattern = needle.baseAddress else { return nil }
                var position = start
                while position + needle.count <= haystack.count {
                    let room = haystack.count - needle.count - position + 1
                    guard let found = memchr(base + position, Int32(needle[0]), room) else { return nil }
                    position = UnsafeRawPointer(found) - base
                    if memcmp(base + position, pattern, needle.count) == 0 { return position }
                    position += 1
                }
                return nil
            }
        }
    }

    /// Byte offset of the last `needle` that ends at or before byte `end`.
    package func findLast(_ needle: JinjaText, before end: Int) -> Int? {
        guard needle.bytes.count <= end else { return nil }
        if needle.isEmpty { return end }
        return search(needle, 0..<end, backwards: true)
    }

    private static let plainSearchLimit = 16

    /// Knuth-Morris-Pratt search: linear time for any texts.
    private func search(_ needle: JinjaText, _ range: Range<Int>, backwards: Bool) -> Int? {
        let pattern = backwards ? needle.bytes.reversed() : needle.bytes
        guard range.count >= pattern.count else { return nil }
        var borders = [Int](repeating: 0, count: pattern.count)
        var matched = 0
        for index in pattern.indices.dropFirst() {
            while matched > 0, pattern[index] != pattern[matched] { matched = borders[matched - 1] }
            if pattern[index] == pattern[matched] { matched += 1 }
            borders[index] = matched
        }
        matched = 0
        for step in 0..<range.count {
            let position = backwards ? range.upperBound - 1 - step : range.lowerBound + step
            while matched > 0, bytes[position] != pattern[matched] { matched = borders[matched - 1] }
            if bytes[position] == pattern[matched] { matched += 1 }
            if matched == pattern.count { return backwards ? position : position - matched + 1 }
        }
        return nil
    }

    func hasPrefix(_ other: JinjaText) -> Bool { bytes.starts(with: other.bytes) }
    package func hasSuffix(_ other: JinjaText) -> Bool {
        bytes.count >= other.bytes.count && bytes.suffix(other.bytes.count).elementsEqual(other.bytes)
    }

    func joined(with other: JinjaText, _ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        if isEmpty { return other }
        if other.isEmpty { return self }
        var builder = JinjaTextBuilder(meter)
        try builder.append(self)
        try builder.append(other)
        return builder.finish()
    }

    func repeated(_ times: Int64, _ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        guard times > 0, !isEmpty else { return .empty }
        let (count, overflow) = times.multipliedReportingOverflow(by: Int64(bytes.count))
        guard !overflow, count <= Int64(JinjaLimits.textBytes) else {
            throw .limit("a text is longer than the limit of \(JinjaLimits.textBytes) bytes")
        }
        var builder = JinjaTextBuilder(meter)
        // By doubling, so that repeating one byte a million times does not take a million steps.
        var block = self
        var left = times
        while left > 0 {
            if left & 1 == 1 { try builder.append(block) }
            left >>= 1
            if left > 0 { block = try block.joined(with: block, meter) }
        }
        return builder.finish()
    }

    /// `str.replace`; the inserted text keeps its own origin. A negative limit replaces all.
    func replacing(
        _ old: JinjaText, with new: JinjaText, limit: Int64 = -1, _ meter: JinjaMeter
    ) throws(JinjaError) -> JinjaText {
        if limit == 0 { return self }
        try meter.touch(bytes.count.adding(clamped: old.bytes.count))
        var remaining = limit < 0 ? Int64.max : limit
        var builder = JinjaTextBuilder(meter)
        var start = 0
        if old.isEmpty {
            while remaining > 0 {
                try builder.append(new)
                remaining -= 1
                guard start < bytes.count else { break }
                let end = endOfScalar(at: start)
                try builder.append(self[start..<end])
                start = end
            }
            try builder.append(self[start..<bytes.count])
            return builder.finish()
        }
        guard var found = find(old) else { return self }
        while true {
            try builder.append(self[start..<found])
            try builder.append(new)
            start = found + old.bytes.count
            remaining -= 1
            guard remaining > 0, let next = find(old, from: start) else { break }
            found = next
        }
        try builder.append(self[start..<bytes.count])
        return builder.finish()
    }

    /// `str.split(separator, limit)`; a nil separator splits at runs of whitespace.
    func split(_ separator: JinjaText?, limit: Int64, _ meter: JinjaMeter) throws(JinjaError) -> [JinjaText] {
        try meter.touch(weight.adding(clamped: separator?.bytes.count ?? 0))
        if separator == nil { try meter.scan(bytes.count) }
        var remaining = limit < 0 ? Int64.max : limit
        var parts: [JinjaText] = []
        func check() throws(JinjaError) { try Self.check(parts, meter) }
        var start = 0
        if let separator {
            guard !separator.isEmpty else { throw .value("empty separator") }
            while remaining > 0, let found = find(separator, from: start) {
                parts.append(self[start..<found])
                start = found + separator.bytes.count
                remaining -= 1
                try check()
            }
            parts.append(self[start..<bytes.count])
            return parts
        }
        while true {
            while start < bytes.count, scalar(at: start).isPythonSpace { start = endOfScalar(at: start) }
            guard start < bytes.count else { return parts }
            if remaining == 0 {
                parts.append(self[start..<bytes.count])
                return parts
            }
            var end = start
            while end < bytes.count, !scalar(at: end).isPythonSpace { end = endOfScalar(at: end) }
            parts.append(self[start..<end])
            start = end
            remaining -= 1
            try check()
        }
    }

    /// Charges one more part.
    private static func check(_ parts: [JinjaText], _ meter: JinjaMeter) throws(JinjaError) {
        try meter.make(texts: 1)
        if parts.count > JinjaLimits.listCount { throw .limit("a split into more than a million parts") }
    }

    /// `str.rsplit(separator, limit)`.
    func splitFromEnd(
        _ separator: JinjaText?, limit: Int64, _ meter: JinjaMeter
    ) throws(JinjaError) -> [JinjaText] {
        if limit < 0 { return try split(separator, limit: limit, meter) }
        try meter.touch(weight)
        if separator == nil { try meter.scan(bytes.count) }
        var remaining = limit
        var parts: [JinjaText] = []
        var end = bytes.count
        if let separator {
            guard !separator.isEmpty else { throw .value("empty separator") }
            while remaining > 0, let found = findLast(separator, before: end) {
                parts.append(self[found + separator.bytes.count..<end])
                try meter.touch(separator.bytes.count.adding(clamped: end - found))
                try Self.check(parts, meter)
                end = found
                remaining -= 1
            }
            parts.append(self[0..<end])
            return parts.reversed()
        }
        while true {
            end = trimmedEnd(from: 0, end: end)
            guard end > 0 else { return parts.reversed() }
            if remaining == 0 {
                parts.append(self[0..<end])
                return parts.reversed()
            }
            var start = end
            while start > 0 {
                let previous = startOfScalar(endingAt: start)
                if scalar(at: previous).isPythonSpace { break }
                start = previous
            }
            parts.append(self[start..<end])
            try Self.check(parts, meter)
            end = start
            remaining -= 1
        }
    }

    /// `str.splitlines(keepends)`.
    func lines(keepingEnds: Bool = false, _ meter: JinjaMeter) throws(JinjaError) -> [JinjaText] {
        try meter.scan(bytes.count)
        var result: [JinjaText] = []
        var start = 0
        var position = 0
        while position < bytes.count {
            let next = endOfScalar(at: position)
            guard scalar(at: position).isPythonLineBreak else {
                position = next
                continue
            }
            let isPair = bytes[position] == 0x0D && next < bytes.count && bytes[next] == 0x0A
            let end = isPair ? next + 1 : next
            result.append(self[start..<(keepingEnds ? end : position)])
            try Self.check(result, meter)
            start = end
            position = end
        }
        if start < bytes.count { result.append(self[start..<bytes.count]) }
        return result
    }

    func trimmedStart(end: Int, of set: Set<Unicode.Scalar>? = nil) -> Int {
        var start = 0
        while start < end {
            let scalar = scalar(at: start)
            guard set?.contains(scalar) ?? scalar.isPythonSpace else { break }
            start = endOfScalar(at: start)
        }
        return start
    }

    func trimmedEnd(from start: Int, end: Int? = nil, of set: Set<Unicode.Scalar>? = nil) -> Int {
        var end = end ?? bytes.count
        while end > start {
            let previous = startOfScalar(endingAt: end)
            let scalar = scalar(at: previous)
            guard set?.contains(scalar) ?? scalar.isPythonSpace else { break }
            end = previous
        }
        return end
    }

    /// `str.strip(characters)`, at either side or both.
    package func trimmed(_ characters: JinjaText? = nil, start: Bool = true, end: Bool = true) -> JinjaText {
        let set = characters.map { Set($0.string.unicodeScalars) }
        let last = end ? trimmedEnd(from: 0, of: set) : bytes.count
        let first = start ? trimmedStart(end: last, of: set) : 0
        return self[first..<last]
    }
}

extension Unicode.Scalar {
    /// `str.isspace` of one character.
    var isPythonSpace: Bool {
        switch value {
        case 0x20, 0x09...0x0D, 0x1C...0x1F: true
        case ..<0x80: false
        case 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    var isPythonLineBreak: Bool {
        switch value {
        case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }
}

import MartletPatterns

extension ScalarSet {
    /// The scalars of the set as UTF-8: sequences of one to four byte ranges. Surrogates are left out.
    var byteSequences: [[ClosedRange<UInt8>]] {
        var result: [[ClosedRange<UInt8>]] = []
        for range in ranges {
            for (low, high) in [
                (UInt32(0), UInt32(0x7F)), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF),
                (0x10000, 0x10FFFF),
            ] {
                let first = max(low, range.lowerBound)
                let last = min(high, range.upperBound)
                if first <= last { Self.cut(first, last, into: &result) }
            }
        }
        return result
    }

    /// Splits a range of scalars with the same number of bytes, so that each byte has an independent range.
    private static func cut(_ first: UInt32, _ last: UInt32, into result: inout [[ClosedRange<UInt8>]]) {
        let count = first < 0x80 ? 1 : first < 0x800 ? 2 : first < 0x10000 ? 3 : 4
        for position in 1..<max(count, 1) {
            // The lowest `position` bytes must cover all values, or the bytes above must be equal.
            let mask = UInt32(1) << UInt32(6 * position) - 1
            guard first & ~mask != last & ~mask else { continue }
            if first & mask != 0 {
                cut(first, first | mask, into: &result)
                return cut((first | mask) + 1, last, into: &result)
            }
            if last & mask != mask {
                cut(first, (last & ~mask) - 1, into: &result)
                return cut(last & ~mask, last, into: &result)
            }
        }
        let low = bytes(first, count)
        let high = bytes(last, count)
        result.append((0..<count).map { low[$0]...high[$0] })
    }

    private static func bytes(_ scalar: UInt32, _ count: Int) -> [UInt8] {
        if count == 1 { return [UInt8(scalar)] }
        let head: UInt32 = count == 2 ? 0xC0 : count == 3 ? 0xE0 : 0xF0
        return (0..<count).map { index in
            let bits = scalar >> UInt32(6 * (count - 1 - index))
            return UInt8(index == 0 ? head | bits : 0x80 | bits & 0x3F)
        }
    }
}

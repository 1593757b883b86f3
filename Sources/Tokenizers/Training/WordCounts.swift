#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A hash table of word counts. Words of up to fifteen bytes (nearly all) are two machine words in a slot; longer ones
/// are stored in one array of bytes.
package final class WordCounts: @unchecked Sendable {
    // Filled by one thread, then read by another one.

    /// `count` is 0 in an empty slot. A short word has its bytes in `low` and `high`, little-endian, with its length in
    /// the highest byte; a long word has its hash in `low`, and 0xFF in the highest byte above its offset in
    /// `longBytes`.
    private struct Slot {
        var low: UInt64 = 0
        var high: UInt64 = 0
        var count: Int64 = 0
    }

    private var slots: UnsafeMutablePointer<Slot>
    private var mask: Int
    /// The number of distinct words.
    package private(set) var count = 0
    /// The maximum number of distinct words: beyond it the rarest are dropped.
    private let limit: Int
    /// The total count of words that were dropped.
    package private(set) var forgotten: Int64 = 0
    private var longBytes: [UInt8] = []

    static let longestShort = 15
    private static let longMark: UInt64 = 0xFF << 56

    package init(capacity: Int = 1 << 15, limit: Int = .max) {
        self.limit = max(16, limit)
        slots = .allocate(capacity: capacity)
        slots.initialize(repeating: Slot(), count: capacity)
        mask = capacity - 1
    }

    deinit { slots.deallocate() }

    @inline(__always)
    private static func hash(_ low: UInt64, _ high: UInt64) -> Int {
        let product = (low ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: high ^ 0xD6E8_FEB8_6659_FD93)
        return Int(truncatingIfNeeded: product.high ^ product.low)
    }

    /// Adds a word of one to fifteen bytes, the lower bytes of these words.
    @inline(__always)
    package func add(_ first: UInt64, _ second: UInt64, length: Int, times: Int64 = 1) {
        let low = length >= 8 ? first : first & ((1 &<< UInt64(8 * length)) &- 1)
        let rest = length > 8 ? second & ((1 &<< UInt64(8 * (length - 8))) &- 1) : 0
        let high = rest | UInt64(length) << 56
        var slot = Self.hash(low, high) & mask
        while slots[slot].count != 0 {
            if slots[slot].low == low, slots[slot].high == high {
                slots[slot].count += times
                return
            }
            slot = (slot + 1) & mask
        }
        insert(Slot(low: low, high: high, count: times), at: slot)
    }

    /// Longer words are split into several, so that a line without a space cannot fill the memory.
    private static let longestWord = 1 << 16

    /// Adds a word of any length.
    package func add(_ word: UnsafeBufferPointer<UInt8>, times: Int64 = 1) {
        if word.count > Self.longestWord {
            var start = 0
            while start < word.count {
                var end = min(start + Self.longestWord, word.count)
                while end < word.count, end > start + Self.longestWord - 3, word[end] & 0xC0 == 0x80 { end -= 1 }
                add(UnsafeBufferPointer(rebasing: word[start..<end]), times: times)
                start = end
            }
            return
        }
        guard word.count > Self.longestShort else {
            guard !word.isEmpty else { return }
            var (first, second) = (0 as UInt64, 0 as UInt64)
            for index in 0..<min(8, word.count) { first |= UInt64(word[index]) << UInt64(8 * index) }
            for index in min(8, word.count)..<word.count { second |= UInt64(word[index]) << UInt64(8 * (index - 8)) }
            return add(first, second, length: word.count, times: times)
        }
        var hash: UInt64 = 0x517C_C1B7_2722_0A95 ^ UInt64(word.count)
        for byte in word { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        hash = (hash ^ hash >> 32) &* 0x9E37_79B9_7F4A_7C15
        var slot = Self.hash(hash, Self.longMark) & mask
        while slots[slot].count != 0 {
            if slots[slot].low == hash, slots[slot].high >= Self.longMark, bytes(of: slots[slot], areEqualTo: word) {
                slots[slot].count += times
                return
            }
            slot = (slot + 1) & mask
        }
        let start = longBytes.count
        withUnsafeBytes(of: UInt64(word.count)) { longBytes += $0 }
        longBytes += word
        insert(Slot(low: hash, high: Self.longMark | UInt64(start), count: times), at: slot)
    }

    /// The length and offset of a long word's bytes.
    private func place(of slot: Slot) -> Range<Int> {
        let start = Int(slot.high & ~Self.longMark)
        let length = longBytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start, as: UInt64.self) }
        return (start + 8)..<(start + 8 + Int(length))
    }

    private func bytes(of slot: Slot, areEqualTo word: UnsafeBufferPointer<UInt8>) -> Bool {
        longBytes[place(of: slot)].elementsEqual(word)
    }

    private func insert(_ new: Slot, at slot: Int) {
        slots[slot] = new
        count += 1
        if count > limit { forgetRarest() }
        guard count * 2 > mask else { return }
        let old = slots, oldSize = mask + 1
        mask = oldSize * 2 - 1
        slots = .allocate(capacity: mask + 1)
        slots.initialize(repeating: Slot(), count: mask + 1)
        for index in 0..<oldSize where old[index].count != 0 {
            var slot = home(of: old[index])
            while slots[slot].count != 0 { slot = (slot + 1) & mask }
            slots[slot] = old[index]
        }
        old.deallocate()
    }

    /// Drops words with count 1, then 2, 4 and so on, until half of the limit is left. Source: Manku and Motwani 2002
    /// (lossy counting), with a limit on words instead of a limit on errors.
    private func forgetRarest() {
        var threshold: Int64 = 1
        while count > limit / 2 {
            let kept = WordCounts(capacity: mask + 1)
            forEach { word, times in
                if times > threshold { kept.add(word, times: times) } else { forgotten += times }
            }
            swap(&slots, &kept.slots)
            swap(&mask, &kept.mask)
            swap(&count, &kept.count)
            swap(&longBytes, &kept.longBytes)
            threshold *= 2
        }
    }

    private func home(of slot: Slot) -> Int {
        Self.hash(slot.low, slot.high >= Self.longMark ? Self.longMark : slot.high) & mask
    }

    /// Calls `body` with every word and its count, in unspecified order.
    package func forEach(_ body: (UnsafeBufferPointer<UInt8>, Int64) -> Void) {
        for index in 0...mask where slots[index].count != 0 {
            let slot = slots[index]
            if slot.high >= Self.longMark {
                let place = place(of: slot)
                longBytes.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[place]), slot.count) }
            } else {
                withUnsafeBytes(of: (slot.low.littleEndian, slot.high.littleEndian)) { bytes in
                    body(
                        UnsafeBufferPointer(rebasing: bytes.bindMemory(to: UInt8.self)[..<Int(slot.high >> 56)]),
                        slot.count)
                }
            }
        }
    }

    /// Adds the counts of another table.
    package func add(_ other: WordCounts) {
        for index in 0...other.mask where other.slots[index].count != 0 {
            let slot = other.slots[index]
            if slot.high >= Self.longMark {
                let place = other.place(of: slot)
                other.longBytes.withUnsafeBufferPointer {
                    add(UnsafeBufferPointer(rebasing: $0[place]), times: slot.count)
                }
            } else {
                add(slot.low, slot.high & ~Self.longMark, length: Int(slot.high >> 56), times: slot.count)
            }
        }
    }
}

/// XXH64 with seed 0, the checksum of Zstandard frames and of checkpoint files. Source: RFC 8878; the xxHash
/// specification.
package struct HashXX64 {
    private static let p1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let p2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let p3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let p4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let p5: UInt64 = 0x27D4_EB2F_1656_67C5

    private var lanes: (UInt64, UInt64, UInt64, UInt64)
    private var total = 0
    /// Bytes that do not fill a block of 32 yet.
    private var pending: [UInt8] = []

    package init() {
        lanes = (Self.p1 &+ Self.p2, Self.p2, 0, 0 &- Self.p1)
        pending.reserveCapacity(32)
    }

    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 { value << count | value >> (64 - count) }
    private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 { rotate(lane &+ word &* p2, 31) &* p1 }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        total += bytes.count
        var place = 0
        if !pending.isEmpty {
            place = min(32 - pending.count, bytes.count)
            pending.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[..<place]))
            guard pending.count == 32 else { return }
            let full = pending
            full.withUnsafeBytes { stripes($0, from: 0) }
            pending.removeAll(keepingCapacity: true)
        }
        let whole = (bytes.count - place) / 32 * 32
        stripes(UnsafeRawBufferPointer(rebasing: bytes[..<(place + whole)]), from: place)
        pending.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[(place + whole)...]))
    }

    private mutating func stripes(_ bytes: UnsafeRawBufferPointer, from start: Int) {
        var (a, b, c, d) = lanes
        func word(_ place: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
        }
        for place in stride(from: start, to: bytes.count, by: 32) {
            a = Self.round(a, word(place))
            b = Self.round(b, word(place + 8))
            c = Self.round(c, word(place + 16))
            d = Self.round(d, word(place + 24))
        }
        lanes = (a, b, c, d)
    }

    package var value: UInt64 {
        var hash: UInt64
        if total >= 32 {
            hash = Self.rotate(lanes.0, 1) &+ Self.rotate(lanes.1, 7) &+ Self.rotate(lanes.2, 12)
            hash = hash &+ Self.rotate(lanes.3, 18)
            for lane in [lanes.0, lanes.1, lanes.2, lanes.3] {
                hash = (hash ^ Self.round(0, lane)) &* Self.p1 &+ Self.p4
            }
        } else {
            hash = Self.p5
        }
        hash = hash &+ UInt64(total)
        pending.withUnsafeBytes { rest in
            var place = 0
            while rest.count - place >= 8 {
                let word = UInt64(littleEndian: rest.loadUnaligned(fromByteOffset: place, as: UInt64.self))
                hash = Self.rotate(hash ^ Self.round(0, word), 27) &* Self.p1 &+ Self.p4
                place += 8
            }
            if rest.count - place >= 4 {
                let word = UInt32(littleEndian: rest.loadUnaligned(fromByteOffset: place, as: UInt32.self))
                hash = Self.rotate(hash ^ UInt64(word) &* Self.p1, 23) &* Self.p2 &+ Self.p3
                place += 4
            }
            while place < rest.count {
                hash = Self.rotate(hash ^ UInt64(rest[place]) &* Self.p5, 11) &* Self.p1
                place += 1
            }
        }
        hash = (hash ^ hash >> 33) &* Self.p2
        hash = (hash ^ hash >> 29) &* Self.p3
        return hash ^ hash >> 32
    }
}

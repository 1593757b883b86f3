/// The properties of a scalar that pre-tokenizers need, as flags in a two-stage table.
package struct ScalarTraits: OptionSet, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let upper = ScalarTraits(rawValue: 1 << 0)  // Lu, Lt
    package static let lower = ScalarTraits(rawValue: 1 << 1)  // Ll
    package static let caseless = ScalarTraits(rawValue: 1 << 2)  // Lm, Lo
    package static let mark = ScalarTraits(rawValue: 1 << 3)  // M
    package static let number = ScalarTraits(rawValue: 1 << 4)  // N
    package static let punctuation = ScalarTraits(rawValue: 1 << 5)  // P
    package static let symbol = ScalarTraits(rawValue: 1 << 6)  // S
    /// White_Space
    package static let space = ScalarTraits(rawValue: 1 << 7)
    /// CR or LF
    package static let newline = ScalarTraits(rawValue: 1 << 8)

    package static let letter: ScalarTraits = [.upper, .lower, .caseless]
    package static let letterOrNumber: ScalarTraits = [.letter, .number]

    @inline(__always)
    package func has(_ any: ScalarTraits) -> Bool { rawValue & any.rawValue != 0 }
}

/// Lives as long as the process: its memory is never freed, so that reading it needs no reference counting.
package struct CategoryTable: @unchecked Sendable {
    package static let shared = CategoryTable()

    /// Block 0 starts at 0, so that ASCII is the first 128 entries of `traits`.
    private let blocks: UnsafePointer<UInt16>
    private let traits: UnsafePointer<UInt16>

    private init() {
        let kinds: [ScalarTraits] =
            [.upper, .lower, .upper, .caseless, .caseless, .mark, .mark, .mark, .number, .number, .number]
            + Array(repeating: .punctuation, count: 7) + Array(repeating: .symbol, count: 4)
            + Array(repeating: [], count: 8)
        var blocks = [UInt16](repeating: 0, count: 0x1100)
        var traits: [UInt16] = []
        // Blocks with equal entries are shared.
        var uniform: [UInt16: UInt16] = [:]
        var current: [UInt16] = []
        var reader = PackedNumbers(CategoryData.runs)
        var point = 0
        while var length = reader.next(), let category = reader.next() {
            let kind = kinds[category].rawValue
            while length > 0 {
                let taken = min(length, 256 - current.count)
                current.append(contentsOf: repeatElement(kind, count: taken))
                length -= taken
                point += taken
                guard current.count == 256 else { continue }
                let block = point / 256 - 1
                if taken == 256, let known = uniform[kind] {
                    blocks[block] = known
                } else {
                    blocks[block] = UInt16(traits.count >> 8)
                    if taken == 256 { uniform[kind] = blocks[block] }
                    traits += current
                }
                current.removeAll(keepingCapacity: true)
            }
        }
        let spaces: [ClosedRange<UInt32>] = [
            0x09...0x0D, 0x20...0x20, 0x85...0x85, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029,
            0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000,
        ]
        func insert(_ trait: ScalarTraits, _ scalar: UInt32) {
            traits[Int(blocks[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)] |= trait.rawValue
        }
        for scalar in spaces.joined() { insert(.space, scalar) }
        insert(.newline, 0x0A)
        insert(.newline, 0x0D)
        self.blocks = Self.forever(blocks)
        self.traits = Self.forever(traits)
    }

    private static func forever(_ values: [UInt16]) -> UnsafePointer<UInt16> {
        let memory = UnsafeMutablePointer<UInt16>.allocate(capacity: values.count)
        memory.initialize(from: values, count: values.count)
        return UnsafePointer(memory)
    }

    @inline(__always)
    package func ascii(_ byte: UInt8) -> ScalarTraits { ScalarTraits(rawValue: traits[Int(byte & 0x7F)]) }

    @inline(__always)
    package subscript(scalar: UInt32) -> ScalarTraits {
        ScalarTraits(rawValue: traits[Int(blocks[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)])
    }
}

/// Decompositions, compositions and combining classes, unpacked once from `NormalizationData`.
struct NormalizationTables: Sendable {
    static let shared = NormalizationTables()

    /// Two-stage tables: block of 256 code points, then index in the block. Block 0 is all zero.
    private var classBlocks = [UInt8](repeating: 0, count: 0x1100)
    private var classes = [UInt8](repeating: 0, count: 256)
    private var entryBlocks = [UInt8](repeating: 0, count: 0x1100)
    private var entries = [UInt16](repeating: 0, count: 256)

    /// The mappings of an entry in `scalars`; canonical and compatibility mappings may be the same.
    private var canonical: [Range<Int32>] = [0..<0]
    private var compatible: [Range<Int32>] = [0..<0]
    private var scalars: [UInt32] = []
    /// `first << 32 | second` to the primary composite.
    private var composites: [UInt64: UInt32] = [:]
    /// Scalars that can be the second of a composable pair, except Hangul.
    private var seconds: Set<UInt32> = []

    private init() {
        var reader = PackedNumbers(NormalizationData.combiningClasses)
        var next = 0
        while let gap = reader.next(), let extra = reader.next(), let value = reader.next() {
            let first = next + gap
            for point in first...(first + extra) {
                let block = Self.block(of: point, in: &classBlocks, &classes)
                classes[block << 8 | point & 0xFF] = UInt8(value)
            }
            next = first + extra + 1
        }

        var mappings: [(point: UInt32, canonical: Bool, scalars: [UInt32])] = []
        var index: [UInt32: Int] = [:]
        reader = PackedNumbers(NormalizationData.decompositions)
        next = 0
        while let gap = reader.next(), let code = reader.next() {
            let point = UInt32(next + gap)
            let mapping = (0..<(code + 1) / 2).map { _ in UInt32(reader.next() ?? 0) }
            index[point] = mappings.count
            mappings.append((point, code & 1 == 1, mapping))
            next = Int(point) + 1
        }
        // Mappings are one level deep in the data; their full depth is bounded by the standard (at most 4).
        func expanded(_ point: UInt32, compatible: Bool, depth: Int = 0) -> [UInt32] {
            guard depth < 16, let place = index[point], compatible || mappings[place].canonical else { return [point] }
            return mappings[place].scalars.flatMap { expanded($0, compatible: compatible, depth: depth + 1) }
        }
        for mapping in mappings {
            let block = Self.block(of: Int(mapping.point), in: &entryBlocks, &entries)
            entries[block << 8 | Int(mapping.point) & 0xFF] = UInt16(canonical.count)
            let start = Int32(scalars.count)
            scalars += mapping.canonical ? expanded(mapping.point, compatible: false) : []
            canonical.append(start..<Int32(scalars.count))
            let middle = Int32(scalars.count)
            let full = expanded(mapping.point, compatible: true)
            if full.elementsEqual(scalars[Int(start)..<Int(middle)]) {
                compatible.append(start..<middle)
            } else {
                scalars += full
                compatible.append(middle..<Int32(scalars.count))
            }
        }

        reader = PackedNumbers(NormalizationData.exclusions)
        var excluded: Set<UInt32> = []
        next = 0
        while let gap = reader.next() {
            next += gap
            excluded.insert(UInt32(next))
        }
        for mapping in mappings
        where mapping.canonical && mapping.scalars.count == 2 && !excluded.contains(mapping.point) {
            composites[UInt64(mapping.scalars[0]) << 32 | UInt64(mapping.scalars[1])] = mapping.point
            seconds.insert(mapping.scalars[1])
        }
    }

    private static func block<Value: BinaryInteger>(
        of point: Int, in blocks: inout [UInt8], _ values: inout [Value]
    ) -> Int {
        if blocks[point >> 8] == 0 {
            blocks[point >> 8] = UInt8(values.count >> 8)
            values.append(contentsOf: repeatElement(0, count: 256))
        }
        return Int(blocks[point >> 8])
    }

    @inline(__always)
    func combiningClass(_ point: UInt32) -> UInt8 {
        classes[Int(classBlocks[Int(point >> 8)]) << 8 | Int(point & 0xFF)]
    }

    /// Calls `body` with each scalar of the full decomposition of `point`.
    @inline(__always)
    func decompose(_ point: UInt32, compatible wantsCompatible: Bool, _ body: (UInt32) -> Void) {
        if point >= Hangul.first, point < Hangul.first + Hangul.count {
            let index = point - Hangul.first
            body(Hangul.leading + index / Hangul.perLeading)
            body(Hangul.vowel + index % Hangul.perLeading / Hangul.trailingCount)
            if index % Hangul.trailingCount > 0 { body(Hangul.trailing + index % Hangul.trailingCount) }
            return
        }
        let entry = Int(entries[Int(entryBlocks[Int(point >> 8)]) << 8 | Int(point & 0xFF)])
        let range = wantsCompatible ? compatible[entry] : canonical[entry]
        if range.isEmpty { return body(point) }
        for index in range { body(scalars[Int(index)]) }
    }

    /// The primary composite of two scalars.
    func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if first >= Hangul.leading, first < Hangul.leading + Hangul.leadingCount {
            guard second >= Hangul.vowel, second < Hangul.vowel + Hangul.vowelCount else { return nil }
            return Hangul.first + (first - Hangul.leading) * Hangul.perLeading
                + (second - Hangul.vowel) * Hangul.trailingCount
        }
        if first >= Hangul.first, first < Hangul.first + Hangul.count {
            guard (first - Hangul.first) % Hangul.trailingCount == 0,
                second > Hangul.trailing, second < Hangul.trailing + Hangul.trailingCount
            else { return nil }
            return first + second - Hangul.trailing
        }
        return composites[UInt64(first) << 32 | UInt64(second)]
    }

    /// Whether the scalar may combine with the scalars before it.
    func mayFollow(_ point: UInt32) -> Bool {
        point >= 0x300
            && (seconds.contains(point)
                || point >= Hangul.vowel && point < Hangul.vowel + Hangul.vowelCount
                || point > Hangul.trailing && point < Hangul.trailing + Hangul.trailingCount)
    }
}

/// Unicode Standard, section 3.12, conjoining jamo behaviour.
private enum Hangul {
    static let first: UInt32 = 0xAC00
    static let leading: UInt32 = 0x1100
    static let vowel: UInt32 = 0x1161
    static let trailing: UInt32 = 0x11A7
    static let leadingCount: UInt32 = 19
    static let vowelCount: UInt32 = 21
    static let trailingCount: UInt32 = 28
    static let perLeading = vowelCount * trailingCount
    static let count = leadingCount * perLeading
}

/// Numbers in base 16, with a separate set of digits for "more follow"; see the script that writes them.
struct PackedNumbers {
    private var bytes: UnsafeBufferPointer<UInt8>
    private var position = 0

    init(_ text: StaticString) {
        bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    mutating func next() -> Int? {
        var value = 0
        while position < bytes.count {
            let byte = Int(bytes[position])
            position += 1
            let digit = byte < 0x61 ? byte - 0x30 : byte - 0x61 + 10
            value = value << 4 | digit & 15
            if digit < 16 { return value }
        }
        return nil
    }
}

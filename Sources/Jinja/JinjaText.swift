/// A string that records which of its bytes were written by the template and which came from data (messages, tools,
/// documents). Concatenating, slicing, trimming and replacing preserve this, so that a tokenizer can match special
/// tokens in template text only.
///
/// Length and indices count Unicode scalars, as in Python. `bytes` is always valid UTF-8.
package struct JinjaText: Sendable {
    package struct Run: Sendable, Equatable {
        /// Byte offset at which the run ends.
        package var end: Int
        package var isData: Bool

        package init(end: Int, isData: Bool) {
            self.end = end
            self.isData = isData
        }
    }

    package enum Origin: Sendable, Equatable {
        case template
        case data
        /// Alternating runs that cover all bytes.
        case mixed([Run])
    }

    package let bytes: [UInt8]
    package let origin: Origin

    package init(bytes: [UInt8], origin: Origin = .template) {
        self.bytes = bytes
        self.origin = origin
    }

    package init(_ text: some StringProtocol, isData: Bool = false) {
        bytes = Array(text.utf8)
        origin = isData ? .data : .template
    }

    package static let empty = JinjaText(bytes: [])

    package var string: String { String(decoding: bytes, as: UTF8.self) }
    package var isEmpty: Bool { bytes.isEmpty }

    /// Number of Unicode scalars.
    package var count: Int {
        bytes.withUnsafeBufferPointer { buffer in
            var continuation = 0
            for byte in buffer where byte & 0xC0 == 0x80 { continuation += 1 }
            return buffer.count - continuation
        }
    }

    package var isASCII: Bool { bytes.allSatisfy { $0 < 0x80 } }
    package var hasData: Bool { if case .template = origin { false } else { true } }

    package var runs: [Run] {
        switch origin {
        case .template: bytes.isEmpty ? [] : [Run(end: bytes.count, isData: false)]
        case .data: bytes.isEmpty ? [] : [Run(end: bytes.count, isData: true)]
        case .mixed(let runs): runs
        }
    }

    /// The bytes in `range`, which must lie on scalar boundaries.
    package subscript(range: Range<Int>) -> JinjaText {
        if range.lowerBound == 0, range.upperBound == bytes.count { return self }
        let slice = Array(bytes[range])
        guard case .mixed(let runs) = origin else { return JinjaText(bytes: slice, origin: origin) }
        var kept: [Run] = []
        for run in runs[Self.run(at: range.lowerBound, in: runs)...] {
            kept.append(Run(end: min(run.end, range.upperBound) - range.lowerBound, isData: run.isData))
            if run.end >= range.upperBound { break }
        }
        return JinjaText(bytes: slice, origin: Self.origin(of: kept))
    }

    /// The index of the run that contains a byte.
    private static func run(at offset: Int, in runs: [Run]) -> Int {
        var (low, high) = (0, runs.count)
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].end <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The bytes to copy or read.
    var weight: Int {
        if case .mixed(let runs) = origin { bytes.count + runs.count * MemoryLayout<Run>.stride } else { bytes.count }
    }

    package static func origin(of runs: [Run]) -> Origin {
        switch runs.count {
        case 0: .template
        case 1: runs[0].isData ? .data : .template
        default: .mixed(runs)
        }
    }

    /// The same text, marked as data.
    package var asData: JinjaText { JinjaText(bytes: bytes, origin: .data) }

    /// Byte offset of the scalar at `index`, from 0 up to `count`.
    package func offset(ofScalar index: Int) -> Int {
        var remaining = index
        for position in bytes.indices where bytes[position] & 0xC0 != 0x80 {
            if remaining == 0 { return position }
            remaining -= 1
        }
        return bytes.count
    }

    package var scalars: [JinjaText] {
        var result: [JinjaText] = []
        result.reserveCapacity(count)
        var start = 0
        for run in runs {
            let origin: Origin = run.isData ? .data : .template
            while start < run.end {
                let end = endOfScalar(at: start)
                result.append(JinjaText(bytes: Array(bytes[start..<end]), origin: origin))
                start = end
            }
        }
        return result
    }

    /// Whether the byte at `offset` came from data.
    private func isData(at offset: Int) -> Bool {
        switch origin {
        case .template: false
        case .data: true
        case .mixed(let runs): runs[Self.run(at: offset, in: runs)].isData
        }
    }

    /// The scalars at `indices`; the text has `count` scalars.
    func picked(_ indices: some Sequence<Int>, of count: Int, _ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        try meter.scan(bytes.count)
        var offsets: [Int32] = []
        if count < bytes.count {
            offsets.reserveCapacity(count)
            for index in bytes.indices where bytes[index] & 0xC0 != 0x80 { offsets.append(Int32(index)) }
        }
        var builder = JinjaTextBuilder(meter)
        for index in indices {
            let start = offsets.isEmpty ? index : Int(offsets[index])
            try builder.append(bytes[start..<endOfScalar(at: start)], isData: isData(at: start))
        }
        return builder.finish()
    }

    func endOfScalar(at start: Int) -> Int {
        var end = start + 1
        while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
        return end
    }

    /// The scalar that starts at byte `start`.
    func scalar(at start: Int) -> Unicode.Scalar {
        let first = UInt32(bytes[start])
        func tail(_ index: Int) -> UInt32 { start + index < bytes.count ? UInt32(bytes[start + index] & 0x3F) : 0 }
        let value: UInt32 =
            switch first {
            case 0..<0x80: first
            case 0..<0xE0: (first & 0x1F) << 6 | tail(1)
            case 0..<0xF0: (first & 0x0F) << 12 | tail(1) << 6 | tail(2)
            default: (first & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3)
            }
        return Unicode.Scalar(value) ?? "\u{FFFD}"
    }

    /// Start of the scalar that ends at byte `end`.
    func startOfScalar(endingAt end: Int) -> Int {
        var start = end - 1
        while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }

    /// Compares by scalar values, which for UTF-8 is the order of bytes.
    func precedes(_ other: JinjaText) -> Bool { bytes.lexicographicallyPrecedes(other.bytes) }
}

extension JinjaText: Hashable, ExpressibleByStringLiteral {
    package static func == (left: JinjaText, right: JinjaText) -> Bool { left.bytes == right.bytes }
    package func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
    package init(stringLiteral value: String) { self.init(value) }
}

/// Builds a text with the origin of every byte. Appending is charged as steps.
package struct JinjaTextBuilder {
    package private(set) var bytes: [UInt8] = []
    package private(set) var runs: [JinjaText.Run] = []
    private let meter: JinjaMeter
    /// Bytes that are not yet charged as a whole step, plus the fixed cost of appending.
    private var uncounted = 0

    package init(_ meter: JinjaMeter) { self.meter = meter }

    package mutating func append(_ text: JinjaText) throws(JinjaError) {
        guard !text.bytes.isEmpty else { return }
        let start = bytes.count
        try check(text.weight)
        bytes.append(contentsOf: text.bytes)
        switch text.origin {
        case .template: extend(isData: false)
        case .data: extend(isData: true)
        case .mixed(let added): for run in added { extend(isData: run.isData, to: start + run.end) }
        }
    }

    package mutating func append(_ text: String, isData: Bool = false) throws(JinjaError) {
        guard !text.isEmpty else { return }
        try check(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
        extend(isData: isData)
    }

    package mutating func append(_ part: ArraySlice<UInt8>, isData: Bool) throws(JinjaError) {
        guard !part.isEmpty else { return }
        try check(part.count)
        bytes.append(contentsOf: part)
        extend(isData: isData)
    }

    package mutating func append(byte: UInt8, isData: Bool) throws(JinjaError) {
        try check(1)
        bytes.append(byte)
        extend(isData: isData)
    }

    private mutating func check(_ added: Int) throws(JinjaError) {
        uncounted += added + 8
        if uncounted >= 64 {
            try meter.touch(uncounted)
            uncounted %= 64
        }
        if bytes.count + added > JinjaLimits.textBytes {
            throw .limit("a text is longer than the limit of \(JinjaLimits.textBytes) bytes")
        }
        if runs.count > JinjaLimits.runCount {
            throw .limit("a text changes more than \(JinjaLimits.runCount) times between template and data")
        }
    }

    private mutating func extend(isData: Bool, to end: Int? = nil) {
        let end = end ?? bytes.count
        if let last = runs.indices.last, runs[last].isData == isData {
            runs[last].end = end
        } else {
            runs.append(JinjaText.Run(end: end, isData: isData))
        }
    }

    package func finish() -> JinjaText { JinjaText(bytes: bytes, origin: JinjaText.origin(of: runs)) }
}

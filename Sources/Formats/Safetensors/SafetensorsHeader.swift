import MartletJSON
import MartletTensor

/// The JSON header of a safetensors file, with all its claims checked.
///
/// Layout: `u64` header length, the header `{"name": {"dtype", "shape", "data_offsets": [begin, end]}, …,
/// "__metadata__": {string: string}}`, then the tensors' bytes, to which the offsets refer. Source:
/// https://github.com/huggingface/safetensors, "Format".
struct SafetensorsHeader {
    var metadata: [String: String] = [:]
    var index = TensorIndex()

    static let maximumByteCount = 100_000_000
    /// More than any model has, so that a header full of the smallest tensors needs little memory.
    static let maximumTensorCount = 1 << 18
    /// Bits per element for every type of the format.
    static let bitsOfType: [String: Int] = [
        "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64, "F16": 16,
        "BF16": 16, "F32": 32, "F64": 64, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
        "F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
    ]
    /// The types that Martlet computes with.
    static let supported: [String: DType] = Dictionary(
        uniqueKeysWithValues: DType.allCases.filter { !$0.isQuantized }.map { ($0.name, $0) })
    /// Types whose bits are handed on as those of another type, to who knows what they mean: floats of eight bits, and words
    /// that codes are packed in.
    static let handedOn: [String: DType] = ["F8_E4M3": .uint8, "F8_E5M2": .uint8, "U32": .int32]

    init(path: String, bytes: UnsafeRawBufferPointer) throws(FormatError) {
        func malformed(_ field: String?, _ reason: String) -> FormatError {
            FormatError(.malformed, path: path, field: field, reason)
        }
        guard bytes.count >= 8 else {
            throw malformed(nil, "has \(bytes.count) bytes; a safetensors file starts with 8 bytes of header length")
        }
        let stated = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard stated <= Self.maximumByteCount else {
            throw malformed("header length", "\(stated) is more than the limit of \(Self.maximumByteCount)")
        }
        guard stated <= bytes.count - 8 else {
            throw malformed("header length", "\(stated), but only \(bytes.count - 8) bytes follow")
        }
        let dataStart = 8 + Int(stated)
        // A copy: the text must not change between check and use.
        let text = Array(bytes[8..<dataStart])
        guard text.first == UInt8(ascii: "{") else { throw malformed("header", "does not start with '{'") }
        let extent: (reason: String?, members: Int) = text.withUnsafeBytes(Self.structure)
        if let reason = extent.reason { throw malformed("header", reason) }
        guard extent.members <= Self.maximumTensorCount else {
            throw malformed(
                "header", "has \(extent.members) tensors, more than the limit of \(Self.maximumTensorCount)")
        }
        // Parsed member by member, so that no tree of the whole header is needed beside the index.
        index = TensorIndex(capacity: extent.members)
        var members = SafetensorsMembers(text)
        func next() throws(FormatError) -> (key: String, value: JSON)? {
            do throws(SafetensorsMembers.Fault) { return try members.next() } catch {
                throw malformed("header", error.description)
            }
        }
        var hasMetadata = false
        while let member = try next() {
            if member.key == "__metadata__" {
                guard !hasMetadata else { throw malformed("__metadata__", "appears twice") }
                hasMetadata = true
                try readMetadata(member.value, malformed)
                continue
            }
            let entry = try Self.entry(
                member.key, member.value, dataStart: dataStart, dataByteCount: bytes.count - dataStart, path: path,
                malformed)
            guard index.append(entry) else {
                throw malformed("tensor \(FormatError.quote(member.key))", "appears twice")
            }
        }
        try checkLayout(dataStart: dataStart, end: bytes.count, malformed)
    }

    private mutating func readMetadata(
        _ value: JSON, _ malformed: (String?, String) -> FormatError
    ) throws(FormatError) {
        guard let members = value.object else {
            throw malformed("__metadata__", "is \(value.kind), expected an object of strings")
        }
        for member in members {
            guard let text = member.value.string else {
                throw malformed(
                    "__metadata__", "\(FormatError.quote(member.key)) is \(member.value.kind), expected a string")
            }
            metadata[member.key] = text
        }
    }

    private static func entry(
        _ name: String, _ value: JSON, dataStart: Int, dataByteCount: Int, path: String,
        _ malformed: (String?, String) -> FormatError
    ) throws(FormatError) -> TensorEntry {
        // Only built for errors: headers have thousands of entries.
        var field: String { "tensor \(FormatError.quote(name))" }
        guard value.object != nil else { throw malformed(field, "is \(value.kind), expected an object") }
        guard let typeName = value["dtype"]?.string else { throw malformed(field, "\"dtype\" is not a string") }
        guard let extents = wholeNumbers(value["shape"]) else {
            throw malformed(field, "\"shape\" is not a list of whole numbers from 0 to 2^63 - 1")
        }
        guard let shape = Shape(checking: extents) else {
            throw malformed(
                field, "\"shape\" \(extents) has more than \(Shape.maximumRank) dimensions or 2^63 elements or more")
        }
        guard let offsets = wholeNumbers(value["data_offsets"]), offsets.count == 2 else {
            throw malformed(field, "\"data_offsets\" is not a pair of whole numbers")
        }
        guard offsets[0] <= offsets[1], offsets[1] <= dataByteCount else {
            throw malformed(field, "\"data_offsets\" \(offsets) is not inside the \(dataByteCount) bytes of data")
        }
        guard let bits = bitsOfType[typeName] else {
            // A type that is newer than this program: its tensors can be listed, but reading them throws.
            return TensorEntry(
                name: name, dtype: nil, typeName: typeName, shape: shape, byteCount: offsets[1] - offsets[0],
                fileOffset: dataStart + offsets[0], path: path)
        }
        let (bitCount, overflow) = shape.elementCount.multipliedReportingOverflow(by: bits)
        guard !overflow else { throw malformed(field, "\"shape\" \(shape) of \(typeName) overflows") }
        guard bitCount % 8 == 0 else {
            throw malformed(field, "\"shape\" \(shape) of \(typeName) is not a whole number of bytes")
        }
        guard bitCount / 8 == offsets[1] - offsets[0] else {
            throw malformed(
                field,
                "\"data_offsets\" \(offsets) spans \(offsets[1] - offsets[0]) bytes, but \(typeName) \(shape) takes "
                    + "\(bitCount / 8)")
        }
        return TensorEntry(
            name: name, dtype: supported[typeName] ?? handedOn[typeName], typeName: typeName,
            shape: shape, byteCount: bitCount / 8, fileOffset: dataStart + offsets[0], path: path)
    }

    private static func wholeNumbers(_ value: JSON?) -> [Int]? {
        guard let elements = value?.array else { return nil }
        var numbers: [Int] = []
        for element in elements {
            guard case .integer(let number) = element, number >= 0 else { return nil }
            numbers.append(Int(number))
        }
        return numbers
    }

    /// Tensors must follow each other without gaps from the first byte of data to the last, including empty ones: bytes
    /// that belong to two tensors, or to none, indicate a manipulated file.
    private func checkLayout(
        dataStart: Int, end: Int, _ malformed: (String?, String) -> FormatError
    ) throws(FormatError) {
        let sorted = index.entries.sorted { ($0.fileOffset, $0.byteCount) < ($1.fileOffset, $1.byteCount) }
        var expected = dataStart
        for entry in sorted {
            guard entry.fileOffset == expected else {
                let wrong = entry.fileOffset < expected ? "overlaps the tensor before it" : "leaves a gap before it"
                throw malformed(
                    "tensor \(FormatError.quote(entry.name))",
                    "\"data_offsets\" starts at \(entry.fileOffset - dataStart), expected \(expected - dataStart): "
                        + wrong)
            }
            expected += entry.byteCount
        }
        guard expected == end else {
            throw malformed(
                "data",
                "\(end - expected) bytes at the end belong to no tensor (\(end - dataStart) bytes of data, "
                    + "\(expected - dataStart) used)")
        }
    }

    /// One pass that limits what the JSON parser will allocate outside strings: nesting, list lengths, and the number
    /// of members.
    private static func structure(_ text: UnsafeRawBufferPointer) -> (reason: String?, members: Int) {
        var depth = 0, commas = 0, members = 1
        var inString = false, inList = false, escaped = false
        for byte in text {
            if inString {
                if escaped {
                    escaped = false
                } else if byte == UInt8(ascii: "\\") {
                    escaped = true
                } else if byte == UInt8(ascii: "\"") {
                    inString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): inString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                guard depth <= 4, !inList else { return ("is nested deeper than a tensor's shape", members) }
                inList = byte == UInt8(ascii: "[")
                commas = 0
            case UInt8(ascii: "}"): depth -= 1
            case UInt8(ascii: "]"):
                depth -= 1
                inList = false
            case UInt8(ascii: ",") where inList:
                commas += 1
                guard commas < Shape.maximumRank else {
                    let reason =
                        "has a list of more than \(Shape.maximumRank) numbers; "
                        + "a tensor has at most \(Shape.maximumRank) dimensions"
                    return (reason, members)
                }
            case UInt8(ascii: ",") where depth == 1: members += 1
            default: break
            }
        }
        return (nil, members)
    }

    /// Whether a file starts like a safetensors file: a plausible length, then a brace.
    static func mayBegin(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count > 8, bytes[8] == UInt8(ascii: "{") else { return false }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        return length <= maximumByteCount && length <= UInt64(bytes.count - 8)
    }
}

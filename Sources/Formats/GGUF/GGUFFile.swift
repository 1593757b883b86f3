import MartletTensor

/// A GGUF file, versions 2 and 3, memory-mapped read-only; for a split model all of its files.
///
/// ```swift
/// let file = try GGUFFile(path: "model.Q4_K_M.gguf")
/// print(try file.metadata.string("general.architecture"))
/// let table = try file.tensor("token_embd.weight")
/// ```
///
/// Layout: magic, version, tensor count, metadata count; metadata (key, type, value); tensor table (name, dimensions
/// innermost first, type, offset); padding to the alignment; the tensors' bytes, in table order, each padded to the
/// alignment. Opening checks all of it. Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
public final class GGUFFile: TensorSource {
    /// For a split model the first file.
    public let path: String
    public let version: Int
    /// Tensors start at multiples of this number of bytes.
    public let alignment: Int
    /// For a split model that of its first file, which alone describes the model.
    public let metadata: GGUFMetadata
    /// The parts of a split model in order, otherwise the single file.
    package let files: [MappedFile]
    private let index: TensorIndex
    /// The index of each tensor's file; empty if there is one file.
    private let fileOfTensor: [Int]

    /// - Parameters:
    ///   - path: the file; for a split model (`NAME-00001-of-00003.gguf`) any of its files.
    ///   - copying: whether to read the file into memory instead of mapping it.
    public convenience init(path: String, copying: Bool = false) throws(FormatError) {
        let file = try GGUFFile(MappedFile.open(path, copying: copying))
        guard let split = try GGUFSplit(file) else {
            self.init(file)
            return
        }
        var parts: [GGUFFile] = []
        for (number, name) in try split.paths().enumerated() {
            parts.append(number == split.number ? file : try GGUFFile(MappedFile.open(name, copying: copying)))
        }
        try self.init(split, parts)
    }

    /// A single file, in memory or mapped by the caller. For a split model it has only the tensors of this part.
    public init(_ file: MappedFile) throws(FormatError) {
        let path = file.path
        try refusePickle(path: path, bytes: file.bytes)
        var parser = GGUFParser(path: path, file: file)
        try parser.parse()
        try file.recheck()
        self.path = path
        files = [file]
        version = parser.version
        alignment = parser.alignment
        metadata = parser.metadata
        index = parser.index
        fileOfTensor = []
    }

    private init(_ whole: GGUFFile) {
        path = whole.path
        files = whole.files
        version = whole.version
        alignment = whole.alignment
        metadata = whole.metadata
        index = whole.index
        fileOfTensor = []
    }

    /// The parts as one model.
    private init(_ split: GGUFSplit, _ parts: [GGUFFile]) throws(FormatError) {
        var index = TensorIndex(capacity: parts.reduce(0) { $0 + $1.index.entries.count }), fileOfTensor: [Int] = []
        for (number, part) in parts.enumerated() {
            try split.check(part, number)
            for entry in part.entries {
                guard index.append(entry) else {
                    throw FormatError(
                        .malformed, path: part.path, field: "tensor \(FormatError.quote(entry.name))",
                        "is in an earlier part of the split model too")
                }
                fileOfTensor.append(number)
            }
        }
        if let expected = split.tensorCount, expected != index.entries.count {
            throw FormatError(
                .malformed, path: parts[0].path, field: "key \(FormatError.quote(GGUFSplit.tensorCountKey))",
                "is \(expected), but the \(parts.count) parts hold \(index.entries.count) tensors")
        }
        path = parts[0].path
        version = parts[0].version
        alignment = parts[0].alignment
        metadata = parts[0].metadata
        files = parts.map { $0.files[0] }
        self.index = index
        self.fileOfTensor = fileOfTensor
    }

    public var names: [String] { index.entries.map(\.name) }
    public var entries: [TensorEntry] { index.entries }
    public func entry(_ name: String) -> TensorEntry? { index[name] }
    public func tensor(_ name: String) throws(FormatError) -> Tensor {
        let (entry, position) = try index.require(name, path: path)
        return try entry.tensor(in: files[fileOfTensor.isEmpty ? 0 : fileOfTensor[position]])
    }

    public func checkUnchanged() throws(FormatError) { for file in files { try file.recheck() } }
}

private struct GGUFParser {
    let path: String
    var reader: GGUFValueReader
    var version = 0
    var alignment = GGUFLimits.defaultAlignment
    var metadata: GGUFMetadata
    var index = TensorIndex()

    init(path: String, file: MappedFile) {
        self.path = path
        let header = GGUFHeaderBytes(file.bytes)
        reader = GGUFValueReader(path: path, bytes: header.bytes, owner: header, fileByteCount: file.bytes.count)
        metadata = GGUFMetadata(path: path, file: file)
    }

    mutating func parse() throws(FormatError) {
        let magic = try reader.number(UInt32.self, "magic")
        guard magic == 0x4655_4747 else {
            // Whether there are printable characters where a number is expected.
            let isText = (0..<4).allSatisfy { shift in
                let byte = UInt8(truncatingIfNeeded: magic >> (8 * shift))
                return (0x20..<0x7F).contains(byte) || (9...13).contains(byte)
            }
            guard !isText else {
                throw reader.malformed(
                    "magic", "is that of a text file, not of a model: give a GGUF file, or a folder with config.json")
            }
            throw reader.malformed(
                "magic",
                "is 0x\(String(magic, radix: 16)), expected \"GGUF\": give a GGUF file, or a folder with config.json")
        }
        let version = try reader.number(UInt32.self, "version")
        guard GGUFLimits.versions.contains(version) else {
            guard !GGUFLimits.versions.contains(version.byteSwapped) else {
                throw FormatError(.unsupported, path: path, field: "version", "the file is big-endian")
            }
            throw FormatError(.unsupported, path: path, field: "version", "is \(version), expected 2 or 3")
        }
        self.version = Int(version)
        // The smallest record: name length, dimension count, type, offset.
        let tensorCount = try reader.count(least: 24, "tensor count")
        // The smallest record: key length, type, a one-byte value.
        let metadataCount = try reader.count(least: 13, "metadata count")
        guard tensorCount <= GGUFLimits.tensors, metadataCount <= GGUFLimits.keys else {
            throw reader.malformed(
                nil,
                "has \(tensorCount) tensors and \(metadataCount) keys; at most \(GGUFLimits.tensors) and "
                    + "\(GGUFLimits.keys) are read")
        }
        for number in 0..<metadataCount { try readMetadata(number) }
        try readAlignment()
        try readTensors(tensorCount)
    }

    private mutating func readMetadata(_ number: Int) throws(FormatError) {
        let position = "key \(number)"
        let key = try reader.string(position, limit: GGUFLimits.keyByteCount)
        var field: String { "key \(FormatError.quote(key))" }
        guard !key.isEmpty, key.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
            throw reader.malformed(position, "\(FormatError.quote(key)) is empty or not printable ASCII")
        }
        let type = try reader.valueType(field)
        let value = try reader.value(type, field)
        guard metadata.append(key, value) else { throw reader.malformed(field, "appears twice") }
    }

    private mutating func readAlignment() throws(FormatError) {
        guard let value = metadata[GGUFLimits.alignmentKey] else { return }
        guard case .uint32(let stated) = value, GGUFLimits.alignments.contains(Int(stated)),
            stated.nonzeroBitCount == 1
        else {
            throw reader.malformed(
                "key \(FormatError.quote(GGUFLimits.alignmentKey))",
                "is \(value.typeDescription) \(value), expected a uint32, a power of two from "
                    + "\(GGUFLimits.alignments.lowerBound) to \(GGUFLimits.alignments.upperBound)")
        }
        alignment = Int(stated)
    }

    private mutating func readTensors(_ count: Int) throws(FormatError) {
        var records: [(name: String, type: GGMLType, shape: Shape, byteCount: Int, offset: UInt64)] = []
        records.reserveCapacity(count)
        for number in 0..<count {
            let name = try reader.string("tensor \(number) name", limit: GGUFLimits.keyByteCount)
            // Only built for errors: files have thousands of tensors.
            var field: String { "tensor \(FormatError.quote(name))" }
            guard !name.isEmpty else { throw reader.malformed("tensor \(number) name", "is empty") }
            let rank = try reader.number(UInt32.self, "\(field) dimensions")
            guard rank <= GGUFLimits.dimensions else {
                throw reader.malformed(field, "has \(rank) dimensions, at most \(GGUFLimits.dimensions) are allowed")
            }
            var extents: [Int] = []
            for _ in 0..<rank {
                let extent = try reader.number(UInt64.self, "\(field) dimensions")
                guard let extent = Int(exactly: extent) else {
                    throw reader.malformed(field, "has a dimension of \(extent), more than 2^63 - 1")
                }
                extents.append(extent)
            }
            let typeNumber = try reader.number(UInt32.self, "\(field) type")
            let offset = try reader.number(UInt64.self, "\(field) offset")
            guard let shape = Shape(checking: extents.reversed()) else {
                throw reader.malformed(field, "dimensions \(extents) make 2^63 elements or more")
            }
            guard let type = GGMLType(typeNumber) else {
                throw reader.malformed(field, "type \(typeNumber) is not a known GGML type")
            }
            let row = extents.first ?? 1
            guard row % type.blockLength == 0 else {
                throw reader.malformed(
                    field, "rows of \(row) are not a whole number of \(type.name) blocks of \(type.blockLength)")
            }
            let (byteCount, overflow) = (shape.elementCount / type.blockLength).multipliedReportingOverflow(
                by: type.blockByteCount)
            guard !overflow else { throw reader.malformed(field, "\(type.name) \(shape) overflows") }
            records.append((name, type, shape, byteCount, offset))
        }
        try place(records)
    }

    /// Tensors follow each other in table order, padded to the alignment, so their offsets are determined: any other
    /// offset is an overlap, a gap or a misalignment.
    private mutating func place(
        _ records: [(name: String, type: GGMLType, shape: Shape, byteCount: Int, offset: UInt64)]
    ) throws(FormatError) {
        index = TensorIndex(capacity: records.count)
        let end = reader.fileByteCount
        // No overflow: the position is at most the file size, and so is every sum that passed the guard.
        let dataStart = (reader.position + alignment - 1) / alignment * alignment
        var expected = dataStart
        for record in records {
            var field: String { "tensor \(FormatError.quote(record.name))" }
            guard record.offset == UInt64(expected - dataStart) else {
                let wrong =
                    record.offset % UInt64(alignment) != 0
                    ? "is not a multiple of the alignment \(alignment)"
                    : record.offset < UInt64(expected - dataStart)
                        ? "overlaps the tensor before it" : "leaves a gap before it"
                throw reader.malformed(
                    field, "offset \(record.offset), expected \(expected - dataStart): \(wrong)")
            }
            guard expected <= end, record.byteCount <= end - expected else {
                throw reader.malformed(
                    field,
                    "\(record.type.name) \(record.shape) takes \(record.byteCount) bytes from byte \(expected), but "
                        + "the file has \(end): it is cut short; fetch it again")
            }
            let entry = TensorEntry(
                name: record.name, dtype: record.type.dtype, typeName: record.type.name, shape: record.shape,
                byteCount: record.byteCount, fileOffset: expected, path: path)
            guard index.append(entry) else { throw reader.malformed(field, "appears twice") }
            expected = (expected + record.byteCount + alignment - 1) / alignment * alignment
        }
    }
}

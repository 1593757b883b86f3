import MartletTensor

/// Collects metadata and tensors, then writes a GGUF file of version 3, atomically.
///
/// ```swift
/// var writer = GGUFWriter()
/// writer.metadata["general.architecture"] = .string("llama")
/// writer.add("token_embd.weight", weight)
/// try writer.write(to: "model.gguf")
/// ```
public struct GGUFWriter {
    public var metadata = GGUFMetadata()
    /// In the order they will lie in the file.
    public var tensors: [(name: String, tensor: Tensor)] = []
    /// A power of two from 8 to 4096. Other than 32, it is written to `general.alignment`.
    public var alignment = GGUFWriter.defaultAlignment

    public static let defaultAlignment = GGUFLimits.defaultAlignment

    public init() {}

    public mutating func add(_ name: String, _ tensor: Tensor) { tensors.append((name, tensor)) }

    /// A tensor that is made when it is written.
    public struct Planned: Sendable {
        public let name: String
        public let shape: Shape
        public let dtype: DType
        public let make: @Sendable () throws -> Tensor

        public init(name: String, shape: Shape, dtype: DType, make: @escaping @Sendable () throws -> Tensor) {
            self.name = name
            self.shape = shape
            self.dtype = dtype
            self.make = make
        }
    }

    /// Writes a file whose tensors are made one after the other, so that they never stand in memory together. Without
    /// the file's name taking its place when `make` or `progress` throws.
    /// - Parameter progress: called before each tensor with its number.
    public func write(
        _ planned: [Planned], to path: String, progress: (Int) throws -> Void = { _ in }
    ) throws {
        let head = try head(path, planned.map { ($0.name, $0.shape, $0.dtype) })
        let file: PendingFile
        do throws(FileError) { file = try PendingFile(path) } catch { throw FormatError(error) }
        do {
            try file.writer.write(head)
            try file.writer.pad(to: alignment)
            for (number, plan) in planned.enumerated() {
                try progress(number)
                let tensor = try plan.make()
                guard tensor.dtype == plan.dtype, tensor.shape == plan.shape else {
                    throw FormatError(
                        .malformed, path: path, field: "tensor \(FormatError.quote(plan.name))",
                        "became \(tensor.dtype.name) \(tensor.shape), not \(plan.dtype.name) \(plan.shape)")
                }
                try file.writer.write(contiguous: tensor)
                try file.writer.pad(to: alignment)
            }
            try file.commit()
        } catch let error as FileError {
            throw FormatError(error)
        }
    }

    /// Refuses what a reader would refuse: types GGUF has no number for, names twice, more than four dimensions.
    public func write(to path: String) throws(FormatError) {
        let head = try head(path, tensors.map { ($0.name, $0.tensor.shape, $0.tensor.dtype) })
        do throws(FileError) {
            try AtomicFile.write(path) { (file) throws(FileError) in
                try file.write(head)
                try file.pad(to: alignment)
                for (_, tensor) in tensors {
                    try file.write(contiguous: tensor)
                    try file.pad(to: alignment)
                }
            }
        } catch {
            throw FormatError(error)
        }
    }

    private func head(
        _ path: String, _ tensors: [(name: String, shape: Shape, dtype: DType)]
    ) throws(FormatError) -> [UInt8] {
        guard GGUFLimits.alignments.contains(alignment), alignment.nonzeroBitCount == 1 else {
            throw FormatError(
                .malformed, path: path, field: "alignment", "\(alignment) is no power of two from 8 to 4096")
        }
        var metadata = metadata
        if alignment != Self.defaultAlignment || metadata.has(GGUFLimits.alignmentKey) {
            metadata[GGUFLimits.alignmentKey] = .uint32(UInt32(alignment))
        }
        var head: [UInt8] = Array("GGUF".utf8)
        head.append(littleEndian: UInt32(3))
        head.append(littleEndian: UInt64(tensors.count))
        head.append(littleEndian: UInt64(metadata.count))
        for (key, value) in metadata {
            guard !key.isEmpty, key.utf8.count <= GGUFLimits.keyByteCount,
                key.utf8.allSatisfy({ (0x20..<0x7F).contains($0) })
            else {
                throw FormatError(
                    .malformed, path: path, field: "key \(FormatError.quote(key))", "is empty, long or not ASCII")
            }
            head.append(string: key.utf8)
            head.append(littleEndian: value.type.rawValue)
            head.append(value)
        }
        var seen: Set<String> = []
        var offset = 0
        for (name, shape, dtype) in tensors {
            let field = "tensor \(FormatError.quote(name))"
            guard GGMLType(dtype.rawValue) != nil else {
                throw FormatError(
                    .unsupported, path: path, field: field, "has type \(dtype.name), which GGUF cannot hold")
            }
            guard !name.isEmpty, name.utf8.count <= GGUFLimits.keyByteCount, seen.insert(name).inserted else {
                throw FormatError(.malformed, path: path, field: field, "is empty, long or appears twice")
            }
            guard shape.rank <= GGUFLimits.dimensions else {
                throw FormatError(
                    .unsupported, path: path, field: field,
                    "shape \(shape) has more than \(GGUFLimits.dimensions) dimensions, which GGUF cannot hold")
            }
            head.append(string: name.utf8)
            head.append(littleEndian: UInt32(shape.rank))
            for extent in shape.reversed() { head.append(littleEndian: UInt64(extent)) }
            head.append(littleEndian: dtype.rawValue)
            head.append(littleEndian: UInt64(offset))
            let byteCount = shape.elementCount / dtype.blockLength * dtype.blockByteCount
            offset = (offset + byteCount + alignment - 1) / alignment * alignment
        }
        return head
    }
}

extension [UInt8] {
    fileprivate mutating func append(string: some Collection<UInt8>) {
        append(littleEndian: UInt64(string.count))
        append(contentsOf: string)
    }

    fileprivate mutating func append(_ value: GGUFValue) {
        switch value {
        case .uint8(let value): append(value)
        case .int8(let value): append(littleEndian: value)
        case .uint16(let value): append(littleEndian: value)
        case .int16(let value): append(littleEndian: value)
        case .uint32(let value): append(littleEndian: value)
        case .int32(let value): append(littleEndian: value)
        case .uint64(let value): append(littleEndian: value)
        case .int64(let value): append(littleEndian: value)
        case .float32(let value): append(littleEndian: value.bitPattern)
        case .float64(let value): append(littleEndian: value.bitPattern)
        case .bool(let value): append(value ? 1 : 0)
        case .string(let value): append(string: value.utf8)
        case .array(let array):
            append(littleEndian: array.elementType.rawValue)
            append(littleEndian: UInt64(array.count))
            append(contentsOf: array.bytes)
        }
    }
}

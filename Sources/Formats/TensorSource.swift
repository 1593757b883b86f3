import MartletTensor

/// Named tensors in one or several files, from which a model is loaded.
public protocol TensorSource: Sendable {
    /// In file order.
    var names: [String] { get }
    /// What is known about a tensor without reading its bytes; nil if the name does not exist.
    func entry(_ name: String) -> TensorEntry?
    /// The tensor; its bytes are read in place from the mapped file, which stays mapped as long as the tensor exists.
    ///
    /// Throws a `FormatError` if the tensor does not exist, its type is not supported, or the file's length has changed
    /// since it was opened.
    func tensor(_ name: String) throws -> Tensor
    /// Checks that the files have not been truncated or changed while they were read.
    func checkUnchanged() throws(FormatError)
}

/// A tensor as listed in a file.
public struct TensorEntry: Sendable, Equatable {
    public let name: String
    /// Nil for a type of the format that Martlet does not compute with.
    public let dtype: DType?
    /// "F32", "Q4_K", "IQ2_XS", "F8_E4M3", …
    public let typeName: String
    /// Outermost dimension first, whatever the order in the file.
    public let shape: Shape
    public let byteCount: Int
    /// The offset of the bytes in the file at `path`.
    public let fileOffset: Int
    public let path: String

    package init(
        name: String, dtype: DType?, typeName: String, shape: Shape, byteCount: Int, fileOffset: Int, path: String
    ) {
        self.name = name
        self.dtype = dtype
        self.typeName = typeName
        self.shape = shape
        self.byteCount = byteCount
        self.fileOffset = fileOffset
        self.path = path
    }
}

extension TensorSource {
    /// The default, for sources in memory.
    public func checkUnchanged() throws(FormatError) {}
    public var entries: [TensorEntry] { names.compactMap(entry) }
    /// The total size of all tensors.
    public var byteCount: Int { entries.reduce(0) { $0 + $1.byteCount } }
}

extension TensorEntry {
    /// The tensor over the mapped bytes. Misaligned data, which safetensors allows, is copied.
    func tensor(in file: MappedFile) throws(FormatError) -> Tensor {
        guard let dtype else {
            throw FormatError(
                .unsupported, path: path, field: "tensor \(FormatError.quote(name))",
                "has type \(FormatError.quote(typeName)), which Martlet does not compute with; it reads "
                    + DType.allCases.map(\.name).joined(separator: ", "))
        }
        try file.recheck()
        let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[fileOffset..<fileOffset + byteCount])
        let alignment = dtype.isQuantized ? 2 : dtype.blockByteCount
        if Int(bitPattern: bytes.baseAddress) % alignment == 0 {
            return Tensor(storage: Storage(borrowing: bytes, owner: file), dtype: dtype, shape: shape)
        }
        return Tensor(copying: bytes, dtype: dtype, shape: shape)
    }
}

/// A list of entries with lookup by name.
///
/// Names are compared as Swift strings, by canonical equivalence: two names that look alike count as duplicates.
struct TensorIndex: Sendable {
    private(set) var entries: [TensorEntry] = []
    private var positions: [String: Int] = [:]

    init(capacity: Int = 0) {
        entries.reserveCapacity(capacity)
        positions.reserveCapacity(capacity)
    }

    /// Returns false if the name exists already.
    mutating func append(_ entry: TensorEntry) -> Bool {
        guard positions.updateValue(entries.count, forKey: entry.name) == nil else { return false }
        entries.append(entry)
        return true
    }

    subscript(name: String) -> TensorEntry? { positions[name].map { entries[$0] } }

    /// The entry and its index in `entries`; throws if it does not exist.
    func require(_ name: String, path: String) throws(FormatError) -> (entry: TensorEntry, position: Int) {
        guard let position = positions[name] else {
            throw FormatError(.missing, path: path, "has no tensor \(FormatError.quote(name))")
        }
        return (entries[position], position)
    }
}

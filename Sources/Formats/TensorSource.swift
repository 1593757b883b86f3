import MartletTensor

/// Named tensors in one or several files: what a model is loaded from.
public protocol TensorSource: Sendable {
    /// In the order of the file.
    var names: [String] { get }
    /// What is known of a tensor without touching its bytes; nil when there is none of that name.
    func entry(_ name: String) -> TensorEntry?
    /// The tensor, its bytes read in place from the mapped file, which stays mapped as long as the tensor lives.
    ///
    /// Throws a `FormatError` when there is no such tensor, its type is not one Martlet computes with, or the file
    /// has changed its length since it was opened.
    func tensor(_ name: String) throws -> Tensor
    /// Checks that what was read of the files until now was there: a file may have been cut short meanwhile.
    func checkUnchanged() throws(FormatError)
}

/// A tensor as a file lists it.
public struct TensorEntry: Sendable, Equatable {
    public let name: String
    /// Nil when the type is a known one of the format that Martlet does not compute with.
    public let dtype: DType?
    /// "F32", "Q4_K", "IQ2_XS", "F8_E4M3", …
    public let typeName: String
    /// Outermost dimension first, whatever the order in the file.
    public let shape: Shape
    public let byteCount: Int
    /// Where the bytes start in the file at `path`.
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
    /// For sources that are in memory.
    public func checkUnchanged() throws(FormatError) {}
    public var entries: [TensorEntry] { names.compactMap(entry) }
    /// Bytes of all tensors together.
    public var byteCount: Int { entries.reduce(0) { $0 + $1.byteCount } }
}

extension TensorEntry {
    /// The tensor over the mapped bytes. Bytes that do not lie on a multiple of the element's size, which safetensors
    /// allows, are copied to where they do.
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

/// A list of entries that can be looked up by name.
///
/// Names compare as Swift strings do, by canonical equivalence: stricter than bytes, so two names that look alike to
/// a reader are a duplicate.
struct TensorIndex: Sendable {
    private(set) var entries: [TensorEntry] = []
    private var positions: [String: Int] = [:]

    init(capacity: Int = 0) {
        entries.reserveCapacity(capacity)
        positions.reserveCapacity(capacity)
    }

    /// False when the name is taken.
    mutating func append(_ entry: TensorEntry) -> Bool {
        guard positions.updateValue(entries.count, forKey: entry.name) == nil else { return false }
        entries.append(entry)
        return true
    }

    subscript(name: String) -> TensorEntry? { positions[name].map { entries[$0] } }

    /// The entry, and its place in `entries`.
    func require(_ name: String, path: String) throws(FormatError) -> (entry: TensorEntry, position: Int) {
        guard let position = positions[name] else {
            throw FormatError(.missing, path: path, "has no tensor \(FormatError.quote(name))")
        }
        return (entries[position], position)
    }
}

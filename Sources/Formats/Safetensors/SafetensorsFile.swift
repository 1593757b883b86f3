import MartletTensor

/// A `.safetensors` file, memory-mapped read-only.
///
/// Opening reads and checks only the header: lengths, types, offsets that cover the data without gaps or overlaps,
/// unique names. Tensors are views of the mapped file.
///
/// ```swift
/// let file = try SafetensorsFile(path: "model.safetensors")
/// for entry in file.entries { print(entry.name, entry.typeName, entry.shape) }
/// let table = try file.tensor("model.embed_tokens.weight")      // mapped, not copied
/// ```
public final class SafetensorsFile: TensorSource {
    public let path: String
    /// `__metadata__` of the header, usually `["format": "pt"]`.
    public let metadata: [String: String]
    package let file: MappedFile
    private let index: TensorIndex

    /// - Parameter copying: whether to read the file into memory instead of mapping it.
    public convenience init(path: String, copying: Bool = false) throws(FormatError) {
        try self.init(MappedFile.open(path, copying: copying))
    }

    /// The file in memory or mapped by the caller.
    public init(_ file: MappedFile) throws(FormatError) {
        let path = file.path
        try refusePickle(path: path, bytes: file.bytes)
        let header = try SafetensorsHeader(path: path, bytes: file.bytes)
        try file.recheck()
        self.path = path
        self.file = file
        metadata = header.metadata
        index = header.index
    }

    public var names: [String] { index.entries.map(\.name) }
    public var entries: [TensorEntry] { index.entries }
    public func entry(_ name: String) -> TensorEntry? { index[name] }
    public func tensor(_ name: String) throws(FormatError) -> Tensor {
        try index.require(name, path: path).entry.tensor(in: file)
    }

    public func checkUnchanged() throws(FormatError) { try file.recheck() }
}

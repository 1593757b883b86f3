import MartletTensor

/// One `.safetensors` file, mapped read-only.
///
/// Opening reads and checks the header alone: lengths, types, offsets that cover the data without hole or overlap,
/// no name twice. Tensors are then views of the map.
public final class SafetensorsFile: TensorSource {
    public let path: String
    /// `__metadata__` of the header, `["format": "pt"]` as a rule.
    public let metadata: [String: String]
    package let file: MappedFile
    private let index: TensorIndex

    /// - Parameter copying: reads the file into memory instead of mapping it.
    public convenience init(path: String, copying: Bool = false) throws(FormatError) {
        try self.init(MappedFile.open(path, copying: copying))
    }

    /// The file in memory or mapped by someone else.
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

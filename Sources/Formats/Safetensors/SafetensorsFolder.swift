import MartletJSON
import MartletTensor

/// The weights in a model folder: `model.safetensors`, shards listed in `model.safetensors.index.json`, or shards without
/// an index whose names count them.
///
/// The index's `weight_map` is checked in both directions: every listed tensor must be in its shard, and every tensor
/// of a shard must be listed.
///
/// ```swift
/// let folder = try SafetensorsFolder(path: "SmolLM2-135M-Instruct")
/// let norm = try folder.tensor("model.norm.weight")
/// ```
public final class SafetensorsFolder: TensorSource {
    public let path: String
    public let files: [SafetensorsFile]
    public let names: [String]
    private let fileOfTensor: [String: Int]

    public static let singleName = "model.safetensors"
    public static let indexName = "model.safetensors.index.json"
    /// A limit on an untrusted index.
    static let maximumIndexByteCount = 1 << 28

    /// - Parameters:
    ///   - path: a folder, or a single `.safetensors` file.
    ///   - copying: whether to read the files into memory instead of mapping them.
    public init(path: String, copying: Bool = false) throws(FormatError) {
        self.path = path
        guard Folder.isFolder(path) else {
            let file = try SafetensorsFile(path: path, copying: copying)
            files = [file]
            names = file.names
            fileOfTensor = [:]
            return
        }
        let single = "\(path)/\(Self.singleName)", index = "\(path)/\(Self.indexName)"
        if Folder.exists(single) {
            files = [try SafetensorsFile(path: single, copying: copying)]
            names = files[0].names
            fileOfTensor = [:]
        } else if Folder.exists(index) {
            let map = try ShardIndex(path: index)
            files = try map.open(folder: path, copying: copying)
            names = map.names
            fileOfTensor = map.shardOfTensor
        } else {
            let found = Folder.files(path)
            if let pickle = found.first(where: isPickleName) {
                throw pickleRefusal(path: "\(path)/\(pickle)", "is a PyTorch checkpoint by its name: a Python pickle")
            }
            let others = found.filter { $0.hasSuffix(".safetensors") }
            if let shards = try NumberedShards(folder: path, files: others, copying: copying) {
                files = shards.files
                names = shards.names
                fileOfTensor = shards.shardOfTensor
                return
            }
            guard others.count == 1 else {
                throw FormatError(
                    .missing, path: path,
                    "holds neither \(Self.singleName) nor \(Self.indexName)"
                        + (others.isEmpty ? "" : ", and several .safetensors files: \(list(others))"))
            }
            files = [try SafetensorsFile(path: "\(path)/\(others[0])", copying: copying)]
            names = files[0].names
            fileOfTensor = [:]
        }
    }

    private func file(of name: String) -> SafetensorsFile? {
        if files.count == 1 { return files[0] }
        return fileOfTensor[name].map { files[$0] }
    }

    public func entry(_ name: String) -> TensorEntry? { file(of: name)?.entry(name) }

    public func tensor(_ name: String) throws(FormatError) -> Tensor {
        guard let file = file(of: name) else {
            throw FormatError(.missing, path: path, "has no tensor \(FormatError.quote(name))")
        }
        return try file.tensor(name)
    }

    public func checkUnchanged() throws(FormatError) { for file in files { try file.checkUnchanged() } }
}

/// `model.safetensors.index.json`: `{"metadata": {"total_size"}, "weight_map": {tensor: shard file}}`.
struct ShardIndex {
    let path: String
    var names: [String] = []
    var shards: [String] = []
    var shardOfTensor: [String: Int] = [:]

    init(path: String) throws(FormatError) {
        self.path = path
        let file = try MappedFile.open(path, copying: true)
        func malformed(_ field: String?, _ reason: String) -> FormatError {
            FormatError(.malformed, path: path, field: field, reason)
        }
        var limits = JSONLimits()
        limits.depth = 8
        limits.byteCount = SafetensorsFolder.maximumIndexByteCount
        let json: JSON
        do throws(JSONError) { json = try JSON(parsing: file.bytes, limits: limits) } catch {
            throw malformed(nil, error.description)
        }
        // `bytes` does not keep the file alive.
        withExtendedLifetime(file) {}
        guard let map = json["weight_map"]?.object else {
            throw malformed("weight_map", "is \(json["weight_map"]?.kind ?? "missing"), expected an object")
        }
        var numbers: [String: Int] = [:]
        for (name, value) in map {
            guard let shard = value.string else {
                throw malformed("weight_map", "\(FormatError.quote(name)) is \(value.kind), expected a file name")
            }
            guard Folder.isPlainName(shard) else {
                throw malformed(
                    "weight_map",
                    "\(FormatError.quote(name)) is in \(FormatError.quote(shard)), which is not a plain file name")
            }
            guard shard.hasSuffix(".safetensors") else {
                throw malformed(
                    "weight_map",
                    "\(FormatError.quote(name)) is in \(FormatError.quote(shard)), which is not a .safetensors file")
            }
            let number = numbers[shard] ?? shards.count
            if number == shards.count {
                numbers[shard] = number
                shards.append(shard)
            }
            guard shardOfTensor.updateValue(number, forKey: name) == nil else {
                throw malformed("weight_map", "\(FormatError.quote(name)) appears twice")
            }
            names.append(name)
        }
        guard !names.isEmpty else { throw malformed("weight_map", "is empty") }
    }

    /// The shards, in the order in which the index first names them.
    func open(folder: String, copying: Bool) throws(FormatError) -> [SafetensorsFile] {
        let missing = shards.filter { !Folder.exists("\(folder)/\($0)") }
        guard missing.isEmpty else {
            throw FormatError(
                .missing, path: path, field: "weight_map",
                "\(missing.count) of \(shards.count) shards are missing: \(list(missing))")
        }
        var files: [SafetensorsFile] = []
        for (number, shard) in shards.enumerated() {
            let file = try SafetensorsFile(path: "\(folder)/\(shard)", copying: copying)
            for name in file.names where shardOfTensor[name] != number {
                throw FormatError(
                    .malformed, path: path, field: "weight_map",
                    "\(FormatError.quote(name)) is in \(shard), but the index "
                        + (shardOfTensor[name].map { "says \(shards[$0])" } ?? "does not list it"))
            }
            files.append(file)
        }
        for name in names {
            guard let number = shardOfTensor[name], files[number].entry(name) != nil else {
                throw FormatError(
                    .malformed, path: path, field: "weight_map",
                    "\(FormatError.quote(name)) is not in \(shardOfTensor[name].map { shards[$0] } ?? "any shard")")
            }
        }
        return files
    }
}

/// The first eight names, and the number of the others.
func list(_ names: [String]) -> String {
    names.prefix(8).map(FormatError.quote).joined(separator: ", ")
        + (names.count > 8 ? " and \(names.count - 8) more" : "")
}

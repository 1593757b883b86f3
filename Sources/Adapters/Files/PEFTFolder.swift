import MartletFormats
import MartletJSON
import MartletSystem
import MartletTensor

/// A folder as PEFT writes and reads it: `adapter_config.json` and `adapter_model.safetensors`.
///
/// ```swift
/// let stored = try PEFTFolder.read("runs/id")
/// let adapter = try Adapter(stored, of: decoder)
/// try PEFTFolder.write(adapter, to: "copy", base: "HuggingFaceTB/SmolLM2-135M-Instruct")
/// ```
public enum PEFTFolder {
    public static let configurationName = "adapter_config.json"
    public static let weightsName = "adapter_model.safetensors"
    /// In the metadata of the weights, where it is no key of PEFT's.
    package static let fingerprintKey = "martlet_base_fingerprint"
    package static let headKey = "martlet_head"

    /// Whether a folder holds an adapter and no model.
    public static func isAdapter(_ path: String) -> Bool {
        Folder.isFile(path + "/" + configurationName) && !Folder.isFile(path + "/config.json")
    }

    /// - Throws: `AdapterError` naming the key or file.
    public static func read(_ path: String) throws -> StoredAdapter {
        let file = path + "/" + configurationName
        guard Folder.isFile(file) else {
            let others = Folder.contents(path).filter { Folder.isFile("\(path)/\($0)/\(configurationName)") }
            throw AdapterError(
                .file,
                "\(path) is no adapter: there is no \(configurationName)"
                    + (others.isEmpty
                        ? "" : "; there are adapters in its folders \(others.prefix(8).joined(separator: ", "))"))
        }
        let json: JSON
        do { json = try JSON(parsing: Folder.read(file)) } catch { throw AdapterError(.file, "\(file): \(error)") }
        let weights = path + "/" + weightsName
        guard Folder.isFile(weights) else {
            if Folder.isFile(path + "/adapters.safetensors") { return try MLXAdapter.read(path) }
            if Folder.isFile(path + "/adapter_model.bin") {
                throw AdapterError(
                    .unsupported,
                    "\(path)/adapter_model.bin is a Python pickle, and loading one can run any code, so Martlet does not. To "
                        + "convert it where PyTorch is installed: python -c \"import torch, safetensors.torch as s; "
                        + "w = torch.load('adapter_model.bin', weights_only=True); s.save_file({k: v.clone().contiguous() "
                        + "for k, v in w.items()}, '\(weightsName)')\"")
            }
            throw AdapterError(.file, "\(path) has no \(weightsName)")
        }
        var notes: [String] = []
        var configuration = try PEFTConfiguration.read(json, file: file, notes: &notes)
        let (tensors, metadata) = try tensors(weights)
        if json["ensure_weight_tying"]?.bool == true { configuration.nameTiedHead(of: tensors) }
        return StoredAdapter(
            file: weights, form: .peft, configuration, tensors, notes: notes, baseFingerprint: metadata[fingerprintKey],
            head: try metadata[headKey].map { try AdapterHead($0, file: weights) })
    }

    static func tensors(_ path: String) throws -> ([String: Tensor], [String: String]) {
        let file = try SafetensorsFile(path: path)
        var tensors: [String: Tensor] = [:]
        for name in file.names {
            guard tensors[name] == nil else { throw AdapterError(.file, "\(path) holds \(name) twice") }
            tensors[name] = try file.tensor(name)
        }
        return (tensors, file.metadata)
    }

    /// The files of a folder besides the weights.
    /// - Parameter base: what `base_model_name_or_path` says.
    public static func configurationFile(_ adapter: Adapter, base: String?) -> (name: String, bytes: [UInt8]) {
        var configuration = adapter.publishedConfiguration
        configuration.base = base ?? configuration.base
        let json = PEFTConfiguration.json(
            configuration, targets: adapter.targetNames, isTransposed: adapter.isTransposed)
        return (configurationName, json.bytes(indent: 2))
    }

    public static func write(_ adapter: Adapter, to path: String, base: String?, fingerprint: String? = nil) throws {
        try fill(path) {
            var metadata = ["format": "pt"]
            metadata[fingerprintKey] = fingerprint
            try SafetensorsWriter.write(adapter.published(), metadata: metadata, to: path + "/" + weightsName)
            let file = configurationFile(adapter, base: base)
            try AtomicFile.write(path + "/" + file.name, bytes: file.bytes)
        }
    }

    /// Has a folder filled, which is made with those above it. Where that fails, nothing of it is left.
    package static func fill(_ path: String, _ fill: () throws -> Void) throws {
        guard makeFolder(AtomicFile.split(path).folder) else {
            throw AdapterError(.file, "the folder \(path) cannot be made")
        }
        try Folder.fill(path, fill)
    }

    /// - Returns: whether it is there.
    package static func makeFolder(_ path: String) -> Bool {
        var made = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: false) {
            made += made == "/" || made.isEmpty && !path.hasPrefix("/") ? String(part) : "/" + part
            if made != "/", !made.isEmpty { mkdir(made, 0o755) }
        }
        return Folder.isFolder(path)
    }
}

extension AdapterConfiguration {
    /// With `ensure_weight_tying`, what is named of the table counts for the output projection tied to it, and is stored for
    /// it as well.
    fileprivate mutating func nameTiedHead(of tensors: [String: Tensor]) {
        let head = "lm_head", key = "base_model.model." + head
        if tensors[key + ".weight"] != nil, !savedModules.contains(head) { savedModules.append(head) }
        guard tensors[key + ".lora_A.weight"] != nil else { return }
        switch targets {
        case .names(let names): if !names.contains(head) { targets = .names(names + [head]) }
        case .expression(let text): targets = .expression("(?:\(text))|\(head)")
        case .allLinear: break
        }
    }
}

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

import MartletFormats
import MartletJSON
import MartletModels
import MartletTensor

extension StoredAdapter {
    /// Writes the adapter in a form.
    /// - Parameters:
    ///   - path: a folder; for GGUF a file.
    ///   - decoder: the base, which GGUF needs for names; nil where it is not at hand.
    public func write(_ form: Form, to path: String, of decoder: Decoder? = nil) throws {
        switch form {
        case .mlx: try MLXAdapter.write(self, to: path)
        case .gguf:
            guard let decoder else {
                throw AdapterError(
                    .configuration, "the tensor names of a GGUF adapter depend on its base: give the base")
            }
            try GGUFAdapter.write(self, of: decoder, to: path)
        case .peft:
            var metadata = ["format": "pt"]
            metadata[PEFTFolder.fingerprintKey] = baseFingerprint
            metadata[PEFTFolder.headKey] = head?.text
            let sorted = tensors.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            var names: [String] = []
            if case .names(let given) = configuration.targets { names = given }
            let isTransposed = names.contains { name in
                ["c_attn", "c_proj", "c_fc"].contains { ModuleNameMatcher.ends(name, with: $0) }
            }
            let json = PEFTConfiguration.json(configuration, targets: names, isTransposed: isTransposed)
            try PEFTFolder.fill(path) {
                try SafetensorsWriter.write(sorted, metadata: metadata, to: path + "/" + PEFTFolder.weightsName)
                try AtomicFile.write(path + "/" + PEFTFolder.configurationName, bytes: json.bytes(indent: 2))
            }
        }
    }
}

import MartletTensor

/// Opens any file or folder with model weights.
public enum TensorFiles {
    /// - Parameter path: a GGUF file, a safetensors file (recognised by their first bytes, not by their names), or a
    ///   folder with `model.safetensors`, its shards, or a single GGUF file.
    public static func open(_ path: String, copying: Bool = false) throws(FormatError) -> any TensorSource {
        if Folder.isFolder(path) {
            let files = Folder.files(path)
            // For a split model the first file represents all parts.
            let models = files.filter { $0.lowercased().hasSuffix(".gguf") && GGUFSplit.isFirstOrWhole($0, of: files) }
            if !models.isEmpty, !files.contains(where: { $0.hasSuffix(".safetensors") }) {
                guard models.count == 1 else {
                    throw FormatError(.missing, path: path, "holds several GGUF files; name one of \(list(models))")
                }
                return try GGUFFile(path: "\(path)/\(models[0])", copying: copying)
            }
            return try SafetensorsFolder(path: path, copying: copying)
        }
        let file = try MappedFile.open(path, copying: copying)
        try refusePickle(path: path, bytes: file.bytes)
        if file.bytes.starts(with: "GGUF".utf8) { return try GGUFFile(path: path, copying: copying) }
        if file.bytes.count > 8, file.bytes[8] == UInt8(ascii: "{") { return try SafetensorsFile(file) }
        if isPickleName(path) {
            throw pickleRefusal(path: path, "is a PyTorch checkpoint by its name: a Python pickle")
        }
        throw FormatError(.malformed, path: path, "is neither a GGUF nor a safetensors file by its first bytes")
    }
}

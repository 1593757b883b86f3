import MartletTensor

/// Refuses files whose first bytes are those of a Python pickle, or of a zip archive that holds one.
///
/// Unpickling runs code the file chooses, so Martlet does not read pickles at all.
func refusePickle(path: String, bytes: UnsafeRawBufferPointer) throws(FormatError) {
    let kind: String
    if bytes.starts(with: [0x50, 0x4B, 0x03, 0x04]) || bytes.starts(with: [0x50, 0x4B, 0x05, 0x06]) {
        kind = "is a zip archive, as PyTorch writes checkpoints: a Python pickle"
    } else if bytes.count >= 2, bytes[0] == 0x80, (1...5).contains(bytes[1]) {
        kind = "is a Python pickle"
    } else {
        return
    }
    throw pickleRefusal(path: path, kind)
}

/// The refusal, with the command that converts the file where PyTorch is installed.
func pickleRefusal(path: String, _ kind: String) -> FormatError {
    FormatError(
        .unsupported, path: path,
        "\(kind), and loading one can run any code, so Martlet does not. Convert it where PyTorch is installed: "
            + "python -c \"import torch, safetensors.torch as s; "
            + "w = torch.load('\(AtomicFile.split(path).name)', weights_only=True); "
            + "s.save_file({k: v.clone().contiguous() for k, v in w.items()}, 'model.safetensors')\"")
}

/// Whether a file name is one that pickles go by.
func isPickleName(_ name: String) -> Bool {
    let name = name.lowercased()
    return [".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"].contains { name.hasSuffix($0) }
}

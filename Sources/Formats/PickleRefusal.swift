import MartletTensor

/// Refuses files that start like a Python pickle, or like a zip archive that contains one.
///
/// Unpickling runs code chosen by the file, so Martlet does not read pickles at all.
func refusePickle(path: String, bytes: UnsafeRawBufferPointer) throws(FormatError) {
    // A safetensors file starts with the length of its header; the bytes of 384 are also the start of a pickle.
    if SafetensorsHeader.mayBegin(bytes) { return }
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

/// The error, with the command that converts the file where PyTorch is installed.
func pickleRefusal(path: String, _ kind: String) -> FormatError {
    // The command is meant to be pasted into a shell, so a name that needs quoting is left out.
    let name = AtomicFile.split(path).name
    let isPlain = name.utf8.allSatisfy {
        switch $0 {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }
    return FormatError(
        .unsupported, path: path,
        "\(kind), and loading one can run any code, so Martlet does not. To convert it where PyTorch is installed: "
            + "python -c \"import torch, safetensors.torch as s; "
            + "w = torch.load('\(isPlain ? name : "FILE")', weights_only=True); "
            + "s.save_file({k: v.clone().contiguous() for k, v in w.items()}, 'model.safetensors')\"")
}

/// Whether a file name is typical for pickles.
func isPickleName(_ name: String) -> Bool {
    let name = name.lowercased()
    return [".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"].contains { name.hasSuffix($0) }
}

// floors: System JSON Tensor NN Formats Models
// with: logits
import Glibc
import MartletFormats
import MartletJSON
import MartletModels

private let folder = "/dev/shm/martlet-fuzz-\(getpid())"
private let goldens = "Tests/ModelsTests/Goldens/"
/// The tensors that go with a `model_type`.
private let tensors = [
    "llama": "llama", "mistral": "mistral", "mixtral": "mixtral", "qwen2": "qwen2", "qwen3": "qwen3", "phi3": "phi3",
    "gemma2": "gemma2", "gemma3_text": "gemma3", "gemma3": "gemma3", "gpt2": "gpt2",
    "olmo2": "olmo2", "bert": "bert",
]

/// Opens the input as the `config.json` beside tensors of the tests, and computes with what that makes.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = UnsafeBufferPointer(start: start, count: count)
    guard let json = try? JSON(parsing: bytes) else { return 0 }
    let name = json["model_type"]?.string.flatMap { tensors[$0] } ?? "llama"
    mkdir(folder, 0o700)
    let link = folder + "/model.safetensors"
    defer {
        unlink(link)
        unlink(folder + "/config.json")
        rmdir(folder)
    }
    guard let file = fopen(folder + "/config.json", "w") else { return 0 }
    fwrite(start, 1, count, file)
    fclose(file)
    guard let source = realpath(goldens + name + "/model.safetensors", nil) else { return 0 }
    defer { free(source) }
    symlink(source, link)
    guard let checkpoint = try? Checkpoint(path: folder) else { return 0 }
    if checkpoint.hasEncoder {
        guard let encoder = try? checkpoint.encoder(), (try? encoder.prepare(.exact)) != nil else { return 0 }
        _ = try? encoder.embeddings([[1, 2, 3], [4]])
        return 0
    }
    computeLogits(of: checkpoint)
    return 0
}

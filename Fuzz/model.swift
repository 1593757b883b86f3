// floors: System JSON Tensor NN Formats Models
// longest: 32768
// with: logits
import Glibc
import MartletFormats
import MartletModels

private let path = "/dev/shm/martlet-fuzz-\(getpid()).gguf"

/// Opens the input as a model in a GGUF file, and computes the logits after a few tokens in both precisions.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard let file = fopen(path, "w") else { return 0 }
    fwrite(start, 1, count, file)
    fclose(file)
    defer { unlink(path) }
    guard let checkpoint = try? Checkpoint(path: path) else { return 0 }
    computeLogits(of: checkpoint)
    return 0
}

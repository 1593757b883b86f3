// floors: JSON Tensor NN Formats Models
// longest: 32768
import Glibc
import MartletFormats
import MartletModels
import MartletNN
import MartletTensor

private let path = "/dev/shm/martlet-fuzz-\(getpid()).gguf"

/// Opens the input as a model in a GGUF file, and computes the logits after a few tokens in both precisions.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard let file = fopen(path, "w") else { return 0 }
    fwrite(start, 1, count, file)
    fclose(file)
    defer { unlink(path) }
    guard let checkpoint = try? Checkpoint(path: path) else { return 0 }
    for precision in [Precision.exact, .fast] {
        guard let decoder = try? checkpoint.decoder(), (try? decoder.prepare(precision)) != nil else { continue }
        let cache = KVCache(decoder.configuration, precision: precision)
        for tokens: [Int32] in [[1, 0, 2], [1], [7]] {
            let rows = [DecoderSequence(rows: 0..<tokens.count, cache: cache)]
            guard let hidden = try? decoder.hiddenStates(tokens, rows), let logits = try? decoder.logits(hidden) else {
                break
            }
            precondition(Array(logits.shape) == [tokens.count, decoder.configuration.vocabularySize])
        }
    }
    return 0
}

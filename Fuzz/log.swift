// floors: System JSON Tensor Formats Runs
// with: files
import Glibc
import MartletRuns

/// Reads the input as a run's `log.jsonl` and makes its report, or as an event file of TensorBoard's, which a resume cuts
/// back; the first byte says which.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    if start[0] & 1 == 0 {
        return withInputFile(start + 1, count - 1, "log.jsonl") { path in
            let folder = String(path.dropLast("/log.jsonl".count))
            guard let run = try? RunRecord(path: folder) else { return }
            precondition(!RunReport([run]).html.isEmpty)
        }
    }
    return withInputFile(start + 1, count - 1, "events.out.tfevents.1") { path in
        let folder = String(path.dropLast("/events.out.tfevents.1".count))
        guard let file = try? EventFile(folder: folder, after: 3) else { return }
        unlink(file.path)
    }
}

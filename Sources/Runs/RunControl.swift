import MartletFormats

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Finds out from another process whether a run is training, and requests its end.
///
/// The training process holds the run's `RunLock`, which the system releases however the process ends. The file `stop`
/// in the run's folder requests the end: after each step the trainer looks for it, removes it, saves a checkpoint and
/// ends as on Ctrl-C, so that the run can be resumed.
public enum RunControl {
    package static let logName = "log.jsonl"
    private static let stopName = "stop"

    public static func isRunning(_ run: String) -> Bool { RunLock.isHeld(run) }

    /// Requests that the trainer ends after its current step.
    /// - Throws: `RunError` if no process trains in the folder, or it cannot be written to.
    public static func requestStop(_ run: String) throws {
        guard isRunning(run) else { throw RunError("\(run): nothing is training in this run") }
        try AtomicFile.write("\(run)/\(stopName)", bytes: [])
    }

    public static func isStopRequested(_ run: String) -> Bool { Folder.exists("\(run)/\(stopName)") }

    /// Whether an end was requested; clears the request.
    package static func takeStop(_ run: String) -> Bool { unlink("\(run)/\(stopName)") == 0 }
}

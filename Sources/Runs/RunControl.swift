import MartletFormats

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Tells from outside whether a run's folder is being trained in, and asks for an end.
///
/// Whoever trains holds the run's `RunLock`, which the system lets go of however the process ends. A file called `stop`
/// asks; the trainer looks for it after every step, takes it away, saves a checkpoint and ends as it does on Ctrl-C, to
/// be resumed later.
public enum RunControl {
    package static let logName = "log.jsonl"
    private static let stopName = "stop"

    public static func isRunning(_ run: String) -> Bool { RunLock.isHeld(run) }

    /// Asks a running trainer to end after its step.
    /// - Throws: `RunError` where nothing trains in the folder, or it cannot be written to.
    public static func requestStop(_ run: String) throws {
        guard isRunning(run) else { throw RunError("\(run): nothing is training in this run") }
        try AtomicFile.write("\(run)/\(stopName)", bytes: [])
    }

    public static func isStopRequested(_ run: String) -> Bool { Folder.exists("\(run)/\(stopName)") }

    /// Whether an end was asked for; the request is forgotten with that.
    package static func takeStop(_ run: String) -> Bool { unlink("\(run)/\(stopName)") == 0 }
}

import MartletFormats
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The exclusive right of one process to train in a run's folder.
///
/// It is an exclusive lock on the file `.lock`, which the system releases however the process ends. The file stays and
/// names the last owner. On file systems without locks, nothing prevents a second process.
public final class RunLock {
    public let run: String
    private let descriptor: Int32
    static let name = ".lock"

    /// Creates the folder if it does not exist.
    /// - Throws: `RunError` naming the process that already trains in the folder.
    public init(run: String) throws {
        self.run = run
        try makeFolder(run)
        let path = "\(run)/\(Self.name)"
        try RunLog.demandFile(path)
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw RunError("\(path) cannot be created or opened: \(String(cString: strerror(errno)))")
        }
        // A process that checks whether a run is training holds a lock for an instant, so try several times.
        var attempts = 0
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            attempts += 1
            if attempts == 20 {
                let owner = (try? Folder.read(path)).map { String(decoding: $0.prefix(300), as: UTF8.self) } ?? ""
                let who = owner.split(separator: "\n").first.map { " (\($0))" } ?? ""
                throw RunError(
                    "\(run) is being trained in by another process\(who): wait for its end, stop it, or choose "
                        + "another run folder")
            }
            usleep(10_000)
        }
        // Removes temporary files of a process that ended while it wrote a file: the owner of the lock has not begun to
        // write any.
        for name in folderNames(run) where PendingFile.isTemporary(name) { unlink("\(run)/\(name)") }
        let text = Array("process \(getpid()) on \(Machine.host)\n".utf8)
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    }

    deinit { close(descriptor) }

    /// Whether a process holds the lock.
    static func isHeld(_ run: String) -> Bool {
        guard let file = try? InputFile(path: "\(run)/\(name)") else { return false }
        // A shared lock, so that several processes that check do not see each other.
        return withExtendedLifetime(file) { flock(file.descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK }
    }

    /// Removes a folder in which nothing but the lock was created.
    package static func removeUnused(_ run: String) {
        let names = folderNames(run)
        guard names.allSatisfy({ $0 == name }) else { return }
        unlink("\(run)/\(name)")
        rmdir(run)
    }
}

import MartletFormats
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The right to train in a run's folder, which one process has at a time.
///
/// It is an exclusive lock on the file `.lock` there, which the system lets go of however the process ends; the file
/// itself stays, and says who had it last. Where a file system knows no locks, nobody is kept out.
public final class RunLock {
    public let run: String
    private let descriptor: Int32
    static let name = ".lock"

    /// Makes the folder where there is none.
    /// - Throws: `RunError` naming who trains in the folder already.
    public init(run: String) throws {
        self.run = run
        try makeFolder(run)
        let path = "\(run)/\(Self.name)"
        try RunLog.demandFile(path)
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw RunError("\(path) cannot be made or opened: \(String(cString: strerror(errno)))")
        }
        // Whoever looks whether a run is under way holds a lock for an instant: that is no reason to give up.
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
        // What a process left that was ended while it wrote a file: whoever has the right now, it is not writing these.
        for name in folderNames(run) where PendingFile.isTemporary(name) { unlink("\(run)/\(name)") }
        let text = Array("process \(getpid()) on \(Machine.host)\n".utf8)
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    }

    deinit { close(descriptor) }

    /// Whether a process has the right now.
    static func isHeld(_ run: String) -> Bool {
        guard let file = try? InputFile(path: "\(run)/\(name)") else { return false }
        // Shared, so that those who look do not see each other.
        return withExtendedLifetime(file) { flock(file.descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK }
    }

    /// Takes away a folder in which nothing but the lock was made.
    package static func removeUnused(_ run: String) {
        let names = folderNames(run)
        guard names.allSatisfy({ $0 == name }) else { return }
        unlink("\(run)/\(name)")
        rmdir(run)
    }
}

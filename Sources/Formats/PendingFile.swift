import MartletTensor
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file that is being written and does not exist yet: `AtomicFile` for writers that need more than one closure.
///
/// The bytes are in a temporary file beside the target until `commit` renames it to the target. Without a commit the
/// temporary file is removed with the object.
public final class PendingFile {
    public let path: String
    public let writer: FileWriter
    private let folder: String
    private let temporary: String
    private var descriptor: Int32

    public init(_ path: String) throws(FileError) {
        let (folder, name) = AtomicFile.split(path)
        guard !name.isEmpty, name != ".", name != ".." else {
            throw FileError(path: path, reason: "is not a file name")
        }
        Self.clean(folder)
        var temporary = ""
        var descriptor: Int32 = -1
        for _ in 0..<16 where descriptor < 0 {
            let tag = String(UInt64.random(in: 0...UInt64.max), radix: 36)
            temporary = "\(folder)/.martlet-\(tag).partial"
            descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
            if descriptor < 0, errno != EEXIST { break }
        }
        guard descriptor >= 0 else { throw FileError(path: path, writingIn: folder) }
        // Held as long as the file is open: what nobody holds was left over.
        flock(descriptor, LOCK_EX | LOCK_NB)
        self.path = path
        self.folder = folder
        self.temporary = temporary
        self.descriptor = descriptor
        writer = FileWriter(descriptor: descriptor, path: path)
    }

    /// Whether a name is that of such a temporary file.
    package static func isTemporary(_ name: String) -> Bool {
        name.hasPrefix(".martlet-") && name.hasSuffix(".partial")
    }

    /// Folders that were looked at already: one with thousands of shards is listed once.
    private static let cleaned = Mutex<Set<String>>([])

    /// Removes what was left in a folder by writers that were killed: temporary files that nobody holds. Those of the last
    /// minute stay, since between making and holding one there is a moment.
    private static func clean(_ folder: String) {
        guard let real = Folder.real(folder), cleaned.withLock({ $0.insert(real).inserted }) else { return }
        for name in Folder.contents(folder) where isTemporary(name) {
            let path = "\(folder)/\(name)"
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
                time(nil) - status.modificationSeconds > 60, flock(descriptor, LOCK_EX | LOCK_NB) == 0
            else { continue }
            unlink(path)
        }
    }

    deinit { discard() }

    /// Flushes the file to disk and renames it to the target. If this fails, the temporary file is removed and the
    /// target is unchanged.
    public func commit() throws(FileError) {
        guard descriptor >= 0 else { throw FileError(path: path, reason: "was already committed or discarded") }
        do throws(FileError) {
            try writer.flush()
            guard fsync(descriptor) == 0 else { throw FileError(path: path, doing: "write") }
            let closed = close(descriptor)
            descriptor = -1
            guard closed == 0 else { throw FileError(path: path, doing: "write") }
            guard rename(temporary, path) == 0 else { throw FileError(path: path, doing: "put the new file in place") }
        } catch {
            if descriptor >= 0 { close(descriptor) }
            descriptor = -1
            unlink(temporary)
            throw error
        }
        try AtomicFile.syncFolder(folder)
    }

    /// Removes the temporary file; has no effect after a commit.
    public func discard() {
        guard descriptor >= 0 else { return }
        close(descriptor)
        descriptor = -1
        unlink(temporary)
    }
}

extension stat {
    fileprivate var modificationSeconds: Int {
        #if canImport(Darwin)
        st_mtimespec.tv_sec
        #else
        st_mtim.tv_sec
        #endif
    }
}

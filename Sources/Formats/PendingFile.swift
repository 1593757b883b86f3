import MartletTensor

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
        var temporary = ""
        var descriptor: Int32 = -1
        for _ in 0..<16 where descriptor < 0 {
            let tag = String(UInt64.random(in: 0...UInt64.max), radix: 36)
            temporary = "\(folder)/.martlet-\(tag).partial"
            descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
            if descriptor < 0, errno != EEXIST { break }
        }
        guard descriptor >= 0 else { throw FileError(path: path, doing: "create a file beside it") }
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

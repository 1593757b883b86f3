import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Atomic writing: a file is either replaced as a whole or left unchanged.
///
/// The bytes are written to a temporary file beside the target, which is flushed to disk and renamed to the target;
/// then the folder is flushed, so that after a power failure either the old or the new file exists. Processes that have
/// mapped the old file keep it.
public enum AtomicFile {
    /// Writes the file with `body`. If `body` or the system fails (for example, disk full), the temporary file is
    /// removed.
    public static func write(
        _ path: String, _ body: (FileWriter) throws(FileError) -> Void
    ) throws(FileError) {
        let file = try PendingFile(path)
        try body(file.writer)
        try file.commit()
    }

    public static func write(_ path: String, bytes: some Sequence<UInt8>) throws(FileError) {
        let bytes = Array(bytes)
        try write(path) { (writer) throws(FileError) in try writer.write(bytes) }
    }

    /// Makes renames and removals in `folder` durable.
    package static func syncFolder(_ folder: String) throws(FileError) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(path: folder, doing: "open") }
        defer { close(descriptor) }
        // Some file systems cannot flush a folder and return EINVAL; the file itself has been flushed.
        guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else {
            throw FileError(path: folder, doing: "write")
        }
    }

    /// The folder ("." if there is none) and the last component of a path.
    package static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
        let folder = String(path[..<slash])
        return (folder.isEmpty ? "/" : folder, String(path[path.utf8.index(after: slash)...]))
    }
}

/// Buffered sequential writing, for `AtomicFile`.
public final class FileWriter {
    private let descriptor: Int32
    private let path: String
    private var buffer: [UInt8] = []
    /// The number of bytes written so far.
    public private(set) var position = 0

    private static let bufferByteCount = 1 << 18

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
        buffer.reserveCapacity(Self.bufferByteCount)
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        if buffer.count + bytes.count > Self.bufferByteCount { try flush() }
        if bytes.count >= Self.bufferByteCount { try send(bytes) } else { buffer.append(contentsOf: bytes) }
        position += bytes.count
    }

    public func write(_ bytes: [UInt8]) throws(FileError) {
        let result = bytes.withUnsafeBytes { (raw) -> Result<Void, FileError> in
            do throws(FileError) { return .success(try write(raw)) } catch { return .failure(error) }
        }
        try result.get()
    }

    /// Overwrites bytes written before, at `offset`: for a header whose counts are only known at the end.
    public func replace(at offset: Int, with bytes: [UInt8]) throws(FileError) {
        try flush()
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                pwrite(descriptor, raw.baseAddress.map { $0 + done }, raw.count - done, off_t(offset + done))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileError(path: path, doing: "write") }
            done += count
        }
    }

    /// Writes zeros up to the next multiple of `alignment`.
    public func pad(to alignment: Int) throws(FileError) {
        let padding = (alignment - position % alignment) % alignment
        try write([UInt8](repeating: 0, count: padding))
    }

    func flush() throws(FileError) {
        let pending = buffer
        buffer.removeAll(keepingCapacity: true)
        let result = pending.withUnsafeBytes { (raw) -> Result<Void, FileError> in
            do throws(FileError) { return .success(try send(raw)) } catch { return .failure(error) }
        }
        try result.get()
    }

    private func send(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let count = systemWrite(descriptor, base + done, min(bytes.count - done, 1 << 30))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileError(path: path, doing: "write") }
            done += count
        }
    }
}

/// `write(2)`, under a name that is not hidden by the writer's own `write`.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A regular file, opened for reading: the one way in which files that others wrote are opened.
///
/// Opening never waits. A pipe without a writer would, and a device may have no end, so a name that leads to a folder,
/// pipe, socket or device, directly or by a link, is refused before anything is read from it.
public final class InputFile: Sendable {
    public let path: String
    /// Open as long as the object lives.
    public let descriptor: Int32
    /// The length when the file was opened; 0 for files that the system makes up as they are read, as under /proc.
    public let byteCount: Int

    public init(path: String) throws(FileError) {
        // A NUL ends the name that the system sees, which would be another file than the one in messages.
        guard !path.utf8.contains(0) else {
            throw FileError(path: path, reason: "has a NUL character in its name")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            // What the system says of a socket is "No such device or address".
            let code = errno
            if let reason = Self.refusal(of: path) { throw FileError(path: path, reason: reason) }
            throw FileError(path: path, doing: "open", errno: code)
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let error = FileError(path: path, doing: "read its size")
            close(descriptor)
            throw error
        }
        if let reason = Self.refusal(of: status.st_mode) {
            close(descriptor)
            throw FileError(path: path, reason: reason)
        }
        self.path = path
        self.descriptor = descriptor
        byteCount = max(0, Int(status.st_size))
    }

    deinit { close(descriptor) }

    /// Why a name is not to be opened, for those that write to it: nil where it leads to a regular file, or nowhere.
    public static func refusal(of path: String) -> String? {
        var status = stat()
        return stat(path, &status) == 0 ? refusal(of: status.st_mode) : nil
    }

    private static func refusal(of mode: mode_t) -> String? {
        switch mode & S_IFMT {
        case S_IFREG: nil
        case S_IFDIR: "is a folder, expected a file"
        case S_IFIFO: "is a pipe, expected a regular file; write what it gives into a file first"
        case S_IFSOCK: "is a socket, expected a regular file"
        default: "is a device, expected a regular file"
        }
    }

    /// Reads on from where the last call ended. 0 at the end, else at least one byte.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        while true {
            let count = systemRead(descriptor, buffer.baseAddress, min(buffer.count, 1 << 30))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError(path: path, doing: "read") }
            return count
        }
    }

    /// Fills the buffer with the bytes from `offset` on, as far as the file has them, and says how many there were.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        var done = 0
        // No file reaches as far as offsets can.
        guard offset >= 0, Int.sum(offset, buffer.count) != nil else { return 0 }
        while done < buffer.count, let place = off_t(exactly: offset + done) {
            let count = pread(
                descriptor, buffer.baseAddress.map { $0 + done }, min(buffer.count - done, 1 << 30), place)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError(path: path, doing: "read") }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// The bytes from where the last call ended to the end, at most `limit`. Memory grows with what is there, whatever
    /// length the file has by its entry in the folder.
    public func readToEnd(limit: Int) throws(FileError) -> [UInt8] {
        var bytes: [UInt8] = []
        // One more than is there, so that the end is seen without growing.
        var stretch = min(byteCount, limit, 1 << 24).adding(clamped: 1)
        while true {
            var failure: FileError?
            let filled = bytes.count
            bytes.append(
                contentsOf: [UInt8](unsafeUninitializedCapacity: stretch) { buffer, count in
                    do throws(FileError) {
                        count = try read(into: UnsafeMutableRawBufferPointer(buffer))
                    } catch {
                        failure = error
                    }
                })
            if let failure { throw failure }
            guard bytes.count <= limit else {
                throw FileError(path: path, reason: "is longer than the limit of \(limit) bytes")
            }
            if bytes.count == filled { return bytes }
            stretch = min(max(1 << 16, bytes.count), 1 << 24)
        }
    }

    /// A whole file of at most `limit` bytes.
    public static func bytes(_ path: String, limit: Int = 1 << 30) throws(FileError) -> [UInt8] {
        let file = try InputFile(path: path)
        guard file.byteCount <= limit else {
            throw FileError(path: path, reason: "has \(file.byteCount) bytes, more than the limit of \(limit)")
        }
        return try file.readToEnd(limit: limit)
    }
}

private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}

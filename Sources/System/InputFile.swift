#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A regular file opened for reading. All files that come from outside are opened with this type.
///
/// Opening never blocks. A pipe without a writer would block, and a device may have no end, so folders, pipes, sockets
/// and devices, also behind links, are refused before anything is read.
public final class InputFile: Sendable {
    public let path: String
    /// Open as long as the object exists.
    public let descriptor: Int32
    /// The length when the file was opened; 0 for files whose content the system generates on reading, as under /proc.
    public let byteCount: Int

    public init(path: String) throws(FileError) {
        // The system would end the name at the NUL and open another file than the one named in messages.
        guard !path.utf8.contains(0) else {
            throw FileError(path: path, reason: "has a NUL character in its name")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            // For a socket, the system's message would be "No such device or address".
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

    /// Why a file must not be opened for writing; nil for a regular file or a name that does not exist.
    public static func refusal(of path: String) -> String? {
        var status = stat()
        return stat(path, &status) == 0 ? refusal(of: status.st_mode) : nil
    }

    private static func refusal(of mode: mode_t) -> String? {
        switch mode & S_IFMT {
        case S_IFREG: nil
        case S_IFDIR: "is a folder, expected a file"
        case S_IFIFO: "is a pipe, expected a regular file; write its output to a file first"
        case S_IFSOCK: "is a socket, expected a regular file"
        default: "is a device, expected a regular file"
        }
    }

    /// Reads from the current position. Returns 0 at the end, else at least one byte.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        while true {
            let count = systemRead(descriptor, buffer.baseAddress, min(buffer.count, 1 << 30))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError(path: path, doing: "read") }
            return count
        }
    }

    /// Reads from `offset` until the buffer or the file ends, and returns the number of bytes.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        var done = 0
        // No file is larger than the largest offset.
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

    /// The bytes from the current position to the end, at most `limit`. Memory grows with the bytes read, whatever
    /// length the file system reports.
    public func readToEnd(limit: Int) throws(FileError) -> [UInt8] {
        var bytes: [UInt8] = []
        // One byte more than the file has, so that the end is detected without growing the buffer.
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

import MartletFormats
import MartletJSON
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file of JSON lines that grows a line at a time, and goes on where a process was ended.
///
/// Its first line says what it was made of (`head`): another head is an error, so that what was made of one thing is never
/// taken for another's. A last line without an end, as a killed process leaves, is taken back.
///
/// ```swift
/// let file = try AppendedLines("rows.jsonl.part", head: ["prompts": "…", "seed": 1])
/// for index in file.lines.count..<prompts.count { try file.append(row(index)) }
/// ```
public final class AppendedLines {
    public let path: String
    /// What was there already, without the head.
    public private(set) var lines: [JSON] = []
    private let descriptor: Int32

    /// - Throws: `TrainingError` for a file of another head, or with a line that is no JSON; `FileError`.
    public init(_ path: String, head: JSON) throws {
        self.path = path
        var end = 0
        if Folder.isFile(path) {
            let bytes = try Folder.read(path, limit: .max)
            // Behind the last whole line.
            end = (bytes.lastIndex(of: 0x0A) ?? -1) + 1
            for (number, line) in bytes[..<end].split(separator: 0x0A).enumerated() {
                guard let json = try? JSON(parsing: Array(line)) else {
                    throw TrainingError(.data, "\(path): line \(number + 1) is no JSON; remove the file to begin anew")
                }
                if number > 0 {
                    lines.append(json)
                } else if json != head {
                    throw TrainingError(
                        .configuration,
                        "\(path) was begun with something else (\(json.text().prefix(300))), now \(head.text().prefix(300)); "
                            + "use the same, or another file")
                }
            }
        }
        descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileError(path: path, doing: "open") }
        guard ftruncate(descriptor, off_t(end)) == 0, lseek(descriptor, off_t(end), SEEK_SET) >= 0 else {
            close(descriptor)
            throw FileError(path: path, doing: "write")
        }
        if end == 0 { try write(head) }
    }

    deinit { close(descriptor) }

    /// Adds a line.
    /// - Throws: `FileError`: the file is as it was, but for a part of a line that is taken back next time.
    public func append(_ line: JSON) throws {
        try write(line)
        lines.append(line)
    }

    private func write(_ line: JSON) throws {
        let bytes = line.bytes() + [0x0A]
        var start = 0
        while start < bytes.count {
            let count = bytes.withUnsafeBytes { raw -> Int in
                guard let base = raw.baseAddress else { return 0 }
                return systemWrite(descriptor, base + start, bytes.count - start)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileError(path: path, doing: "write") }
            start += count
        }
    }

    /// Removes the file; what was made of it stands elsewhere.
    public func remove() { unlink(path) }
}

private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

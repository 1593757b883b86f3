import Glibc
import MartletJSON

/// Files of a tokenizer: small enough to be read whole.
enum TokenizerFile {
    static let largest = 1 << 30

    static func exists(_ path: String) -> Bool { access(path, R_OK) == 0 }

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func bytes(_ path: String) throws(TokenizerError) -> [UInt8] {
        func failure() -> TokenizerError { .unreadable(file: path, reason: String(cString: strerror(errno))) }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure() }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(file: path, reason: "not a file") }
        let size = Int(status.st_size)
        guard size <= largest else {
            throw .unreadable(file: path, reason: "\(size) bytes, more than the limit of \(largest)")
        }
        var result: [UInt8] = []
        var failed = false
        result = Array(unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let got = read(descriptor, buffer.baseAddress.map { $0 + count }, size - count)
                if got < 0, errno == EINTR { continue }
                if got < 0 { failed = true }
                if got <= 0 { return }
                count += got
            }
        }
        if failed { throw failure() }
        return result
    }

    static func json(_ path: String) throws(TokenizerError) -> JSON {
        let bytes = try bytes(path)
        do throws(JSONError) {
            return try JSON(parsing: bytes)
        } catch {
            throw .malformed(file: name(of: path), field: "the whole file", reason: error.description)
        }
    }

    static func text(_ path: String) throws(TokenizerError) -> String {
        guard let text = String(validating: try bytes(path), as: UTF8.self) else {
            throw .malformed(file: name(of: path), field: "the whole file", reason: "it is not UTF-8")
        }
        return text
    }

    /// Names of the files in a folder, sorted.
    static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    static func name(of path: String) -> String {
        path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[path.utf8.index(after: $0)...]) } ?? path
    }
}

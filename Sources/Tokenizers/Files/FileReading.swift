import MartletJSON
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Files of a tokenizer, which are small enough to be read as a whole.
enum TokenizerFile {
    static let largest = 1 << 30

    static func exists(_ path: String) -> Bool { access(path, R_OK) == 0 }

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func bytes(_ path: String) throws(TokenizerError) -> [UInt8] {
        do throws(FileError) {
            return try InputFile.bytes(path, limit: largest)
        } catch {
            throw .unreadable(file: path, reason: error.reason)
        }
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

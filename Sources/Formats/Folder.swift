import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What this floor asks of the file system.
package enum Folder {
    private static func mode(_ path: String, following: Bool = true) -> mode_t? {
        var status = stat()
        guard (following ? stat(path, &status) : lstat(path, &status)) == 0 else { return nil }
        return status.st_mode & S_IFMT
    }

    package static func exists(_ path: String) -> Bool { mode(path) != nil }
    package static func isFolder(_ path: String) -> Bool { mode(path) == S_IFDIR }
    package static func isFile(_ path: String) -> Bool { mode(path) == S_IFREG }
    package static func isLink(_ path: String) -> Bool { mode(path, following: false) == S_IFLNK }

    /// Size of the file (of a link's target when `following`); 0 when there is none.
    package static func byteCount(_ path: String, following: Bool = true) -> Int {
        var status = stat()
        guard (following ? stat(path, &status) : lstat(path, &status)) == 0 else { return 0 }
        return Int(status.st_size)
    }

    /// Removes a file; a file that is not there, or will not go, is left.
    package static func remove(_ path: String) { unlink(path) }

    /// Removes a folder with nothing in it; one that is not there, or holds anything, is left.
    package static func removeIfEmpty(_ path: String) { rmdir(path) }

    /// Makes a folder, unless it is there. The folder above it must be.
    package static func make(_ path: String) throws(FormatError) {
        guard mkdir(path, 0o777) != 0 else { return }
        let code = errno
        if code == EEXIST, isFolder(path) { return }
        // Where the place is at fault, what to do about it is told.
        guard [ENOENT, EACCES, EPERM, EROFS, ENOSPC, EDQUOT].contains(code) else {
            throw FormatError(FileError(path: path, doing: "make the folder", errno: code))
        }
        throw FormatError(FileError(path: path, writingIn: AtomicFile.split(path).folder, errno: code))
    }

    /// Makes a folder, unless it is there, and has it filled. Where that fails, what has come into the folder goes again, and
    /// a folder that was made too.
    package static func fill(_ path: String, _ fill: () throws -> Void) throws {
        let isNew = !exists(path), before = Set(contents(path))
        try make(path)
        do { try fill() } catch {
            for name in contents(path) where !before.contains(name) {
                let new = "\(path)/\(name)"
                // As 1_Pooling in a model of vectors; what a link leads to is not ours.
                if isFolder(new), !isLink(new) {
                    contents(new).forEach { remove("\(new)/\($0)") }
                    removeIfEmpty(new)
                } else {
                    remove(new)
                }
            }
            if isNew { removeIfEmpty(path) }
            throw error
        }
    }

    /// The path with every link followed, or nil when it leads nowhere.
    package static func real(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// The names in a folder without "." and "..", sorted; empty when it cannot be read.
    package static func contents(_ path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let item = readdir(stream) {
            let name = withUnsafeBytes(of: &item.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The names of the regular files in a folder (links to files count), sorted.
    package static func files(_ path: String) -> [String] { contents(path).filter { isFile("\(path)/\($0)") } }

    /// The files below a folder as relative paths, sorted; folders are entered when they are no links, eight deep.
    package static func relativeFiles(_ path: String, depth: Int = 8) -> [String] {
        contents(path).flatMap { name -> [String] in
            let item = "\(path)/\(name)"
            guard isFolder(item) else { return [name] }
            guard depth > 1, !isLink(item) else { return [] }
            return relativeFiles(item, depth: depth - 1).map { "\(name)/\($0)" }
        }
    }

    /// A small file's text; nil when it cannot be read or is not UTF-8.
    package static func text(_ path: String) -> String? {
        guard let bytes = try? InputFile.bytes(path, limit: 1 << 24) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Whether a name from a file or a request can only mean a file inside the folder it is joined to: not empty, no
    /// separator of any system, not "." or "..", no NUL or other control character, no drive letter.
    package static func isPlainName(_ name: String) -> Bool {
        guard !name.isEmpty, name.utf8.count <= 255, name != ".", name != ".." else { return false }
        return name.utf8.allSatisfy {
            $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: ":")
        }
    }

    /// Whether every part of a relative path is a plain name.
    package static func isPlainRelativePath(_ path: String) -> Bool {
        path.utf8.count <= 4096
            && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { isPlainName(String($0)) }
    }
}

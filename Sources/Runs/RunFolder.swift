#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Creates a folder and its parents.
/// - Throws: `RunError` naming the folder that cannot be created.
package func makeFolder(_ path: String) throws {
    var made = ""
    for part in path.split(separator: "/", omittingEmptySubsequences: false) {
        made += made == "/" || made.isEmpty && !path.hasPrefix("/") ? String(part) : "/" + part
        if made == "/" || made.isEmpty { continue }
        if mkdir(made, 0o755) != 0 && errno != EEXIST {
            let reason = String(cString: strerror(errno))
            throw RunError(
                "\(made): \(reason); the run's folder \(path) cannot be created there: choose another --out")
        }
    }
}

/// The names in a folder, including hidden ones; empty if the folder does not exist.
package func folderNames(_ path: String) -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names
}

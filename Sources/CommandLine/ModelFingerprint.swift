import Martlet
import MartletSystem
import MartletVerbs

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension ModelFiles {
    /// What tells these weights from others without reading them: names, sizes and times of writing of the files.
    /// - Parameter given: the adapters as they were written, with their strengths.
    func fingerprint(_ given: [String] = []) -> JSONObject {
        let names = ([path] + adapters.map(\.path)).flatMap { path in
            Folder.isFolder(path) ? Folder.files(path).map { "\(path)/\($0)" } : [path]
        }
        let weights = names.filter {
            $0.hasSuffix(".safetensors") || $0.hasSuffix(".gguf") || $0.hasSuffix("config.json")
        }
        return [
            "files": .array(
                weights.map { file in
                    [
                        "name": .string(String(file.split(separator: "/").last ?? "")),
                        "bytes": .integer(Int64(Folder.byteCount(file))),
                        "changed": .integer(Int64(Self.changeTime(file))),
                    ]
                }),
            "adapters": .array(given.map { .string($0) }),
        ]
    }

    /// Seconds since 1970.
    private static func changeTime(_ path: String) -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else { return 0 }
        #if canImport(Darwin)
        return status.st_mtimespec.tv_sec
        #else
        return status.st_mtim.tv_sec
        #endif
    }
}

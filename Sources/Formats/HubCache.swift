#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Reads the model cache shared by Hugging Face's libraries.
///
/// Layout: `models--ORG--NAME/refs/main` contains a commit hash; `snapshots/<commit>/<file>` links to
/// `../../blobs/<etag>`. A file whose link leaves its repository's folder is refused. Source:
/// https://huggingface.co/docs/huggingface_hub/guides/manage-cache
///
/// ```swift
/// let cache = HubCache()
/// if let reference = HubReference("HuggingFaceTB/SmolLM2-135M-Instruct") { print(try cache.resolve(reference).path) }
/// ```
public struct HubCache: Sendable {
    public let root: String

    public init(root: String) { self.root = root }

    /// The cache location from the environment: `HF_HUB_CACHE`, else `$HF_HOME/hub`, else
    /// `$XDG_CACHE_HOME/huggingface/hub`, else `~/.cache/huggingface/hub`. Empty variables count as unset.
    public init(environment: (String) -> String? = HubCache.environment) {
        func variable(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }
        let home = variable("HOME") ?? "."
        func expanded(_ path: String) -> String {
            path == "~" || path.hasPrefix("~/") ? home + path.dropFirst() : path
        }
        let cache = variable("XDG_CACHE_HOME") ?? "\(home)/.cache"
        let hub = variable("HF_HOME") ?? "\(cache)/huggingface"
        root = expanded(variable("HF_HUB_CACHE") ?? "\(hub)/hub")
    }

    public static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    public struct Repository: Sendable, Equatable {
        /// "org/name", or "name" for the few without an organisation.
        public var name: String
        public var path: String
        /// Commit hashes by branch or tag.
        public var revisions: [String: String]
        /// Commits with a snapshot in the cache.
        public var commits: [String]
        /// Bytes on disk: blobs, and files stored in snapshots themselves (caches without links).
        public var byteCount: Int
    }

    /// The cached model repositories by name. Folders with another layout are ignored.
    public func repositories() -> [Repository] {
        Folder.contents(root).compactMap { folder in
            guard folder.hasPrefix("models--") else { return nil }
            let parts = folder.dropFirst("models--".count).separated(by: "--")
            guard (1...2).contains(parts.count), case let name = parts.joined(separator: "/"), Self.isName(name) else {
                return nil
            }
            return repository(name)
        }.sorted { $0.name < $1.name }
    }

    /// The repository with this name, or nil if it is not cached.
    public func repository(_ name: String) -> Repository? {
        guard Self.isName(name), case let path = folder(name), Folder.isFolder(path) else { return nil }
        var revisions: [String: String] = [:]
        for file in Folder.relativeFiles("\(path)/refs") {
            if let commit = Self.commit("\(path)/refs/\(file)") { revisions[file] = commit }
        }
        let commits = Folder.contents("\(path)/snapshots").filter { Folder.isFolder("\(path)/snapshots/\($0)") }
        var byteCount = Folder.files("\(path)/blobs").reduce(0) { $0 + Folder.byteCount("\(path)/blobs/\($1)") }
        for commit in commits {
            for file in Folder.relativeFiles("\(path)/snapshots/\(commit)") {
                let file = "\(path)/snapshots/\(commit)/\(file)"
                if !Folder.isLink(file) { byteCount += Folder.byteCount(file) }
            }
        }
        return Repository(name: name, path: path, revisions: revisions, commits: commits, byteCount: byteCount)
    }

    /// The folder of a repository in the cache, whether it exists or not.
    /// - Precondition: `isName(name)`.
    public func folder(_ name: String) -> String {
        "\(root)/models--" + name.split(separator: "/").joined(separator: "--")
    }

    /// The snapshot of a data set (`datasets--ORG--NAME`) that `main` names, or its only one; nil where it is not cached.
    public func dataset(_ name: String) -> String? {
        guard Self.isName(name) else { return nil }
        let folder = "\(root)/datasets--" + name.split(separator: "/").joined(separator: "--")
        let commits = Folder.contents("\(folder)/snapshots").filter { Folder.isFolder("\(folder)/snapshots/\($0)") }
        if let main = Self.commit("\(folder)/refs/main"), commits.contains(main) {
            return "\(folder)/snapshots/\(main)"
        }
        return commits.count == 1 ? "\(folder)/snapshots/\(commits[0])" : nil
    }

    /// Whether this is a valid repository name: one or two parts of letters, digits, ".", "_" and "-", none of which
    /// starts or ends with "." or "-", without "--" and "..".
    public static func isName(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), name.utf8.count <= 192 else { return false }
        return parts.allSatisfy { part in
            let bytes = Array(part.utf8)
            guard let first = bytes.first, let last = bytes.last else { return false }
            let edges: Set<UInt8> = [UInt8(ascii: "."), UInt8(ascii: "-")]
            let isWord = bytes.allSatisfy {
                switch $0 {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
                default: edges.contains($0)
                }
            }
            let doubled = zip(bytes, bytes.dropFirst()).contains { $0 == $1 && edges.contains($0) }
            return isWord && !doubled && !edges.contains(first) && !edges.contains(last)
        }
    }

    /// The commit hash in a ref file, if it contains one.
    private static func commit(_ path: String) -> String? {
        guard Folder.byteCount(path) <= 256, let text = Folder.text(path) else { return nil }
        let commit = text.utf8.prefix { $0 > 0x20 }
        return commit.count == 40 && commit.allSatisfy(isHex) ? String(decoding: commit, as: UTF8.self) : nil
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x61...0x66: true
        default: false
        }
    }
}

extension Substring {
    /// The parts between occurrences of `separator`.
    fileprivate func separated(by separator: String) -> [String] {
        var parts: [String] = [], part: [UInt8] = []
        let bytes = Array(utf8), separator = Array(separator.utf8)
        var index = 0
        while index < bytes.count {
            if bytes[index...].starts(with: separator) {
                parts.append(String(decoding: part, as: UTF8.self))
                part = []
                index += separator.count
            } else {
                part.append(bytes[index])
                index += 1
            }
        }
        return parts + [String(decoding: part, as: UTF8.self)]
    }
}

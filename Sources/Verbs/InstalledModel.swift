import MartletCatalog

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A model on this machine, as `martlet list` shows it.
struct InstalledModel {
    var name: String
    var byteCount: Int
    var path: String

    static func all() throws -> [InstalledModel] {
        var models: [InstalledModel] = []
        for short in ShortName.all {
            let path = ModelLocator.models + "/" + short.localPath
            guard Folder.exists(path) else { continue }
            let bytes =
                Folder.isFolder(path)
                ? Folder.contents(path).reduce(0) { $0 + Folder.byteCount("\(path)/\($1)") } : Folder.byteCount(path)
            models.append(InstalledModel(name: short.name, byteCount: bytes, path: path))
        }
        for name in ModelStore.madeNames() {
            guard let path = ModelStore.made(name) else { continue }
            models.append(InstalledModel(name: name, byteCount: Folder.byteCount(path), path: path))
        }
        let cache = HubCache()
        for repository in cache.repositories() { models += all(of: repository, cache) }
        return models
    }

    /// The folders of models that this user may not look into.
    static var forbiddenFolders: [String] {
        [ModelLocator.models, HubCache().root].filter { access($0, R_OK | X_OK) != 0 && errno == EACCES }
    }

    /// Each model of a repository by a name that `martlet show` and `run` take.
    private static func all(of repository: HubCache.Repository, _ cache: HubCache) -> [InstalledModel] {
        var revisions = repository.revisions.filter { repository.commits.contains($0.value) }.map(\.key).sorted()
        // Snapshots without a name are listed by their commits.
        revisions += repository.commits.filter { !repository.revisions.values.contains($0) }.sorted()
        var models: [InstalledModel] = []
        for revision in revisions {
            let reference = HubReference(name: repository.name, revision: revision)
            var isOneOfSeveral = false
            let found = try? cache.resolve(reference) { _ in isOneOfSeveral = true }.path
            if let path = found, !isOneOfSeveral {
                guard !Folder.isFolder(path) || Folder.exists(path + "/config.json") else { continue }
                let bytes = HubCache.parts(of: path).reduce(0) { $0 + byteCount($1) }
                models.append(InstalledModel(name: reference.description, byteCount: bytes, path: path))
            } else if let snapshot = try? cache.snapshot(repository.name, revision: revision) {
                for file in snapshot.files where file.lowercased().hasSuffix(".gguf") {
                    let one = HubReference(name: repository.name, revision: revision, selection: file)
                    let path = "\(snapshot.path)/\(file)"
                    models.append(InstalledModel(name: one.description, byteCount: byteCount(path), path: path))
                }
            }
        }
        return models
    }

    private static func byteCount(_ path: String) -> Int {
        guard Folder.isFolder(path) else { return Folder.byteCount(path) }
        return Folder.relativeFiles(path).reduce(0) { $0 + Folder.byteCount("\(path)/\($1)") }
    }

    var json: JSON { ["name": .string(name), "bytes": .integer(Int64(byteCount)), "path": .string(path)] }
}

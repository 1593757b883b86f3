import Martlet

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
        for repository in HubCache().repositories() {
            models.append(InstalledModel(name: repository.name, byteCount: repository.byteCount, path: repository.path))
        }
        return models
    }

    var json: JSON { ["name": .string(name), "bytes": .integer(Int64(byteCount)), "path": .string(path)] }
}

import Foundation
import MartletFormats
import MartletHub
import MartletInference
import MartletSystem

/// Why an operation on the models of this machine failed.
public struct ModelStoreError: Error, Sendable, Equatable, CustomStringConvertible {
    public var description: String

    init(_ description: String) { self.description = description }
}

/// The named models of this machine, created or fetched: copies and removes them.
public enum ModelStore {
    /// The path of a created model of this name, whether or not it exists.
    /// - Throws: `ModelStoreError` for what can be no name.
    public static func path(of name: String) throws -> String {
        let plain = name.hasSuffix(":latest") ? String(name.dropLast(7)) : name
        // "name:tag", as ollama's users write.
        let parts = plain.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let isName =
            (1...128).contains(plain.utf8.count) && !plain.hasPrefix("-")
            && Folder.isPlainRelativePath(parts[0]) && parts.dropFirst().allSatisfy(Folder.isPlainName)
            && plain.utf8.allSatisfy {
                ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || "._-/:".utf8.contains($0)
            }
        guard isName else {
            throw ModelStoreError(
                "\(name.quoted(limit: 60)) is no name for a model; expected letters, digits and . _ - /, and a tag after one colon"
            )
        }
        return ModelLocator.models + "/made/" + plain + CreatedModel.suffix
    }

    /// The file of a created model; nil if there is none of this name.
    public static func made(_ name: String) -> String? {
        guard let path = try? path(of: name), Folder.isFile(path) else { return nil }
        return path
    }

    /// The names of the created models, sorted.
    public static func madeNames() -> [String] {
        let suffix = CreatedModel.suffix
        return Folder.relativeFiles(ModelLocator.models + "/made").filter { $0.hasSuffix(suffix) }
            .map { String($0.dropLast(suffix.count)) }.sorted()
    }

    /// Stores a created model under a name; an older one of the same name is overwritten.
    /// - Returns: the file that `ModelFiles` opens.
    @discardableResult
    public static func keep(_ model: CreatedModel, as name: String) throws -> String {
        let path = try path(of: name)
        // A name of the hub or a short name must not change its meaning.
        if let short = ShortName.find(name) {
            throw ModelStoreError("\(short.name) is the short name of \(short.repository); choose another")
        }
        guard Folder.exists(model.path) else {
            throw ModelStoreError("\(model.path) is not there: FROM has to be a model of this machine")
        }
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
        do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
            throw ModelStoreError(
                "the folder \(folder), where made models are kept, cannot be made; set MARTLET_HOME to a folder that you "
                    + "may write in")
        }
        try AtomicFile.write(path, bytes: model.json.bytes(indent: 2))
        return path
    }

    /// Gives a model a second name without copying its weights: a created model's file is copied, for any other model
    /// one is created.
    @discardableResult
    public static func copy(_ name: String, to new: String) throws -> String {
        if let made = made(name) { return try keep(CreatedModel(file: made), as: new) }
        let path = try ModelLocator.locate(name)
        return try keep(CreatedModel(from: name, path: Folder.real(path) ?? path), as: new)
    }

    /// Removes a created model, or what was fetched under a name.
    /// - Returns: the number of bytes freed.
    /// - Throws: `ModelNotFound`, or `ModelStoreError` for a file or folder that is the user's own.
    @discardableResult
    public static func remove(_ name: String) throws -> Int {
        if let made = made(name) {
            let bytes = Folder.byteCount(made)
            Folder.remove(made)
            guard !Folder.exists(made) else {
                throw ModelStoreError("\(made) cannot be removed: the folder is read-only")
            }
            return bytes
        }
        if let short = ShortName.find(name) {
            let local = ModelLocator.models + "/" + short.localPath
            if Folder.exists(local) { return try removeItem(local) }
            if let reference = HubReference(short.repository), HubCache().repository(reference.name) != nil {
                return try remove(reference)
            }
        } else if !Folder.exists(name), let reference = HubReference(name),
            HubCache().repository(reference.name) != nil
        {
            return try remove(reference)
        }
        let path: String
        do { path = try ModelLocator.locate(name) } catch let error as ModelNotFound {
            // There is nothing to fetch before it is removed.
            let near = Spelling.nearest(to: name, among: ModelLocator.known()).map { "did you mean \($0)? " } ?? ""
            throw ModelNotFound(name: error.name, hint: near + "`martlet list` shows those that are there")
        }
        throw ModelStoreError("\(path) was not fetched by martlet; remove it as you made it")
    }

    private static func removeItem(_ path: String) throws -> Int {
        let bytes =
            Folder.isFolder(path)
            ? Folder.relativeFiles(path).reduce(0) { $0.adding(clamped: Folder.byteCount("\(path)/\($1)")) }
            : Folder.byteCount(path)
        do { try FileManager.default.removeItem(atPath: path) } catch {
            throw ModelStoreError("\(path) cannot be removed: \(error.localizedDescription)")
        }
        return bytes
    }

    /// Removes a revision of a repository, or one of its files, and the blobs that nothing links to any more.
    private static func remove(_ reference: HubReference) throws -> Int {
        let cache = HubCache()
        let snapshot = try cache.snapshot(reference.name, revision: reference.revision)
        guard let repository = cache.repository(reference.name) else { return 0 }
        if reference.selection != nil {
            for file in HubCache.parts(of: try cache.resolve(reference).path) {
                Folder.remove(file)
                guard !Folder.isLink(file), !Folder.exists(file) else {
                    throw ModelStoreError("\(file) cannot be removed: the folder is read-only")
                }
            }
        }
        let isWhole = reference.selection == nil || Folder.relativeFiles(snapshot.path).isEmpty
        if isWhole {
            // With its last snapshot, the whole repository is removed.
            if repository.commits.count <= 1 { return try removeItem(repository.path) }
            _ = try removeItem(snapshot.path)
            for (ref, commit) in repository.revisions where commit == snapshot.commit {
                Folder.remove("\(repository.path)/refs/\(ref)")
            }
        }
        var linked: Set<String> = []
        for commit in repository.commits {
            let folder = "\(repository.path)/snapshots/\(commit)"
            for file in Folder.relativeFiles(folder) { linked.insert(Folder.real("\(folder)/\(file)") ?? "") }
        }
        var freed = 0
        let blobs = Folder.real("\(repository.path)/blobs") ?? "\(repository.path)/blobs"
        for blob in Folder.contents(blobs) where !linked.contains("\(blobs)/\(blob)") {
            freed = freed.adding(clamped: try removeItem("\(blobs)/\(blob)"))
        }
        return freed
    }
}

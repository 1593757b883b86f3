import MartletAdapters
import MartletFormats
import MartletInference

extension ModelLocator {
    /// The folder or file of an adapter: a path, or a hub repository in the local cache.
    public static func locateAdapter(_ name: String) throws -> String {
        if Folder.exists(name) { return name }
        do { return try locate(name) } catch is ModelNotFound {
            throw ModelNotFound(
                name: name, hint: "there is no such adapter: give a folder, a GGUF file or a repository")
        }
    }

    /// The base that an adapter was trained on, by what its files call it.
    /// - Throws: `ModelNotFound` where it says none, or none that is here.
    public static func base(ofAdapter path: String) throws -> String {
        guard let base = try PEFTFolder.read(path).configuration.base, !base.isEmpty else {
            throw ModelNotFound(
                name: path,
                hint: "this is an adapter whose files do not name its base: give the base, and --adapter \(path)")
        }
        do { return try locate(base) } catch {
            throw ModelNotFound(
                name: base,
                hint:
                    "the adapter \(path) stands on it (\(error)); give another copy of the base, and --adapter \(path)")
        }
    }
}

extension ModelFiles {
    /// The files of a model by name; of a folder that holds an adapter, those of its base with it.
    /// - Parameters:
    ///   - adapters: names with their strengths, applied behind it.
    ///   - onChoice: as that of `ModelLocator.locate`.
    public static func located(
        _ name: String, adapters: [(name: String, strength: Double)] = [], onChoice: (String) -> Void = { _ in }
    ) throws -> ModelFiles {
        let path = try ModelLocator.locate(name, onChoice: onChoice)
        let others = try adapters.map {
            AdapterReference(try ModelLocator.locateAdapter($0.name), strength: $0.strength)
        }
        guard PEFTFolder.isAdapter(path) else { return try ModelFiles(path: path, adapters: others) }
        return try ModelFiles(path: ModelLocator.base(ofAdapter: path), adapters: [AdapterReference(path)] + others)
    }
}

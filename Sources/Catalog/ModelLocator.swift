import Foundation
import MartletFormats
import MartletHub
import MartletInference
import MartletNN
import MartletSystem

/// Why a name does not lead to a model on this machine.
public struct ModelNotFound: Error, Sendable, CustomStringConvertible {
    public let name: String
    public let hint: String
    public var description: String { "no model \"\(name)\" on this machine; \(hint)" }
}

/// Finds the files that a name given by a user means.
public enum ModelLocator {
    /// `MARTLET_HOME`, else `$XDG_DATA_HOME/martlet`, else `~/.local/share/martlet`.
    public static var home: String {
        let environment = ProcessInfo.processInfo.environment
        if let home = environment["MARTLET_HOME"], !home.isEmpty { return home }
        if let data = environment["XDG_DATA_HOME"], !data.isEmpty { return data + "/martlet" }
        return NSHomeDirectory() + "/.local/share/martlet"
    }

    /// The folder of the models that `./quickstart` fetches.
    public static var models: String { home + "/models" }

    /// The folder or file of a model: a path, a short name, or a hub repository in the local cache.
    /// - Parameter onChoice: called with a sentence for the user where memory chose among the quantisations of a repository.
    public static func locate(_ name: String, onChoice: (String) -> Void = { _ in }) throws -> String {
        if Folder.exists(name) {
            if let folder = folder(ofModelsFile: name) {
                throw ModelNotFound(name: name, hint: "that is a file of a model's folder; give the folder: \(folder)")
            }
            return name
        }
        if let made = ModelStore.made(name) { return made }
        if let short = ShortName.find(name) {
            let local = models + "/" + short.localPath
            if Folder.exists(local) { return local }
            if let cached = cached(short.repository) { return cached }
            throw ModelNotFound(
                name: name,
                hint: "run `./quickstart --models \(short.name)`, or `martlet pull \(name)` to fetch "
                    + short.repository)
        }
        // A file of a repository, as the address of its page is copied from a browser, is not one of this machine.
        let isFile = name.hasSuffix(".gguf") && !name.contains(":") && HubReference(name)?.selection == nil
        if name.hasPrefix("/") || name.hasPrefix(".") || isFile {
            let meant = meant(byPath: name).map { "; did you mean \($0)?" } ?? ""
            throw ModelNotFound(name: name, hint: "there is no such file or folder" + meant)
        }
        let names = ShortName.all.map(\.name).joined(separator: ", ")
        let near = Spelling.nearest(to: name, among: known())
        let hint = near.map { "did you mean \($0)? Else give" } ?? "give"
        if let reference = HubReference(name) {
            let cache = HubCache()
            if cache.repository(reference.name) != nil {
                do {
                    return try cache.resolve(reference, memory: MachineMemory().available, onChoice: onChoice).path
                } catch {
                    // The error says what is wrong with it, or which of its files could be meant.
                    throw ModelNotFound(
                        name: name, hint: "its repository is in the cache, but \(error); `martlet pull` fetches more")
                }
            }
            if name.contains("/") {
                let meant = near.map { "did you mean \($0)? Else " } ?? ""
                throw ModelNotFound(
                    name: name, hint: meant + "run `martlet pull \(name)` to fetch it, or `martlet run --yes`")
            }
            throw ModelNotFound(
                name: name,
                hint: hint + " a path, a repository as org/name, or one of \(names); "
                    + "`martlet pull \(name)` fetches the repository of that name, where there is one")
        }
        throw ModelNotFound(name: name, hint: hint + " a path, a repository as org/name, or one of \(names)")
    }

    /// The folder of a file as config.json, tokenizer.json or model.safetensors, which is no model by itself.
    private static func folder(ofModelsFile path: String) -> String? {
        let (folder, file) = AtomicFile.split(path)
        guard [".json", ".safetensors"].contains(where: file.hasSuffix), Folder.isFile(path) else { return nil }
        return Folder.isFile(folder + "/config.json") ? folder : nil
    }

    /// Names that mean a model of this machine.
    static func known() -> [String] {
        ShortName.all.map(\.name) + ModelStore.madeNames() + HubCache().repositories().map(\.name)
    }

    /// What a path that leads nowhere is nearly: one that is there, or a name that was taken for a path.
    private static func meant(byPath path: String) -> String? {
        let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let folder = path[..<slash], last = String(path[slash...])
        let inside = Folder.contents(folder.isEmpty ? "." : String(folder)).filter { !$0.hasPrefix(".") }
        if let near = Spelling.nearest(to: last, among: inside) { return folder + near }
        return known().first { $0.lowercased() == last.lowercased() || last.lowercased() == $0.lowercased() + ".gguf" }
    }

    /// The model a reference means, if the hub's cache has it.
    private static func cached(_ reference: String) -> String? {
        HubReference(reference).flatMap { try? HubCache().resolve($0).path }
    }
}

/// The progress of loading a model.
public enum LoadProgress: Sendable {
    /// A repository that was not on this machine is being fetched.
    case fetching(HubProgress)
    /// The number of layers whose weights are prepared, and their total.
    case preparing(done: Int, of: Int)
}

extension LanguageModel {
    /// Opens a model by path, short name, hub repository, or the name that `martlet create` gave it.
    ///
    /// ```swift
    /// let model = try await Model.load("smollm2") { progress in
    ///     if case .fetching(let file) = progress { print(file.file, file.received, "of", file.total) }
    /// }
    /// ```
    /// - Parameters:
    ///   - fetches: whether a repository that is not on this machine is downloaded.
    ///   - progress: called now and then, from other threads.
    public static func load(
        _ name: String, precision: Precision = .fast, fetches: Bool = true,
        progress: @escaping @Sendable (LoadProgress) -> Void = { _ in }
    ) async throws -> LanguageModel {
        let path = try await ModelLocator.fetched(name, fetches: fetches) { progress(.fetching($0)) }
        return try LanguageModel(ModelFiles(path: path), precision: precision) { done, total in
            progress(.preparing(done: done, of: total))
        }
    }
}

extension TextEmbedder {
    /// Opens an embedding model by path, short name or hub repository.
    ///
    /// ```swift
    /// let embedder = try await TextEmbedder.load("minilm")
    /// let vectors = try embedder.embed(["A cat sat on the mat.", "Stocks fell."])
    /// ```
    /// - Parameters: as those of `Model.load`.
    public static func load(
        _ name: String, fetches: Bool = true, progress: @escaping @Sendable (LoadProgress) -> Void = { _ in }
    ) async throws -> TextEmbedder {
        try TextEmbedder(path: await ModelLocator.fetched(name, fetches: fetches) { progress(.fetching($0)) })
    }
}

extension ModelLocator {
    /// The files of a model, downloaded where they are not on this machine.
    static func fetched(
        _ name: String, fetches: Bool, progress: @escaping @Sendable (HubProgress) -> Void
    ) async throws -> String {
        do { return try locate(name) } catch let error as ModelNotFound {
            let repository = ShortName.find(name)?.repository ?? name
            guard fetches, let reference = HubReference(repository), reference.name.contains("/"), !Folder.exists(name)
            else { throw error }
            return try await Hub().download(repository, progress: progress)
        }
    }
}

public typealias Model = LanguageModel

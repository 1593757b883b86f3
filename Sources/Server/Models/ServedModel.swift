import Martlet

/// A model that a server offers, whether it is in memory or not.
package struct ServedModel: Sendable {
    /// What clients call it.
    package let name: String
    package let aliases: [String]
    package let path: String
    package let isEmbedding: Bool
    package let contextLength: Int
    package let family: String
    package let vocabularySize: Int
    package let fileBytes: Int
    let plan: MemoryPlan
    /// Seconds since 1970 at which its file was written.
    package let created: Int

    /// Reads what the files say of the model, not its weights.
    package init(name: String, aliases: [String] = [], path: String) throws {
        self.name = name
        self.path = path
        let checkpoint = try ModelFiles(path: path).checkpoint
        var aliases = aliases
        let fileName = String(path.split(separator: "/").last ?? "")
        if fileName != name, !aliases.contains(fileName) { aliases.append(fileName) }
        self.aliases = aliases
        isEmbedding = checkpoint.isEncoder
        family = checkpoint.modelType
        plan = try MemoryPlan(checkpoint)
        fileBytes = checkpoint.tensors.names.reduce(0) { $0 + (checkpoint.tensors.entry($1)?.byteCount ?? 0) }
        created = Self.modificationTime(path)
        if checkpoint.isEncoder {
            let configuration = try EncoderConfiguration(checkpoint.configuration)
            contextLength = configuration.contextLength
            vocabularySize = configuration.vocabularySize
        } else {
            let configuration = try checkpoint.decoderConfiguration()
            contextLength = configuration.contextLength
            vocabularySize = configuration.vocabularySize
        }
    }

    private static func modificationTime(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_mtim.tv_sec) : 0
    }

    func answers(to name: String) -> Bool { name == self.name || aliases.contains(name) }

    /// Loads the weights.
    func load(cacheBytes: Int, _ options: EngineOptions) throws -> LoadedModel {
        let files = try ModelFiles(path: path)
        let content: LoadedModel.Content
        if isEmbedding {
            content = .embedding(EmbeddingWorker(try TextEmbedder(files)))
        } else {
            var options = options
            options.cacheBytes = cacheBytes
            content = .language(try Engine(LanguageModel(files), options))
        }
        return LoadedModel(
            name: name, content: content, bytes: plan.weights + (isEmbedding ? 0 : cacheBytes) + MemoryPlan.working)
    }
}

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

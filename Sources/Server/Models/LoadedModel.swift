import Martlet
import Synchronization

/// A model in memory, with the workers that compute with it.
package final class LoadedModel: Sendable {
    package enum Content: Sendable {
        case language(Engine)
        case embedding(EmbeddingWorker)
        case scoring(ScoringWorker)
    }

    package let name: String
    package let content: Content
    /// By the special tokens that represent their spelling in a grammar.
    let grammars = Mutex<[Set<Int32>: GrammarCompiler]>([:])
    /// The memory limit shared by all of them.
    let grammarMemory = GrammarMemory()
    /// Adapters that were asked for, by their numbers and scales. They count for the server's memory limit too.
    let loadedAdapters = Mutex(AdapterCache())
    /// The bytes it counts for in the server's memory limit.
    package let bytes: Int
    /// What is ignored in its files and may matter.
    package let warnings: [String]

    init(name: String, content: Content, bytes: Int, warnings: [String] = []) {
        self.name = name
        self.content = content
        self.bytes = bytes
        self.warnings = warnings
    }

    package var engine: Engine? { if case .language(let engine) = content { engine } else { nil } }
    package var scorer: ScoringWorker? { if case .scoring(let worker) = content { worker } else { nil } }
    package var embedder: EmbeddingWorker? { if case .embedding(let worker) = content { worker } else { nil } }

    package var tokenizer: Tokenizer {
        switch content {
        case .language(let engine): engine.model.tokenizer
        case .embedding(let worker): worker.tokenizer
        case .scoring(let worker): worker.tokenizer
        }
    }

    /// Whether a file of the model has changed since it was loaded: then its requests fail, and the next one loads it
    /// again.
    var hasChangedFile: Bool {
        do throws(ModelError) {
            switch content {
            case .language(let engine): try engine.model.decoder.checkFiles()
            case .embedding(let worker): try worker.checkFiles()
            case .scoring(let worker): try worker.checkFiles()
            }
            return false
        } catch {
            return true
        }
    }

    func stop() { if case .language(let engine) = content { engine.stop() } }
}

import Martlet
import Synchronization

/// A model in memory, and what computes with it.
package final class LoadedModel: Sendable {
    package enum Content: Sendable {
        case language(Engine)
        case embedding(EmbeddingWorker)
        case scoring(ScoringWorker)
    }

    package let name: String
    package let content: Content
    /// By the special tokens that stand for their spelling in a grammar.
    let grammars = Mutex<[Set<Int32>: GrammarCompiler]>([:])
    /// One bound for all of them.
    let grammarMemory = GrammarMemory()
    /// What it counts for in the server's memory.
    let bytes: Int
    /// What of its files is passed over and may matter.
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

    /// A file it reads from is not what was loaded any more: its requests fail, and the next one is to load it anew.
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

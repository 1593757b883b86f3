import Dispatch
import Martlet
import Synchronization

/// A model in memory, and what computes with it.
package final class LoadedModel: Sendable {
    package enum Content: Sendable {
        case language(Engine)
        case embedding(EmbeddingWorker)
    }

    package let name: String
    package let content: Content
    /// By the special tokens that stand for their spelling in a grammar.
    let grammars = Mutex<[Set<Int32>: GrammarCompiler]>([:])
    /// One bound for all of them.
    let grammarMemory = GrammarMemory()
    /// What it counts for in the server's memory.
    let bytes: Int

    init(name: String, content: Content, bytes: Int) {
        self.name = name
        self.content = content
        self.bytes = bytes
    }

    package var engine: Engine? { if case .language(let engine) = content { engine } else { nil } }
    package var embedder: EmbeddingWorker? { if case .embedding(let worker) = content { worker } else { nil } }

    package var tokenizer: Tokenizer {
        switch content {
        case .language(let engine): engine.model.tokenizer
        case .embedding(let worker): worker.tokenizer
        }
    }

    /// A file it reads from is not what was loaded any more: its requests fail, and the next one is to load it anew.
    var hasChangedFile: Bool {
        do throws(ModelError) {
            switch content {
            case .language(let engine): try engine.model.decoder.checkFiles()
            case .embedding(let worker): try worker.checkFiles()
            }
            return false
        } catch {
            return true
        }
    }

    func stop() { if case .language(let engine) = content { engine.stop() } }
}

/// Embeds for many callers, one batch at a time on a queue of its own: each batch uses every core already.
package final class EmbeddingWorker: @unchecked Sendable {
    // Touched on the queue alone, except for what never changes.
    private let embedder: TextEmbedder
    private let queue = DispatchQueue(label: "martlet.embedding")
    package let tokenizer: Tokenizer
    package let contextLength: Int
    package let width: Int
    package let vocabularySize: Int

    package init(_ embedder: TextEmbedder) {
        self.embedder = embedder
        tokenizer = embedder.tokenizer
        contextLength = embedder.contextLength
        width = embedder.dimension
        vocabularySize = embedder.model.vocabularySize
    }

    /// Reads nothing that changes, so that any thread may ask.
    func checkFiles() throws(ModelError) { try embedder.model.checkFiles() }

    /// The tokens of a text as the model wants it: with its default prompt, in its case. Reads nothing that changes.
    package func tokens(_ text: String) throws -> [Int32] { try embedder.tokens(text) }

    /// One vector for each sequence of tokens, a few at a time, so that a cancelled task ends soon.
    package func embed(_ sequences: [[Int32]]) async throws -> [[Float]] {
        var vectors: [[Float]] = []
        var start = 0
        while start < sequences.count {
            try Task.checkCancellation()
            // A batch ends at 16 texts or at so many tokens as a step of a language model has.
            var end = start, tokens = 0
            while end < sequences.count, end - start < 16, end == start || tokens + sequences[end].count <= 512 {
                tokens += sequences[end].count
                end += 1
            }
            let batch = Array(sequences[start..<end])
            start = end
            vectors += try await withCheckedThrowingContinuation { continuation in
                queue.async { [self] in
                    continuation.resume(
                        with: Result { try embedder.embed(tokens: batch) })
                }
            }
        }
        return vectors
    }
}

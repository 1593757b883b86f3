import Martlet

/// Computes embeddings for many callers, one batch at a time on its own thread. A batch uses all cores, unless a reply
/// is being generated; then it uses one.
package final class EmbeddingWorker: @unchecked Sendable {
    // Accessed only on the lane, except for constants.
    private let embedder: TextEmbedder
    private let isShared: @Sendable () -> Bool
    package let tokenizer: Tokenizer
    package let contextLength: Int
    package let width: Int
    package let vocabularySize: Int

    /// - Parameter isShared: whether replies are being generated.
    package init(_ embedder: TextEmbedder, isShared: @escaping @Sendable () -> Bool) {
        self.embedder = embedder
        self.isShared = isShared
        tokenizer = embedder.tokenizer
        contextLength = embedder.contextLength
        width = embedder.dimension
        vocabularySize = embedder.model.vocabularySize
    }

    /// Reads only constants; can be called from any thread.
    func checkFiles() throws(ModelError) { try embedder.model.checkFiles() }

    /// The tokens of a text with the model's default prompt and normalisation. Reads only constants.
    package func tokens(_ text: String) throws -> [Int32] { try embedder.tokens(text) }

    /// One vector per token sequence, a few at a time, so that a cancelled task ends soon.
    package func embed(_ sequences: [[Int32]]) async throws -> [[Float]] {
        var vectors: [[Float]] = []
        for batch in WorkerBatches(lengths: sequences.map(\.count)) {
            try Task.checkCancellation()
            let part = Array(sequences[batch])
            vectors += try await WorkLane.models.compute(alone: isShared()) { [self] in
                try embedder.embed(tokens: part)
            }
        }
        return vectors
    }
}

/// Scores pairs of texts for many callers, like `EmbeddingWorker`.
package final class ScoringWorker: @unchecked Sendable {
    package typealias Pair = (ids: [Int32], types: [Int32])

    // Accessed only on the lane, except for constants.
    private let scorer: TextScorer
    private let isShared: @Sendable () -> Bool
    package let tokenizer: Tokenizer
    package let contextLength: Int

    package init(_ scorer: TextScorer, isShared: @escaping @Sendable () -> Bool) {
        self.scorer = scorer
        self.isShared = isShared
        tokenizer = scorer.tokenizer
        contextLength = scorer.contextLength
    }

    /// Reads only constants; can be called from any thread.
    func checkFiles() throws(ModelError) { try scorer.model.checkFiles() }

    /// The tokens of a pair. Reads only constants.
    package func tokens(_ query: String, _ text: String) throws -> Pair { try scorer.tokens(query, text) }

    /// The model's score for each pair, a few at a time, so that a cancelled task ends soon.
    package func scores(_ pairs: [Pair]) async throws -> [Float] {
        var scores: [Float] = []
        for batch in WorkerBatches(lengths: pairs.map(\.ids.count)) {
            try Task.checkCancellation()
            let part = Array(pairs[batch])
            scores += try await WorkLane.models.compute(alone: isShared()) { [self] in try scorer.scores(part) }
        }
        return scores
    }
}

/// Ranges of texts to compute together: at most 16, or as many tokens as a step of a language model has.
private struct WorkerBatches: Sequence, IteratorProtocol {
    let lengths: [Int]
    private var start = 0

    init(lengths: [Int]) { self.lengths = lengths }

    mutating func next() -> Range<Int>? {
        guard start < lengths.count else { return nil }
        var end = start, tokens = 0
        while end < lengths.count, end - start < 16, end == start || tokens + lengths[end] <= 512 {
            tokens += lengths[end]
            end += 1
        }
        defer { start = end }
        return start..<end
    }
}

extension WorkLane {
    /// Computes with a model beside the engines.
    /// - Parameter alone: whether to compute on this thread only, leaving the workers to the engines.
    func compute<Value: Sendable>(
        alone: Bool, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await run { alone ? try ThreadPool.alone(body) : try body() }
    }
}

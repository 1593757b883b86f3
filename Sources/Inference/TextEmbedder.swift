import MartletModels
import MartletTensor
import MartletText

/// Sentence vectors from an encoder model: tokenise, encode, average, normalise.
public final class TextEmbedder {
    public let encoder: Encoder
    public let tokenizer: Tokenizer

    /// Opens a folder with a BERT-like model.
    public convenience init(path: String) throws { try self.init(ModelFiles(path: path)) }

    public init(_ files: ModelFiles) throws {
        encoder = try files.checkpoint.encoder()
        tokenizer = try files.tokenizer()
        guard tokenizer.vocabularySize <= encoder.configuration.vocabularySize else {
            throw ModelError.vocabularyMismatch(
                model: encoder.configuration.vocabularySize, tokenizer: tokenizer.vocabularySize)
        }
        try encoder.prepare(.fast)
    }

    /// One vector of length one for each text. Texts longer than the model's context are refused, never cut.
    public func embed(_ texts: [String]) throws -> [[Float]] {
        var vectors: [[Float]] = []
        let width = encoder.configuration.hiddenSize
        // A few texts at a time bounds the memory of a long list.
        for start in stride(from: 0, to: texts.count, by: 16) {
            let tokens = try texts[start..<min(start + 16, texts.count)].map { try tokenizer.encode($0) }
            let result = try encoder.embeddings(tokens)
            for row in tokens.indices {
                vectors.append(Array(UnsafeBufferPointer(start: result.floats + row * width, count: width)))
            }
        }
        return vectors
    }
}

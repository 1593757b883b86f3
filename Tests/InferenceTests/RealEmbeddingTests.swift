import MartletInference
import MartletJSON
import Testing

/// all-MiniLM-L6-v2 against transformers and sentence-transformers (Goldens/make_reference.py).
@Suite(.enabled(if: RealModels.folder != nil, Comment(rawValue: RealModels.skipped)))
struct RealEmbeddingTests {
    @Test func sentenceVectorsAreThoseOfSentenceTransformers() throws {
        let golden = try RealModels.golden("embeddings.json")
        let texts = golden["texts"]?.array?.compactMap(\.string) ?? []
        let expected = golden["vectors"]?.array?.map { $0.array?.compactMap(\.double) ?? [] } ?? []
        #expect(texts.count == 6 && expected.count == 6)
        let embedder = try TextEmbedder(path: RealModels.path("minilm"))
        let found = try embedder.embed(texts)
        for ((text, a), b) in zip(zip(texts, found), expected) {
            #expect(a.count == b.count)
            // Both have length one.
            let cosine = zip(a, b).reduce(0.0) { $0 + Double($1.0) * $1.1 }
            #expect(cosine > 0.9999 && cosine < 1.0001, "\(text): \(cosine)")
            let largest = zip(a, b).map { abs(Double($0.0) - $0.1) }.max() ?? .infinity
            #expect(largest < 1e-4, "\(text)")
        }
        // A text's vector does not depend on its company.
        for (text, vector) in zip(texts, found) { #expect(try embedder.embed([text]) == [vector]) }
    }
}

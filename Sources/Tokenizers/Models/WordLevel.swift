/// One token per word; other words become the unknown token.
package struct WordLevel: TokenizerModel {
    package let vocabulary: Vocabulary
    package let unknown: Int32?

    package init(vocabulary: Vocabulary, unknown: Int32?) {
        self.vocabulary = vocabulary
        self.unknown = unknown
    }

    package var vocabularySize: Int { vocabulary.count }
    package func id(of token: [UInt8]) -> Int32? { vocabulary.id(of: token) }
    package func token(_ id: Int32) -> [UInt8]? { vocabulary[id].map(Array.init) }

    package func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
        let id = vocabulary.find(piece)
        ids.append(id >= 0 ? id : unknown ?? -1)
    }
}

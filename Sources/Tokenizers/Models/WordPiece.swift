/// WordPiece: greedy longest match from the left; tokens inside a word have a prefix ("##"). A word with a part that
/// has no token becomes one unknown token. Source: Devlin et al. 2018, `WordpieceTokenizer`.
package struct WordPiece: TokenizerModel {
    package let vocabulary: Vocabulary
    package let unknown: Int32?
    package let longestWord: Int
    private let trie: TokenTrie
    /// The trie node after the prefix, where continuation tokens start; -1 if there are none.
    private let continuation: Int32
    /// Continuation tokens without their prefix, if one is so long that trie walks from every position would be too
    /// slow.
    private let longTokens: TokenStarts?

    /// - Parameter longestWord: words of more scalars than this become the unknown token.
    package init(vocabulary: Vocabulary, unknown: Int32?, continuingPrefix: [UInt8], longestWord: Int) {
        self.vocabulary = vocabulary
        self.unknown = unknown
        self.longestWord = longestWord
        var trie = TokenTrie(reserving: vocabulary.count * 4)
        for id in 0..<Int32(vocabulary.count) {
            if let token = vocabulary[id], vocabulary.id(of: token) == id { trie.insert(token, value: id) }
        }
        self.trie = trie
        continuation = trie.node(of: continuingPrefix)
        guard trie.longestKey > TokenAutomaton.longestForTrie else {
            longTokens = nil
            return
        }
        longTokens = TokenStarts(
            (0..<Int32(vocabulary.count)).lazy.compactMap { id -> (bytes: [UInt8], value: Int32)? in
                guard let token = vocabulary[id], token.starts(with: continuingPrefix), vocabulary.id(of: token) == id
                else { return nil }
                return (bytes: Array(token.dropFirst(continuingPrefix.count)), value: id)
            })
    }

    package var vocabularySize: Int { vocabulary.count }
    package func id(of token: [UInt8]) -> Int32? { vocabulary.id(of: token) }
    package func token(_ id: Int32) -> [UInt8]? { vocabulary[id].map(Array.init) }

    package func append(_ id: Int32, to bytes: inout [UInt8]) -> Bool { vocabulary.append(id, to: &bytes) }

    package func encode(
        _ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32], _ scratch: EncodingScratch
    ) {
        scratch.append(piece, to: &ids) { ids in encode(piece, into: &ids) }
    }

    package func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
        let before = ids.count
        let scalars = piece.count <= longestWord ? 0 : piece.count { $0 & 0xC0 != 0x80 }
        if scalars > longestWord || !append(piece, to: &ids) {
            ids.removeSubrange(before...)
            ids.append(unknown ?? -1)
        }
    }

    /// Appends the tokens of the word; returns false if a part has no token.
    private func append(_ piece: UnsafeBufferPointer<UInt8>, to ids: inout [Int32]) -> Bool {
        var start = 0
        var found: [Int32]?
        while start < piece.count {
            if start > 0, let longTokens, piece.count > TokenAutomaton.longestForTrie {
                let places = found ?? longTokens.longest(in: piece)
                found = places
                let match = longTokens.match(places[start]) { length, _ in
                    start + length == piece.count || piece[start + length] & 0xC0 != 0x80
                }
                guard let match else { return false }
                ids.append(match.value)
                start += match.length
                continue
            }
            var node = start == 0 ? TokenTrie.root : continuation
            guard node >= 0 else { return false }
            var end = start
            var best: Int32 = -1
            var index = start
            while index < piece.count {
                node = trie.child(of: node, piece[index])
                if node < 0 { break }
                index += 1
                // A token that ends inside a scalar does not match.
                let isWhole = index == piece.count || piece[index] & 0xC0 != 0x80
                if isWhole, trie.value(at: node) >= 0 { (best, end) = (trie.value(at: node), index) }
            }
            guard best >= 0 else { return false }
            ids.append(best)
            start = end
        }
        return true
    }
}

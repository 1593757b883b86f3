import MartletTokenizers
import Synchronization

/// The byte strings of a vocabulary's tokens as a trie, in depth-first order: a node is followed by its subtree, so a
/// subtree that is not allowed is skipped by one addition.
public final class TokenTree: Sendable {
    struct Node: Sendable {
        var byte: UInt8
        /// The length of the string up to here, in bytes.
        var depth: Int32
        /// The first node after the subtree.
        var end: Int32
        /// Tokens that end here: `tokens[firstToken..<firstToken + tokenCount]`.
        var firstToken: Int32
        var tokenCount: Int32
    }

    let nodes: [Node]
    let tokens: [Int32]
    let deepest: Int
    /// The tokens that end a text (stop tokens).
    let endTokens: [Int32]
    /// One more than the largest token.
    public let vocabularySize: Int
    /// Whether each token is in the tree a second time, by its id: for grammars that refer to tokens.
    let hasTerminals: Bool
    private let offsets: [Int32]
    private let text: [UInt8]
    private let identify: @Sendable (String) -> Int32?
    private let terminals = Mutex<TokenTree?>(nil)

    /// - Parameters:
    ///   - tokenBytes: the text bytes of each token; empty for tokens that are never allowed.
    ///   - endTokens: tokens that are allowed where a text may end; they are not part of the text.
    ///   - identify: the token for a text, if there is one.
    public convenience init(
        tokenBytes: [[UInt8]], endTokens: Set<Int32>, identify: @escaping @Sendable (String) -> Int32? = { _ in nil }
    ) {
        self.init(tokenBytes, endTokens, hasTerminals: false, identify)
    }

    private init(
        _ tokenBytes: [[UInt8]], _ endTokens: Set<Int32>, hasTerminals: Bool,
        _ identify: @escaping @Sendable (String) -> Int32?
    ) {
        self.hasTerminals = hasTerminals
        self.identify = identify
        vocabularySize = tokenBytes.count
        self.endTokens = endTokens.filter { $0 >= 0 && Int($0) < tokenBytes.count }.sorted()
        var offsets: [Int32] = [0]
        var text: [UInt8] = []
        for (token, bytes) in tokenBytes.enumerated() {
            if !endTokens.contains(Int32(token)) { text += bytes }
            offsets.append(Int32(text.count))
        }
        self.offsets = offsets
        self.text = text
        var entries: [(token: Int32, bytes: ArraySlice<UInt8>)] = []
        for token in 0..<Int32(tokenBytes.count) {
            let bytes = text[Int(offsets[Int(token)])..<Int(offsets[Int(token) + 1])]
            if hasTerminals, !endTokens.contains(token) { entries.append((token, Self.terminal(token)[...])) }
            if !bytes.isEmpty { entries.append((token, bytes)) }
        }
        entries.sort { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        var nodes: [Node] = []
        var path: [Int] = []
        for (position, entry) in entries.enumerated() {
            let bytes = entry.bytes
            var shared = 0
            while shared < path.count, shared < bytes.count,
                nodes[path[shared]].byte == bytes[bytes.startIndex + shared]
            {
                shared += 1
            }
            for index in path[shared...] { nodes[index].end = Int32(nodes.count) }
            path.removeSubrange(shared...)
            for byte in bytes.dropFirst(shared) {
                path.append(nodes.count)
                nodes.append(
                    Node(byte: byte, depth: Int32(path.count), end: 0, firstToken: Int32(position), tokenCount: 0))
            }
            if let last = path.last { nodes[last].tokenCount += 1 }
        }
        for index in path { nodes[index].end = Int32(nodes.count) }
        self.nodes = nodes
        tokens = entries.map(\.token)
        deepest = Int(nodes.map(\.depth).max() ?? 0)
    }

    /// The tokens of a tokenizer. Special tokens have no text and are never allowed, except those that end the text.
    /// - Parameter written: special tokens that nevertheless represent their spelling, such as those that begin a
    ///   tool call.
    public convenience init(_ tokenizer: Tokenizer, endTokens: Set<Int32>, written: Set<Int32> = []) {
        self.init(
            tokenBytes: (0..<Int32(tokenizer.vocabularySize)).map { token -> [UInt8] in
                let isSpecial = tokenizer.specialTokens.contains(token) || token == tokenizer.unknownToken
                return isSpecial && !written.contains(token) ? [] : tokenizer.bytes(of: token) ?? []
            },
            endTokens: endTokens
        ) { text in
            guard let tokens = try? tokenizer.encode(text, addSpecialTokens: false, parseSpecial: true),
                tokens.count == 1
            else { return nil }
            return tokens[0]
        }
    }

    // MARK: Tokens as terminals

    private static let terminalMark: UInt8 = 0xFF

    /// The byte string of a token as a terminal, independent of its spelling: bytes that no text contains.
    static func terminal(_ token: Int32) -> [UInt8] {
        [terminalMark] + [16, 8, 0].map { UInt8(truncatingIfNeeded: token >> $0) }
    }

    /// The token for a text; nil if there is none, or several.
    func token(_ text: String) -> Int32? { identify(text) }

    /// The same vocabulary with tokens as terminals. Created once, because few grammars need it.
    func withTerminals() -> TokenTree {
        terminals.withLock { known in
            if let known { return known }
            // No text contains the first byte of a token's id, so a terminal never equals a spelling.
            let spelled = (0..<Int32(vocabularySize)).map { token -> [UInt8] in
                let text = bytes(of: token)
                return text.contains(Self.terminalMark) ? [] : Array(text)
            }
            let tree = TokenTree(spelled, Set(endTokens), hasTerminals: true, identify)
            known = tree
            return tree
        }
    }

    func bytes(of token: Int32) -> ArraySlice<UInt8> {
        guard token >= 0, Int(token) < vocabularySize else { return [] }
        return text[Int(offsets[Int(token)])..<Int(offsets[Int(token) + 1])]
    }

    func isEnd(_ token: Int32) -> Bool { endTokens.contains(token) }
}

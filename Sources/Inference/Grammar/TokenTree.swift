import MartletText

/// The byte strings of a vocabulary's tokens as a tree, in the order of a walk that goes deep first: a node's subtree
/// follows it, so that what begins with bytes that may not come is skipped by one addition.
public final class TokenTree: Sendable {
    struct Node: Sendable {
        var byte: UInt8
        /// Of the string up to here, in bytes.
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
    /// Tokens that end a text.
    let endTokens: [Int32]
    /// One more than the largest token.
    public let vocabularySize: Int
    private let offsets: [Int32]
    private let text: [UInt8]

    /// - Parameters:
    ///   - tokenBytes: what each token adds to a text; empty for those that may never be chosen.
    ///   - endTokens: those that may be chosen where a text may end; they never are part of it.
    public init(tokenBytes: [[UInt8]], endTokens: Set<Int32>) {
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
        func bytes(_ token: Int32) -> ArraySlice<UInt8> {
            text[Int(offsets[Int(token)])..<Int(offsets[Int(token) + 1])]
        }
        let order = (0..<Int32(tokenBytes.count)).filter { !bytes($0).isEmpty }
            .sorted { bytes($0).lexicographicallyPrecedes(bytes($1)) }
        var nodes: [Node] = []
        var path: [Int] = []
        for (position, token) in order.enumerated() {
            let bytes = bytes(token)
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
        tokens = order
        deepest = Int(nodes.map(\.depth).max() ?? 0)
    }

    /// The tokens of a tokenizer. Special tokens stand for no text and are never allowed, but for those that end it.
    /// - Parameter written: special tokens that stand for their spelling all the same, such as those that begin a call.
    public convenience init(_ tokenizer: Tokenizer, endTokens: Set<Int32>, written: Set<Int32> = []) {
        self.init(
            tokenBytes: (0..<Int32(tokenizer.vocabularySize)).map { token -> [UInt8] in
                let isSpecial = tokenizer.specialTokens.contains(token) || token == tokenizer.unknownToken
                return isSpecial && !written.contains(token) ? [] : tokenizer.bytes(of: token) ?? []
            },
            endTokens: endTokens)
    }

    func bytes(of token: Int32) -> ArraySlice<UInt8> {
        guard token >= 0, Int(token) < vocabularySize else { return [] }
        return text[Int(offsets[Int(token)])..<Int(offsets[Int(token) + 1])]
    }

    func isEnd(_ token: Int32) -> Bool { endTokens.contains(token) }
}

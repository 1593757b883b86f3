import MartletGrammar
import MartletJSON
import TinyModels

/// A grammar over a vocabulary of the 256 bytes, some pieces of several, and an end (token 0).
struct GrammarRunner {
    static let pieces = [
        "\",\"", "\":", "{\"", "\"}", "}}", "]}", "true", "null", " \"", "the", "é", "é\"", "12", "0.",
    ]
    static let tree = TokenTree(
        tokenBytes: [[]] + (0..<256).map { [UInt8($0)] } + pieces.map { Array($0.utf8) } + [[]], endTokens: [0])

    let grammar: CompiledGrammar

    /// Of a token that is no end; the last has none.
    static func bytes(of token: Int32) -> [UInt8] {
        if token <= 256 { return [UInt8(token - 1)] }
        return Int(token) - 257 < pieces.count ? Array(pieces[Int(token) - 257].utf8) : []
    }

    init(_ source: GrammarSource, _ limits: GrammarLimits = GrammarLimits()) throws(GrammarError) {
        grammar = try GrammarCompiler(Self.tree, limits: limits).compile(source)
    }

    func accepts(_ text: String) throws -> Bool { try accepts(Array(text.utf8)) }

    func accepts(_ bytes: [UInt8]) throws -> Bool {
        var matcher = grammar.matcher()
        return try matcher.accept(bytes: bytes) && matcher.mayEnd
    }

    /// Tokens drawn at random from the masks, until the end is drawn or so many have been. Throws where none is allowed.
    func walk(_ random: inout SmallRandom, most: Int) throws -> (bytes: [UInt8], hasEnded: Bool) {
        var matcher = grammar.makeMatcher()
        var bytes: [UInt8] = []
        for _ in 0..<most {
            let mask = try matcher.allowedTokens()
            let allowed = (0..<Int32(Self.tree.vocabularySize)).filter { mask.allows($0) }
            // What closes is drawn more often, so that texts end.
            let closing = [
                0, Int32(UInt8(ascii: "}")) + 1, Int32(UInt8(ascii: "]")) + 1, Int32(UInt8(ascii: "\"")) + 1,
            ]
            .first { allowed.contains($0) }
            let visible = allowed.filter { $0 == 0 || $0 > 0x21 && $0 < 0x7F || $0 > 256 }
            let pool = visible.isEmpty || random.next() % 8 == 0 ? allowed : visible
            let drawn = pool[Int(random.next() % UInt64(pool.count))]
            let token = random.next() % 3 == 0 ? closing ?? drawn : drawn
            try matcher.accept(token)
            if token == 0 { return (bytes, true) }
            bytes += token <= 256 ? [UInt8(token - 1)] : Array(Self.pieces[Int(token) - 257].utf8)
        }
        return (bytes, false)
    }
}

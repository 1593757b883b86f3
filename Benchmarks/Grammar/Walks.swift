import Foundation
import MartletGrammar
import MartletInference
import MartletJSON
import MartletTokenizers

/// Texts whose tokens are drawn at random from the masks, so many for each schema of a file of cases. What closes a
/// string, an array or an object is drawn more often, so that most texts end. Each is decoded by the tokenizer.
func printWalks(_ path: String, _ count: Int, _ tree: TokenTree, _ tokenizer: Tokenizer) throws {
    let cases = try JSON(parsing: Data(contentsOf: URL(fileURLWithPath: path))).array ?? []
    let compiler = GrammarCompiler(tree)
    var random = SystemRandomNumberGenerator()
    let closing = ["\"", "}", "]"].compactMap { tokenizer.id(of: $0) }
    for (number, test) in cases.enumerated() {
        guard let schema = test["schema"] else { continue }
        let spacings: [JSONSpacing] = [.compact, .single, .lines]
        let grammars = try spacings.map { try compiler.compile(.jsonSchema(schema, $0)) }
        for walk in 0..<count {
            var matcher = grammars[walk % grammars.count].makeMatcher()
            var tokens: [Int32] = []
            var hasEnded = false
            while tokens.count < 400, !hasEnded {
                let mask = try matcher.allowedTokens()
                let favoured = (tokenizer.eosTokens.sorted() + closing).filter { mask.allows($0) }
                let allowed =
                    !favoured.isEmpty && UInt8.random(in: 0..<3, using: &random) == 0
                    ? favoured : (0..<Int32(tree.vocabularySize)).filter { mask.allows($0) }
                guard let token = allowed.randomElement(using: &random) else { break }
                try matcher.accept(token)
                if tokenizer.eosTokens.contains(token) { hasEnded = true } else { tokens.append(token) }
            }
            guard hasEnded else { continue }
            let text = try tokenizer.decode(tokens)
            print(JSON.object(["case": .integer(Int64(number)), "text": .string(text)]).text())
        }
    }
}

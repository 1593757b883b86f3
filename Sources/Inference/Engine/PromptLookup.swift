/// Guesses what comes next by finding the latest tokens earlier in the text and copying what followed them there.
/// Source: Saxena 2023, "Prompt Lookup Decoding".
enum PromptLookup {
    /// - Parameters:
    ///   - count: tokens guessed at most.
    ///   - longest: tokens of the end of the text that are looked for, at most; shorter ends are tried in turn.
    static func guess(_ tokens: [Int32], count: Int, longest: Int = 3) -> [Int32] {
        guard count > 0, tokens.count > 2 else { return [] }
        for length in stride(from: min(longest, tokens.count - 1), through: 2, by: -1) {
            let end = tokens.count - length
            // The latest place counts: what was said last is likeliest to be said again.
            var start = end - 1
            while start >= 0 {
                if tokens[start] == tokens[end], (1..<length).allSatisfy({ tokens[start + $0] == tokens[end + $0] }) {
                    return Array(tokens[(start + length)...].prefix(count))
                }
                start -= 1
            }
        }
        return []
    }
}

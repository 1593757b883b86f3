/// Prompt lookup decoding: finds the latest tokens earlier in the text and drafts the tokens that followed them there.
/// Source: Saxena 2023, "Prompt Lookup Decoding".
enum PromptLookup {
    /// - Parameters:
    ///   - count: the maximum number of draft tokens.
    ///   - longest: the maximum length of the suffix that is searched for; shorter suffixes are tried next.
    static func guess(_ tokens: [Int32], count: Int, longest: Int = 3) -> [Int32] {
        guard count > 0, tokens.count > 2 else { return [] }
        for length in stride(from: min(longest, tokens.count - 1), through: 2, by: -1) {
            let end = tokens.count - length
            // The latest match is used: recent text is most likely to be repeated.
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

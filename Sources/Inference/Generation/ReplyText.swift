import MartletTokenizers

/// The text of one reply, decoded token by token, up to a stop string.
struct ReplyText {
    /// Nil when replies have no text.
    private var decoding: StreamingDecoder?
    private var scanner: StopStringScanner

    init(_ tokenizer: Tokenizer?, _ options: GenerationOptions) {
        decoding = tokenizer?.streamingDecoder(skipSpecialTokens: options.skipsSpecialTokens)
        scanner = StopStringScanner(options.stopStrings)
    }

    /// The characters completed by a token, without those that may begin a stop string; and the stop string, if one is
    /// complete.
    /// - Parameter mayStop: if false, stop strings are ordinary text.
    mutating func append(_ token: Int32, mayStop: Bool) throws -> (text: String, stop: String?) {
        let characters = try decoding?.append(token) ?? ""
        return mayStop ? scanner.append(characters) : (characters, nil)
    }

    /// The text held back at the end, which could have become a character or a stop string.
    mutating func finish() -> String { scanner.append(decoding?.finish() ?? "").text + scanner.finish() }

    /// The text of a whole reply.
    static func of(
        _ tokens: [Int32], ends: Set<Int32>, _ tokenizer: Tokenizer, _ options: GenerationOptions
    ) throws -> String {
        var text = ReplyText(tokenizer, options), said = ""
        for (index, token) in tokens.enumerated() where !ends.contains(token) {
            let (shown, stop) = try text.append(token, mayStop: index >= options.minimumTokens)
            said += shown
            if let stop { return options.includesStopString ? said + stop : said }
        }
        return said + text.finish()
    }
}

import MartletTokenizers

/// Texts that meet every kind of step: normalisation, cuts, special tokens, bytes outside any vocabulary.
private let texts = [
    "Hello, world's end: the 12,345 e\u{301}t\u{E9}s!  \n\n\tfi\u{FB01} \u{4F60}\u{597D} \u{1F469}\u{200D}\u{1F680}",
    "<s><|im_start|>user\n<unk> [CLS]don't<|im_end|></s>", "", " ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
]

/// What a tokenizer makes of a few texts is decoded at once and token by token, which must agree. A text that repeats
/// a token's start is encoded, too, in time that follows its length.
func exercise(_ tokenizer: Tokenizer) {
    for text in texts {
        let trusted = Tokenizer.Segment(text, isTrusted: true)
        let data = Tokenizer.Segment(text, isTrusted: false)
        for ids in [
            try? tokenizer.encode(text), try? tokenizer.encode(text, addSpecialTokens: false),
            try? tokenizer.encode(segments: [trusted, data, trusted], addSpecialTokens: true),
            try? tokenizer.encode(bytes: [0xFF] + text.utf8 + [0xE2, 0x82]),
        ] {
            guard let ids else { continue }
            precondition(
                ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.vocabularySize }, "an id beyond the vocabulary")
            check(ids, tokenizer)
        }
    }
    // Ids that no token has stand for nothing.
    check([0, Int32(tokenizer.vocabularySize), .max], tokenizer)
    let last = tokenizer.vocabularySize - 1
    for id in [0, 1, 2, last / 2, last] {
        guard let token = tokenizer.token(Int32(id)), !token.isEmpty else { continue }
        let start = String(token.unicodeScalars.prefix(4096).dropLast())
        guard !start.isEmpty else { continue }
        let clock = ContinuousClock()
        let text = String(repeating: start, count: max(1, 16_384 / start.utf8.count))
        let time = clock.measure { _ = try? tokenizer.encode(text) }
        precondition(time < .seconds(4), "sixteen kilobytes take \(time)")
    }
    for id in -1...Int32(min(tokenizer.vocabularySize, 64)) {
        guard let token = tokenizer.token(id) else { continue }
        _ = tokenizer.id(of: token)
        _ = tokenizer.bytes(of: id)
    }
}

private func check(_ ids: [Int32], _ tokenizer: Tokenizer) {
    let whole = try? tokenizer.decode(ids)
    precondition(whole != nil, "an id of the tokenizer that it does not decode")
    _ = try? tokenizer.decode(ids, skipSpecialTokens: true)
    var decoder = tokenizer.streamingDecoder(skipSpecialTokens: false)
    var streamed = ""
    for id in ids { streamed += (try? decoder.append(id)) ?? "" }
    streamed += decoder.finish()
    precondition(whole?.utf8.elementsEqual(streamed.utf8) == true, "the stream decodes to another text")
}

import MartletModels

extension EngineRequest {
    /// Checks what can be checked before anything is computed.
    /// - Parameters:
    ///   - hasText: replies are decoded to text.
    ///   - hasSource: the prompt is the source of an encoder-decoder, which has a context of its own.
    /// - Returns: tokens of a reply at most.
    /// - Throws: `EngineError.contextExceeded`, `OptionError`, `ModelError.tokenOutOfRange`.
    func check(_ configuration: DecoderConfiguration, hasText: Bool, hasSource: Bool) throws -> Int {
        let size = configuration.vocabularySize, limit = configuration.contextLength
        func check(_ option: String, _ value: Int, in range: ClosedRange<Int>) throws {
            guard range.contains(value) else {
                throw OptionError(option: option, value: "\(value)", expected: "a number in \(range)")
            }
        }
        guard !prompt.isEmpty else {
            throw OptionError(option: "prompt", value: "empty", expected: "at least one token")
        }
        try options.checkBeams()
        guard hasText || options.stopStrings.isEmpty else {
            throw OptionError(option: "stop strings", value: "given", expected: "none: there is no tokenizer")
        }
        for token in prompt where !(0..<size).contains(Int(token)) {
            throw ModelError.tokenOutOfRange(token: Int(token), vocabularySize: size)
        }
        try options.sampling.validate(vocabularySize: size)
        try options.speculation?.check(configuration)
        try options.repetitionDetection?.validate()
        try check("n", samples, in: 1...128)
        if let top = topLogProbabilities { try check("top_logprobs", top, in: 0...size) }
        if let top = promptLogProbabilities { try check("prompt_logprobs", top, in: 0...size) }
        if let maximum = options.maximumTokens { try check("max_tokens", maximum, in: 0...Int.max) }
        if hasSource {
            guard prompt.count <= limit else {
                throw EngineError.contextExceeded(tokens: prompt.count, maximumTokens: nil, limit: limit)
            }
            guard promptLogProbabilities == nil else {
                throw OptionError(
                    option: "prompt_logprobs", value: "given", expected: "none: the prompt is read by an encoder")
            }
            guard options.adapter == nil else {
                throw OptionError(option: "adapter", value: "given", expected: "none with an encoder-decoder")
            }
            return min(options.maximumTokens ?? .max, limit)
        }
        guard options.rules == nil else {
            throw OptionError(option: "rules", value: "given", expected: "none: they are for encoder-decoders")
        }
        let room = limit - prompt.count
        // A prompt that fills the context can still be scored.
        guard room > 0 || (room == 0 && options.maximumTokens == 0), options.maximumTokens.map({ $0 <= room }) ?? true
        else {
            throw EngineError.contextExceeded(
                tokens: prompt.count, maximumTokens: options.maximumTokens, limit: limit)
        }
        return min(options.maximumTokens ?? .max, room)
    }
}

import MartletModels

extension Generator {
    /// Generates replies to one prompt on this thread and calls `emit` with each token: the implementation of
    /// `LanguageModel`'s streams.
    ///
    /// The reply is limited to the rest of the context, whatever `maximumTokens` is.
    /// - Throws: `ModelError.contextExceeded` when the prompt fills the context; `OptionError`;
    ///   `ModelError.tokenOutOfRange`.
    package func generate(
        _ prompt: [Int32], _ options: GenerationOptions, isCancelled: @escaping () -> Bool = { false },
        emit: @escaping (GeneratedToken) -> Void
    ) throws {
        guard options.beams == nil else { return try generateBeams(prompt, options, isCancelled, emit) }
        let ends = options.ends(endTokens)
        // The last events of a sample are merged into one element.
        var last = "", endProbability: TokenLogProbability?
        try run(request(prompt, options), isCancelled: isCancelled) { events in
            for event in events {
                switch event {
                case .started, .prompt: break
                case .token(let sample, let piece):
                    if let token = piece.token, !ends.contains(token) {
                        emit(
                            GeneratedToken(
                                token: token, text: piece.text, sample: sample, logProbability: piece.logProbability))
                    } else if piece.token != nil {
                        endProbability = piece.logProbability
                    } else {
                        last = piece.text
                    }
                case .finished(let sample, let reason, let statistics):
                    emit(
                        GeneratedToken(
                            token: nil, text: last, finishReason: reason, statistics: statistics, sample: sample,
                            logProbability: endProbability))
                    (last, endProbability) = ("", nil)
                }
            }
        }
    }

    /// A request whose maximum number of new tokens fits the context.
    func request(_ prompt: [Int32], _ options: GenerationOptions) throws -> EngineRequest {
        let limit = decoder.requestConfiguration.contextLength
        // The source of an encoder-decoder has a context of its own.
        let room = reader == nil ? limit - prompt.count : limit
        guard room > 0, prompt.count <= limit else {
            throw ModelError.contextExceeded(tokens: prompt.count, limit: limit)
        }
        var request = EngineRequest(prompt: prompt, options: options)
        request.options.maximumTokens = min(options.maximumTokens ?? .max, room)
        return request
    }
}

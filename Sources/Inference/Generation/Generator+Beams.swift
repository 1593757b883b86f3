import MartletModels
import MartletTensor

/// The result of a beam search and why it ended.
struct BeamSearchEnd {
    var reason: FinishReason
    var replyTokens: Int
}

extension Generator {
    /// Searches for the best replies to a prompt on this thread; the prompt is computed like that of any request.
    /// - Returns: the sequences found, best first, and how the search ended.
    func search(
        _ prompt: [Int32], _ options: GenerationOptions, _ beams: BeamSearchOptions,
        _ isCancelled: @escaping () -> Bool
    ) throws -> (found: [BeamHypothesis], reason: FinishReason, statistics: GenerationStatistics) {
        try beams.validate()
        try options.checkForBeams()
        var request = try request(prompt, options)
        request.options.beams = nil
        let ends = options.ends(endTokens), maximum = request.options.maximumTokens ?? .max
        var found: [BeamHypothesis] = [], end = FinishReason.length, statistics = GenerationStatistics()
        var failure: (any Error)?
        let submission = try EngineSubmission(
            request, decoder.requestConfiguration, hasText: tokenizer != nil, endTokens: endTokens,
            search: { [decoder, tokenizer] cache, logits in
                var search = BeamSearch(
                    beams, Sampler(options.sampling, prompt: prompt), endTokens: ends, maximum: maximum,
                    minimum: options.minimumTokens,
                    text: options.stopStrings.isEmpty ? nil : ReplyText(tokenizer, options))
                guard let hypotheses = try search.run(decoder, cache, logits, isCancelled: isCancelled) else {
                    return BeamSearchEnd(reason: .cancelled, replyTokens: 0)
                }
                found = hypotheses
                if let tokenizer {
                    for index in found.indices {
                        found[index].text = try ReplyText.of(found[index].tokens, ends: ends, tokenizer, options)
                    }
                }
                return BeamSearchEnd(
                    reason: found.first?.finishReason ?? .length, replyTokens: found.first?.tokens.count ?? 0)
            },
            isCancelled: isCancelled,
            receive: { output in
                switch output {
                case .events(let events):
                    for case .finished(_, let reason, let counts) in events { (end, statistics) = (reason, counts) }
                case .failed(let error): failure = error
                case .finished: break
                }
            })
        submit(submission)
        while step() {}
        if let failure { throw failure }
        return (found, end, statistics)
    }

    /// Returns the best reply as a single piece.
    func generateBeams(
        _ prompt: [Int32], _ options: GenerationOptions, _ isCancelled: @escaping () -> Bool,
        _ emit: (GeneratedToken) -> Void
    ) throws {
        let (found, reason, statistics) = try search(
            prompt, options, options.beams ?? BeamSearchOptions(), isCancelled)
        emit(GeneratedToken(token: nil, text: found.first?.text ?? "", finishReason: reason, statistics: statistics))
    }

    /// Runs the search of a sequence whose prefill is complete.
    func searchBeams(
        _ sequence: EngineSequence, _ logits: Tensor, _ search: (KVCache, Tensor) throws -> BeamSearchEnd
    ) {
        do {
            let end = try search(sequence.cache, logits)
            sequence.statistics.replyTokens = end.replyTokens
            counters.replyTokens += end.replyTokens
            finish(sequence, end.reason, text: "")
        } catch {
            fail(sequence.submission, error)
        }
    }
}

extension GenerationOptions {
    /// - Throws: `OptionError` for options of sampling, which beam search does not use.
    fileprivate func checkForBeams() throws {
        let others: [(String, Bool)] = [
            ("samples", samples != 1), ("log-probabilities", topLogProbabilities != nil),
            ("a constraint", constraint != nil), ("guessing ahead", speculation != nil),
            ("an adapter of the request", adapter != nil), ("a logits processor", logitsProcessor != nil),
        ]
        for (name, isGiven) in others where isGiven {
            throw OptionError(option: name, value: "given with beams", expected: "one without the other")
        }
    }
}

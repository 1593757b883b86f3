import MartletModels
import MartletTensor

/// The state of a beam search between two steps of a generator: it computes one row for each running sequence.
struct BeamGroup {
    var search: BeamSearch
    /// Of the running sequences; they share blocks, which are copied when one of them writes.
    var caches: [KVCache]
    /// The last token of each, which has no keys and values yet.
    var next: [Int32] = []

    /// Extends every running sequence by a token, and gives each that continues the keys and values of its parent.
    /// - Parameter logits: of each running sequence, `[beams, vocabulary]`; overwritten.
    /// - Returns: false at the end of the search.
    mutating func advance(_ logits: UnsafeMutableBufferPointer<Float>) throws -> Bool {
        let extensions = try search.advance(logits)
        guard !extensions.isEmpty else { return false }
        // Caches without a continuing sequence are released here, so that blocks of one holder are not copied.
        caches = extensions.map { caches[$0.parent].fork() }
        next = extensions.map(\.token)
        return true
    }
}

extension Generator {
    /// Searches for the best replies to a prompt on this thread.
    /// - Returns: the sequences found, best first, and how the search ended.
    package func search(
        _ prompt: [Int32], _ options: GenerationOptions, _ beams: BeamSearchOptions,
        _ isCancelled: @escaping () -> Bool = { false }
    ) throws -> (found: [BeamHypothesis], reason: FinishReason, statistics: GenerationStatistics) {
        var request = try request(prompt, options)
        request.options.beams = beams
        var found: [BeamHypothesis] = [], end = FinishReason.length, statistics = GenerationStatistics()
        var failure: (any Error)?
        submit(
            try EngineSubmission(
                request, decoder.requestConfiguration, hasText: tokenizer != nil, hasSource: reader != nil,
                endTokens: endTokens, isCancelled: isCancelled, didFind: { found = $0 },
                receive: { output in
                    switch output {
                    case .events(let events):
                        for case .finished(0, let reason, let counts) in events { (end, statistics) = (reason, counts) }
                    case .failed(let error): failure = error
                    case .finished: break
                    }
                }))
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

    /// Begins the search of a sequence whose prompt is computed.
    func beginBeams(of sequence: EngineSequence, _ options: BeamSearchOptions) {
        let request = sequence.request
        sequence.beams = BeamGroup(
            search: BeamSearch(
                options, Sampler(request.options.sampling, prompt: sequence.prompt),
                endTokens: sequence.submission.ends,
                maximum: sequence.submission.maximum, minimum: request.options.minimumTokens,
                text: request.options.stopStrings.isEmpty ? nil : ReplyText(tokenizer, request.options),
                rules: sequence.rules),
            caches: [sequence.cache])
    }

    /// Extends the running sequences of a search by one token, or ends it.
    /// - Parameter logits: of each running sequence, `[beams, vocabulary]`; overwritten.
    func extendBeams(of sequence: EngineSequence, _ logits: UnsafeMutableBufferPointer<Float>) {
        guard var group = sequence.beams else { return }
        // Nothing else holds the caches while they are replaced.
        sequence.beams = nil
        do {
            guard try group.advance(logits) else { return try tellFound(group.search.best, of: sequence) }
            sequence.beams = group
        } catch {
            fail(sequence.submission, error)
        }
    }

    /// Tells what a search has found, each as a sample of its own, and ends the request.
    private func tellFound(_ hypotheses: [BeamHypothesis], of sequence: EngineSequence) throws {
        let submission = sequence.submission, options = submission.request.options
        var found = hypotheses
        if let tokenizer {
            for index in found.indices {
                found[index].text = try ReplyText.of(found[index].tokens, ends: submission.ends, tokenizer, options)
            }
        }
        counters.replyTokens += found.reduce(0) { $0 + $1.tokens.count }
        submission.didFind(found)
        for (sample, one) in found.enumerated() {
            for token in one.tokens {
                submission.tell(.token(sample: sample, GeneratedPiece(token: token, text: "")))
            }
            if !one.text.isEmpty {
                submission.tell(.token(sample: sample, GeneratedPiece(token: nil, text: one.text)))
            }
        }
        sequence.statistics.replyTokens = found.first?.tokens.count ?? 0
        finish(sequence, found.first?.finishReason ?? .length, text: "", found: found)
    }
}

extension EngineSequence {
    /// All that have keys and values of it.
    var caches: [KVCache] { [cache] + (beams?.caches ?? []) }

    /// Bytes that its next rows need.
    func growth(rows: Int) -> Int {
        guard let beams else { return cache.growth(to: cache.length + rows) }
        return beams.caches.reduce(0) { $0 + $1.growth(to: $1.length + 1) }
    }
}

extension GenerationOptions {
    /// - Throws: `OptionError` for options of sampling, which beam search does not use.
    func checkBeams() throws {
        guard let beams else { return }
        try beams.validate()
        let others: [(String, Bool)] = [
            ("samples", samples != 1 && samples != beams.returnedCount),
            ("log-probabilities", topLogProbabilities != nil),
            ("a constraint", constraint != nil), ("guessing ahead", speculation != nil),
            ("a logits processor", logitsProcessor != nil), ("detection of loops", repetitionDetection != nil),
        ]
        for (name, isGiven) in others where isGiven {
            throw OptionError(option: name, value: "given with beams", expected: "one without the other")
        }
    }
}

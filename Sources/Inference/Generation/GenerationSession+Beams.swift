import MartletModels
import MartletTensor
import MartletText

extension GenerationSession {
    /// Searches for the best replies to `prompt`; nil when cancelled.
    func search(
        _ prompt: [Int32], _ options: GenerationOptions, _ beams: BeamSearchOptions, endTokens: Set<Int32>,
        isCancelled: () -> Bool
    ) throws -> (found: [BeamHypothesis], statistics: GenerationStatistics)? {
        try beams.validate()
        let plan = try plan(prompt, options, endTokens: endTokens)
        var statistics = GenerationStatistics()
        let clock = ContinuousClock()
        var started = clock.now
        statistics.promptTokens = prompt.count
        guard plan.maximum > 0 else { return ([], statistics) }
        statistics.cachedTokens = reuse(prompt)
        guard let logits = try extend(prompt[statistics.cachedTokens...], isCancelled: isCancelled) else { return nil }
        statistics.promptSeconds = (clock.now - started).seconds
        started = clock.now
        let text =
            options.stopStrings.isEmpty
            ? nil
            : StopText(
                tokenizer.streamingDecoder(skipSpecialTokens: options.skipsSpecialTokens), stops: options.stopStrings)
        var search = BeamSearch(
            beams, Sampler(options.sampling, prompt: prompt), endTokens: plan.ends, maximum: plan.maximum, text: text)
        guard var found = try search.run(decoder, cache, logits, isCancelled: isCancelled) else { return nil }
        statistics.replySeconds = (clock.now - started).seconds
        statistics.replyTokens = found.first?.tokens.count ?? 0
        for index in found.indices { found[index].text = try say(found[index].tokens, options, ends: plan.ends) }
        return (found, statistics)
    }

    /// The text of a reply's tokens, up to the stop string.
    private func say(_ tokens: [Int32], _ options: GenerationOptions, ends: Set<Int32>) throws -> String {
        var text = StopStringScanner(options.stopStrings)
        var decoding = tokenizer.streamingDecoder(skipSpecialTokens: options.skipsSpecialTokens)
        var said = ""
        for token in tokens where !ends.contains(token) {
            let (shown, stop) = text.append(try decoding.append(token))
            said += shown
            if stop != nil { return said }
        }
        return said + text.append(decoding.finish()).text + text.finish()
    }
}

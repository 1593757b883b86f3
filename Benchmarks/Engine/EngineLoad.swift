// Clients that each ask at once for a reply, on one engine: total tokens per second, as JSON lines.
//
//   engine-load MODEL [CLIENTS] [PROMPT_TOKENS] [NEW_TOKENS] [TOKENS_PER_STEP] [ROUNDS]
import MartletInference
import MartletTensor

@main struct EngineLoad {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let path = arguments.first else { return print("engine-load MODEL [CLIENTS PROMPT NEW STEP ROUNDS]") }
        let numbers = arguments.dropFirst().compactMap { Int($0) }
        func number(_ index: Int, _ standard: Int) -> Int { index < numbers.count ? numbers[index] : standard }
        let clients = number(0, 16), promptTokens = number(1, 256), newTokens = number(2, 128)
        let model = try LanguageModel(path: path)
        var options = EngineOptions()
        options.tokensPerStep = number(3, options.tokensPerStep)
        options.keepsPrefixes = false
        let clock = ContinuousClock()
        for round in 0..<number(4, 3) {
            let engine = try Engine(model, options)
            var random = RandomStream(seed: UInt64(round))
            var replies: [EngineReply] = []
            let started = clock.now
            for _ in 0..<clients {
                let size = model.configuration.vocabularySize
                var request = EngineRequest(
                    prompt: (0..<promptTokens).map { _ in Int32(random.nextIndex(below: size)) })
                request.options.sampling = .greedy
                request.options.maximumTokens = newTokens
                request.options.ignoresEndOfSequence = true
                replies.append(try engine.submit(request))
            }
            for reply in replies { for try await _ in reply {} }
            let seconds = (clock.now - started) / Duration.seconds(1)
            let statistics = engine.statistics()
            print(
                """
                {"clients": \(clients), "prompt": \(promptTokens), "new": \(newTokens), "seconds": \(seconds), \
                "generated_per_second": \(Double(clients * newTokens) / seconds), "steps": \(statistics.steps), \
                "sequences_per_step": \(Double(statistics.sequenceSteps) / Double(max(statistics.steps, 1)))}
                """)
        }
    }
}

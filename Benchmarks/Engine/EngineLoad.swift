// Clients that each ask at once for a reply, on one engine: total tokens per second, as JSON lines.
//
//   engine-load MODEL [CLIENTS] [PROMPT_TOKENS] [NEW_TOKENS] [TOKENS_PER_STEP] [ROUNDS] [ADAPTER …]
//
// With adapters every round runs twice, without them and with the clients taking them in turn; "ratio" is the processor time of a
// token without to that with.
#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletInference
import MartletTensor

@main struct EngineLoad {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let path = arguments.first else {
            return print("engine-load MODEL [CLIENTS PROMPT NEW STEP ROUNDS] [ADAPTER ...]")
        }
        let numbers = arguments.dropFirst().compactMap { Int($0) }
        func number(_ index: Int, _ standard: Int) -> Int { index < numbers.count ? numbers[index] : standard }
        let clients = number(0, 16), promptTokens = number(1, 256), newTokens = number(2, 128)
        let model = try LanguageModel(path: path)
        var options = EngineOptions()
        options.tokensPerStep = number(3, options.tokensPerStep)
        options.keepsPrefixes = false
        let paths = arguments.dropFirst().filter { Int($0) == nil }
        let adapters = try paths.enumerated().map { try model.loadAdapter($1, name: "\($0)") }
        let clock = ContinuousClock()
        var before = 0.0
        for (round, isMixed) in (0..<number(4, 3)).flatMap({ [($0, false)] + (adapters.isEmpty ? [] : [($0, true)]) }) {
            let engine = try Engine(model, options)
            var random = RandomStream(seed: UInt64(round))
            var replies: [EngineReply] = []
            let started = clock.now, processor = processorSeconds()
            for client in 0..<clients {
                let size = model.configuration.vocabularySize
                var request = EngineRequest(
                    prompt: (0..<promptTokens).map { _ in Int32(random.nextIndex(below: size)) })
                request.options.sampling = .greedy
                request.options.maximumTokens = newTokens
                request.options.ignoresEndOfSequence = true
                if isMixed { request.options.adapter = adapters[client % adapters.count] }
                replies.append(try engine.submit(request))
            }
            for reply in replies { for try await _ in reply {} }
            let seconds = (clock.now - started) / Duration.seconds(1)
            let taken = 1000 * (processorSeconds() - processor) / Double(clients * newTokens)
            let statistics = engine.statistics(), ratio = before / taken
            if !isMixed { before = taken }
            print(
                """
                {"clients": \(clients), "prompt": \(promptTokens), "new": \(newTokens), "seconds": \(seconds), \
                "generated_per_second": \(Double(clients * newTokens) / seconds), "steps": \(statistics.steps), \
                "sequences_per_step": \(Double(statistics.sequenceSteps) / Double(max(statistics.steps, 1))), \
                "adapters": \(isMixed ? adapters.count : 0), "processor_ms_per_token": \(taken)\
                \(isMixed ? ", \"ratio\": \(ratio)" : "")}
                """)
        }
    }

    /// Of all threads of the process so far.
    static func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

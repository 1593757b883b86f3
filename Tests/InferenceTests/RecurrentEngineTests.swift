import MartletInference
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Models whose layers have recurrent states: replies alone, in company, after preemption, from kept prefixes.
struct RecurrentEngineTests {
    static let families = ["lfm2", "mamba", "mamba2", "granitemoehybrid", "qwen3_next"]

    private static func decoder(_ family: String, _ context: Int64 = 1024) throws -> Decoder {
        try FamilyGolden(family).withFolder(change: { $0["max_position_embeddings"] = .integer(context) }) { path in
            let decoder = try Checkpoint(path: path).decoder()
            try decoder.prepare(.fast)
            return decoder
        }
    }

    private static func request(_ number: Int, length: Int, maximum: Int, sampled: Bool = false) -> EngineRequest {
        let prompt = (0..<length).map { Int32(3 + ($0 * (number + 7) + ($0 > 2 ? number : 0)) % 60) }
        return EngineRequest(prompt: prompt, options: sampled ? .sampled(maximum, seed: 77) : .greedy(maximum))
    }

    private struct Run {
        var tokens: [[[Int32]]]
        var cached: [Int]
        var statistics: [EngineStatistics] = []
    }

    /// Runs requests to their ends together.
    private static func run(_ generator: Generator, _ requests: [EngineRequest]) throws -> Run {
        var run = Run(
            tokens: requests.map { [[Int32]](repeating: [], count: $0.samples) }, cached: requests.map { _ in -1 })
        for (index, request) in requests.enumerated() {
            try generator.submit(request) { output in
                if case .failed(let error) = output { Issue.record(error) }
                guard case .events(let events) = output else { return }
                for event in events {
                    switch event {
                    case .started(let cached, _): run.cached[index] = cached
                    case .token(let sample, let piece):
                        if let token = piece.token { run.tokens[index][sample].append(token) }
                    default: break
                    }
                }
            }
        }
        while generator.step() { run.statistics.append(generator.statistics) }
        return run
    }

    private static func generator(
        _ decoder: Decoder, _ change: (inout EngineOptions) -> Void = { _ in }
    ) throws -> Generator {
        var options = EngineOptions()
        options.keepsPrefixes = false
        change(&options)
        return try Generator(decoder, nil, precision: .fast, endTokens: [], options)
    }

    @Test(arguments: families) func companyAndPreemptionChangeNothing(_ family: String) throws {
        let decoder = try Self.decoder(family, 256)
        let requests = (0..<6).map { number in
            var request = Self.request(number, length: 40 + 23 * number, maximum: 60, sampled: number % 2 == 0)
            if number == 3 { request.samples = 3 }
            return request
        }
        let alone = try requests.map { try Self.run(Self.generator(decoder), [$0]).tokens[0] }
        for (keeps, bytes) in [(false, 1 << 30), (false, 1), (true, 1), (true, 1 << 30)] {
            let shared = try Self.generator(decoder) {
                $0.cacheBytes = bytes
                $0.keepsPrefixes = keeps
                $0.tokensPerStep = 70
            }
            for round in 0..<2 {
                let found = try Self.run(shared, requests)
                #expect(found.tokens == alone, "\(family), round \(round), prefixes \(keeps), \(bytes) bytes")
                #expect(found.statistics.allSatisfy { $0.usedCacheBytes <= $0.totalCacheBytes })
            }
            if !keeps { #expect(shared.statistics.usedCacheBytes == 0) }
        }
    }

    /// States are kept at ends of blocks of prompts, and behind replies.
    @Test(arguments: families) func aKeptPrefixChangesNothing(_ family: String) throws {
        let decoder = try Self.decoder(family)
        let engine = try Self.generator(decoder) {
            $0.keepsPrefixes = true
            $0.tokensPerStep = 150
        }
        let first = Self.request(3, length: 300, maximum: 30)
        let told = try Self.run(engine, [first]), again = try Self.run(engine, [first])
        #expect(told.cached == [0] && again.cached == [256] && again.tokens == told.tokens)
        // Another prompt that begins alike: steps of up to 150 rows ended at 128 and 256.
        for (length, usable) in [(100, 0), (128, 128), (200, 128), (256, 256), (299, 256)] {
            var other = first
            other.prompt = Array(first.prompt.prefix(length)) + [5, 6, 7]
            let found = try Self.run(engine, [other])
            #expect(found.cached == [usable], "\(family), \(length)")
            #expect(try found.tokens == Self.run(Self.generator(decoder), [other]).tokens)
        }
        // The next turn goes on behind the reply.
        let turn = EngineRequest(prompt: first.prompt + told.tokens[0][0] + [9, 10, 11], options: .greedy(20))
        let next = try Self.run(engine, [turn])
        #expect(next.cached == [329])
        #expect(try next.tokens == Self.run(Self.generator(decoder), [turn]).tokens)
    }

    @Test func keptStatesGiveWay() throws {
        let decoder = try Self.decoder("mamba2", 256)
        let engine = try Self.generator(decoder) {
            $0.keepsPrefixes = true
            $0.cacheBytes = 6 * decoder.configuration.stateBytes
            $0.tokensPerStep = 64
        }
        for number in 0..<8 {
            let request = Self.request(number, length: 130, maximum: 5)
            let found = try Self.run(engine, [request])
            #expect(try found.tokens == Self.run(Self.generator(decoder), [request]).tokens)
            #expect(found.statistics.allSatisfy { $0.usedCacheBytes <= $0.totalCacheBytes })
        }
    }

    @Test func guessesAreRefused() throws {
        let decoder = try Self.decoder("lfm2")
        #expect { try Self.generator(decoder) { $0.speculation = .promptLookup(tokens: 2) } } throws: {
            "\($0)".contains("recurrent state")
        }
        var request = Self.request(1, length: 5, maximum: 5)
        request.options.speculation = .promptLookup(tokens: 2)
        let generator = try Self.generator(decoder)
        #expect { try generator.submit(request) { _ in } } throws: { $0 is OptionError }
    }
}

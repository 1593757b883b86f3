import Foundation
import MartletInference
import MartletTensor
import Testing

struct SamplerTests {
    private func next(_ logits: [Float], _ options: SamplingOptions, prompt: [Int32] = []) -> Int32 {
        var sampler = Sampler(options, prompt: prompt)
        var logits = logits
        return logits.withUnsafeMutableBufferPointer { sampler.next($0) }
    }

    /// How often each token is drawn with seeds 0 ..< draws.
    private func histogram(_ logits: [Float], _ options: SamplingOptions, draws: Int = 4000) -> [Double] {
        var counts = [Double](repeating: 0, count: logits.count)
        for seed in 0..<draws {
            var options = options
            options.seed = UInt64(seed)
            counts[Int(next(logits, options))] += 1 / Double(draws)
        }
        return counts
    }

    @Test func temperatureZeroIsTheLowestOfTheBest() {
        #expect(next([0, 3, 1, 3], .greedy) == 1)
    }

    @Test func drawsFollowTheSoftmax() {
        let logits: [Float] = [1, 0, 2]
        let weights = logits.map { Double(Float(1).advanced(by: 0)) * exponential(Double($0)) }
        let total = weights.reduce(0, +)
        for (found, weight) in zip(histogram(logits, SamplingOptions()), weights) {
            #expect(abs(found - weight / total) < 0.03)
        }
    }

    private func exponential(_ x: Double) -> Double {
        var sum = 1.0, term = 1.0
        for n in 1..<40 {
            term *= x / Double(n)
            sum += term
        }
        return sum
    }

    @Test func topKKeepsTheKBest() {
        var options = SamplingOptions()
        options.topK = 2
        let counts = histogram([1, 0, 2, 0.5], options, draws: 500)
        #expect(counts[1] == 0 && counts[3] == 0 && counts[0] > 0 && counts[2] > 0)
    }

    @Test func topPKeepsTheSmallestSetThatReachesP() {
        // Probabilities 0.644, 0.237, 0.087, 0.032: 0.8 needs the first two.
        var options = SamplingOptions()
        options.topP = 0.8
        let counts = histogram([3, 2, 1, 0], options, draws: 500)
        #expect(counts[2] == 0 && counts[3] == 0 && counts[0] > 0 && counts[1] > 0)
    }

    @Test func minPKeepsAShareOfTheTop() {
        var options = SamplingOptions()
        options.minP = 0.3
        let counts = histogram([3, 2, 1, 0], options, draws: 500)
        #expect(counts[1] > 0 && counts[2] == 0 && counts[3] == 0)
    }

    @Test func typicalKeepsTokensNearTheEntropy() {
        var options = SamplingOptions()
        options.typicalP = 0.1
        let counts = histogram([3, 2, 1, 0], options, draws: 300)
        #expect(counts.filter { $0 > 0 }.count == 1)
    }

    private struct Choice {
        var token: Int
        var weight: Float
    }

    private func mass(_ choices: [Choice]) -> Double {
        var sum = 0.0
        for choice in choices { sum += Double(choice.weight) }
        return sum
    }

    /// As many from the beginning as reach this together.
    private func reaching(_ limit: Double, _ choices: [Choice], of total: Double) -> [Choice] {
        var sum = 0.0
        var kept: [Choice] = []
        for choice in choices {
            kept.append(choice)
            sum += Double(choice.weight) / total
            if sum >= limit { break }
        }
        return kept
    }

    /// The filters as they are defined: everything sorted, the sums in that order.
    private func defined(_ logits: [Float], _ options: SamplingOptions) -> Int32 {
        let top: Float = logits.max() ?? 0
        let scale: Float = 1 / options.temperature
        var kept: [Choice] = []
        for (token, logit) in logits.enumerated() {
            let weight = expf((logit - top) * scale)
            if weight > 0 { kept.append(Choice(token: token, weight: weight)) }
        }
        let all = mass(kept)
        kept.sort { (one: Choice, other: Choice) -> Bool in
            one.weight != other.weight ? one.weight > other.weight : one.token < other.token
        }
        if options.topK > 0 { kept = Array(kept.prefix(options.topK)) }
        if options.topP < 1 {
            kept = reaching(Double(options.topP) * (options.topK > 0 ? mass(kept) : all), kept, of: 1)
        }
        if options.minP > 0 { kept = kept.filter { $0.weight >= options.minP } }
        if options.typicalP < 1 {
            let total = mass(kept)
            let information: [Double] = kept.map { -log(Double($0.weight) / total) }
            var entropy = 0.0
            for (choice, value) in zip(kept, information) { entropy += Double(choice.weight) / total * value }
            let order = kept.indices.sorted { (one: Int, other: Int) -> Bool in
                let (left, right) = (abs(information[one] - entropy), abs(information[other] - entropy))
                return left != right ? left < right : one < other
            }
            kept = reaching(Double(options.typicalP), order.map { kept[$0] }, of: total)
        }
        var random = RandomStream(seed: options.seed ?? 0, position: 0)
        var remaining = random.nextUniform() * mass(kept)
        for choice in kept {
            remaining -= Double(choice.weight)
            if remaining < 0 { return Int32(choice.token) }
        }
        return Int32(kept.last?.token ?? 0)
    }

    /// However much of a large vocabulary is kept, with many equals or none, in whatever way it is found.
    @Test(arguments: [Float(0.3), 1, 2, 40], [false, true])
    func filtersOfLargeVocabulariesAreThoseDefined(_ temperature: Float, _ hasEquals: Bool) {
        var random = RandomStream(seed: 5)
        let logits = (0..<20_000).map { _ in
            let logit = Float(random.nextUniform() * 24 - 12)
            return hasEquals ? logit.rounded() : logit
        }
        let choices: [(inout SamplingOptions) -> Void] = [
            { $0.typicalP = 0.99 }, { $0.typicalP = 0.2 }, { $0.topK = 19_999 }, { $0.topK = 12_000 },
            { $0.topK = 313 }, { $0.topK = 312 }, { $0.topK = 1 }, { $0.topP = 0.999 }, { $0.topP = 0.5 },
            { $0.minP = 1e-6 }, { $0.minP = 0.2 },
            {
                ($0.topK, $0.topP) = (15_000, 0.9)
                $0.typicalP = 0.8
            },
            { ($0.topK, $0.minP, $0.typicalP) = (40, 0.01, 0.9) },
        ]
        for (number, choose) in choices.enumerated() {
            for seed in 0..<6 as Range<UInt64> {
                var options = SamplingOptions()
                options.temperature = temperature
                options.seed = seed
                choose(&options)
                #expect(next(logits, options) == defined(logits, options), "choice \(number), seed \(seed)")
            }
        }
    }

    @Test func aTopKOfAllLeavesNothingOut() {
        let logits = (0..<3000).map { Float($0 % 61) / 7 }
        for seed in 0..<20 as Range<UInt64> {
            var all = SamplingOptions()
            all.seed = seed
            var same = all
            for count in [3000, 3001, Int(Int32.max)] {
                same.topK = count
                #expect(next(logits, same) == next(logits, all))
            }
        }
    }

    @Test func theSameSeedGivesTheSameToken() {
        var options = SamplingOptions()
        options.seed = 7
        let logits = (0..<100).map { Float($0 % 7) }
        #expect(next(logits, options) == next(logits, options))
    }

    @Test func penaltiesActOnWhatWasSaid() {
        var options = SamplingOptions.greedy
        options.presencePenalty = 2
        var sampler = Sampler(options)
        var first: [Float] = [1, 2, 0], second = first
        #expect(first.withUnsafeMutableBufferPointer { sampler.next($0) } == 1)
        #expect(second.withUnsafeMutableBufferPointer { sampler.next($0) } == 0)
        options = .greedy
        options.repetitionPenalty = 4
        #expect(next([1, 2, 0], options, prompt: [1]) == 0)
    }

    /// What a sampler with a window does at each step is what one without does that knows the last tokens alone.
    @Test(arguments: [0, 1, 2, 5, 100]) func penaltiesCountTheLastTokensAlone(_ window: Int) {
        var options = SamplingOptions.greedy
        (options.repetitionPenalty, options.presencePenalty, options.frequencyPenalty) = (1.5, 0.25, 0.125)
        let prompt: [Int32] = [0, 1, 1, 2, 0]
        let logits: [Float] = [2, 1.9, 1.5, 1.4, -0.1]
        var windowed = options
        windowed.penaltyWindow = window
        var sampler = Sampler(windowed, prompt: prompt), reply: [Int32] = []
        for _ in 0..<12 {
            let said = reply.suffix(window)
            var alone = Sampler(options, prompt: prompt.suffix(max(window - reply.count, 0)))
            for token in said { alone.accept(token) }
            var expected = logits, found = logits
            // Greedy sampling leaves the penalised logits behind.
            _ = expected.withUnsafeMutableBufferPointer { alone.next($0) }
            reply.append(found.withUnsafeMutableBufferPointer { sampler.next($0) })
            #expect(found == expected)
        }
        #expect(window > 0 || reply == [Int32](repeating: 0, count: 12))
    }

    @Test func biasBansAndForces() {
        var options = SamplingOptions.greedy
        options.logitBias = [1: -.infinity, 0: 5]
        #expect(next([0, 9, 4], options) == 0)
    }

    @Test func optionsOutOfRangeAreNamed() {
        var options = SamplingOptions()
        options.topP = .nan
        #expect(throws: OptionError.self) { try options.validate(vocabularySize: 10) }
        options = SamplingOptions()
        options.logitBias = [10: 1]
        #expect(throws: OptionError(option: "logit_bias", value: "for token 10", expected: "a token in 0..<10")) {
            try options.validate(vocabularySize: 10)
        }
    }
}

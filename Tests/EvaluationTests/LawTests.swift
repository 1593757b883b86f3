import Foundation
import MartletData
import MartletEvaluation
import MartletFormats
import MartletInference
import MartletJSON
import MartletTraining
import Testing
import TinyModels

struct LawTests {
    /// The best sizes of the nine budgets of the isoFLOP exercise, with worse sizes beside them.
    @Test func theLowestRunsOfEachBudgetGiveTheLaw() throws {
        let budgets = [6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21]
        let sizes = [7.62e8, 8.07e8, 1.54e9, 1.95e9, 3.25e9, 5.90e9, 6.97e9, 6.86e9, 1.215e10]
        let runs = zip(budgets, sizes).flatMap { compute, size in
            [0.5, 1, 2.0].map { share in
                ScalingPoint(
                    parameters: size * share, tokens: compute / (6 * size * share), loss: 3 + (share == 1 ? 0 : 0.1),
                    compute: compute)
            }
        }
        let law = try OptimalSize.lowest(runs).parameters
        #expect(abs(law.factor - 1.163) < 0.02)
        #expect(abs(law.exponent - 0.4687) < 0.0005)
        #expect(abs(law(1e23) / 7.01e10 - 1) < 0.01)
    }

    /// Losses made by the law itself: all three approaches find it again.
    @Test func chinchillasThreeApproachesAgree() throws {
        let truth = { (n: Double, d: Double) in 1.69 + 406.4 / pow(n, 0.34) + 410.7 / pow(d, 0.28) }
        let runs = (0..<9).flatMap { budget -> [ScalingPoint] in
            let compute = 1e18 * pow(3, Double(budget))
            return (0..<15).map { index in
                let n = 1e7 * pow(1.7, Double(index)) * pow(3, Double(budget) * 0.45), d = compute / (6 * n)
                return ScalingPoint(parameters: n, tokens: d, loss: truth(n, d), compute: compute)
            }
        }
        let loss = try ChinchillaLoss(fitting: runs)
        #expect(abs(loss.floor - 1.69) < 0.01)
        #expect(abs(loss.parameterExponent - 0.34) < 0.005)
        #expect(abs(loss.tokenExponent - 0.28) < 0.005)
        let exponent = 0.28 / (0.34 + 0.28)
        #expect(abs(loss.optimalParameters.exponent - exponent) < 0.01)
        let curves = try OptimalSize.isoFLOP(runs)
        #expect(curves.leftOut.isEmpty)
        #expect(abs(curves.law.parameters.exponent - exponent) < 0.03)
        #expect(abs(try OptimalSize.envelope(runs).parameters.exponent - exponent) < 0.1)
        #expect(throws: EvaluationError.self) { try ChinchillaLoss(fitting: Array(runs.prefix(3))) }
    }

    @Test func bradleyTerryFindsStrengthsAgain() throws {
        // 75 % of 400 votes: 400 log₁₀ 3 = 190.85 points.
        let votes = (0..<400).map { ArenaVote("a", "b", $0 % 4 == 0 ? .second : .first) }
        let arena = try Arena(votes, bootstrapSamples: 200)
        let gap = arena.ratings[0].bradleyTerry - arena.ratings[1].bradleyTerry
        #expect(abs(gap - 190.85) < 0.1)
        #expect(arena.ratings[0].interval.contains(arena.ratings[0].bradleyTerry))
        #expect(arena.ratings.map(\.model) == ["a", "b"])
        #expect(arena.firstShare == 0.75)
        #expect(throws: EvaluationError.self) { try Arena([ArenaVote("a", "b", .tie), ArenaVote("c", "d", .first)]) }
        #expect(throws: EvaluationError.self) { try Arena([]) }
        #expect(ArenaVote(["model_a": "x", "model_b": "y", "winner": "tie (bothbad)"]) == ArenaVote("x", "y", .tie))
        #expect(ArenaVote(["model_a": "x", "model_b": "y", "winner": "nobody"]) == nil)
    }

    @Test func mcNemarIsExact() {
        #expect(PairedComparison.exactP(0, 0) == 1)
        #expect(abs(PairedComparison.exactP(1, 9) - 22.0 / 1024) < 1e-12)
        #expect(PairedComparison.exactP(5, 5) == 1)
    }
}

/// Forecasts, trainings in series, the coordinate check and the budget to practise with.
struct ScalingSeriesTests {
    @Test func forecastsFollowTheLawOfTheSmallerOnes() throws {
        let law = { (n: Double) in 1.7 + 30 / pow(n, 0.3) }
        let runs = (0..<6).map { index -> (parameters: Double, loss: Double) in
            let n = 1e4 * pow(2.2, Double(index))
            return (n, law(n))
        }
        let forecast = try ScalingForecast(runs)
        #expect(abs(forecast.floor - 1.7) < 0.01 && abs(forecast.exponent - 0.3) < 0.005)
        #expect(abs(forecast(1e7) / law(1e7) - 1) < 1e-3)
        #expect(forecast.interval(1e7).contains(forecast(1e7)))
        // With noise the interval is wider.
        let noisy = runs.enumerated().map {
            ($0.element.parameters, $0.element.loss * ($0.offset % 2 == 0 ? 1.01 : 0.99))
        }
        let range = try ScalingForecast(noisy).interval(1e7), exact = forecast.interval(1e7)
        #expect(range.upperBound - range.lowerBound > exact.upperBound - exact.lowerBound)
        #expect(throws: EvaluationError.self) { try ScalingForecast(Array(runs.prefix(3))) }
        #expect(throws: EvaluationError.self) { try ScalingForecast(runs.map { ($0.parameters, 1 / $0.loss) }) }
    }

    /// Each size at two rates, and the better one with a second seed; the same command trains nothing again.
    @Test func sizesAreTriedAtSeveralRatesAndSeeds() throws {
        let scratch = try Scratch(), folder = scratch.file("data")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try TinyModel().write(folder: folder)
        let tokenizer = try ModelFiles(path: folder).tokenizer(), identity = VocabularyIdentity(tokenizer)
        for (prefix, seeds) in [("train", 0..<40), ("validation", 1000..<1008)] {
            let writer = try TokenShardWriter(path: "\(folder)/\(prefix)-0.shard", vocabulary: identity)
            for seed in seeds {
                let text = (0..<20).map { "\($0 + seed % 7) is \($0 + 1 + seed % 7). " }.joined()
                try writer.append(tokenizer.encode(text, addSpecialTokens: false), sourceByteCount: text.utf8.count)
            }
            try writer.finish()
        }
        var options = TrainingOptions()
        for (key, value) in ["context_length": 32, "batch_rows": 4, "warmup": 2, "evaluation_rows": 4] as [String: JSON]
        {
            try options.set(key, value)
        }
        let data = try TrainingData(folder: folder), sizes = try ["1x16", "1x24"].map { try ScalingSeries.Size($0) }
        func series(_ options: TrainingOptions) throws -> ScalingSeries {
            try ScalingSeries(
                folder: scratch.file("out"), data: data, sizes: sizes, length: .tokens(1280), options: options,
                rates: [0.01, 0.0001], seeds: 2)
        }
        var trained: Set<String> = []
        let first: [ScalingSeries.Result]? = try series(options).run(report: { member, _, _ in
            trained.insert(member.name)
        })
        let results = try #require(first)
        #expect(results.map(\.name) == ["1x16", "1x24"])
        #expect(trained.count == 6)
        func lines(_ name: String) throws -> [JSON] {
            try Folder.read(scratch.file("out/" + name)).split(separator: 0x0A).map { try JSON(parsing: Array($0)) }
        }
        let trials = try lines("trials.jsonl")
        #expect(Set(trials.compactMap { $0["name"]?.string }) == trained)
        for result in results {
            func loss(_ ending: String) throws -> Double {
                let line = trials.first { $0["name"]?.string == result.name + ending }
                return try #require(line?["loss"]?.double)
            }
            // Ten steps at a rate of 0.0001 teach nothing, and no second seed is trained at it.
            #expect(result.rate == 0.01 && result.isRateAtEnd)
            let own = try loss("-r0.01"), other = try loss("-r0.01-s2"), slow = try loss("-r0.0001")
            #expect(result.losses == [own, other])
            #expect(own < slow && own != other)
            let mean = (own + other) / 2, deviation = abs(own - other) / 2
            #expect(abs(result.loss - mean) < 1e-12)
            #expect(abs((result.standardError ?? 0) - deviation) < 1e-12)
        }
        let losses: [Double?] = results.map { $0.loss }
        #expect(try lines("runs.jsonl").map { $0["loss"]?.double } == losses)
        var steps = 0
        let again: [ScalingSeries.Result]? = try series(options).run(report: { _, _, _ in steps += 1 })
        #expect(again?.map { $0.loss } == results.map { $0.loss })
        #expect(steps == 0)
        // Held-out losses that are no numbers are kept as such, counted, and never the best.
        try Self.failures(in: scratch.file("out/trials.jsonl"), of: ["1x16-r0.01", "1x24-r0.01-s2"])
        let failed: [ScalingSeries.Result]? = try series(options).run(report: { _, _, _ in steps += 1 })
        let (small, large) = (try #require(failed?.first), try #require(failed?.last))
        #expect(small.rate == 0.0001 && small.failedRates == [0.01] && small.losses.count == 2)
        #expect(large.rate == 0.01 && large.failedSeeds == [2] && large.loss == results.last?.losses.first)
        // Only the slow rate's second seed of the smaller one was not there.
        #expect(steps == 10)
        try Self.failures(in: scratch.file("out/trials.jsonl"), of: ["1x16-r0.0001"])
        #expect { try series(options).run() } throws: {
            "\($0)".contains("1x16: no training of it has a held-out loss")
        }
        try options.set("batch_rows", 2)
        #expect(throws: EvaluationError.self) { try series(options).run() }
    }

    /// Trainings noted before there were several of a size lie in another file, and errors name it.
    @Test(arguments: ["runs.jsonl", "trials.jsonl"])
    func otherOptionsNameTheFileTheyWereReadFrom(_ name: String) throws {
        let scratch = try Scratch()
        let line = #"{"name": "1x16", "configuration": {}, "data": "d", "loss": 2, "seconds": 1}"#
        _ = try scratch.write(name, line + "\n")
        let ledger = try TrialLedger(path: scratch.file("trials.jsonl"), before: scratch.file("runs.jsonl"))
        #expect(try ledger.trial("1x16", configuration: [:], data: "d")?.loss == 2)
        #expect {
            try ledger.trial("1x16", configuration: ["a": 1], data: "d")
        } throws: {
            "\($0)".contains("/\(name): 1x16")
        }
    }

    /// Takes the losses of some lines away, as they stand there after trainings that failed.
    private static func failures(in path: String, of names: Set<String>) throws {
        let lines = try Folder.read(path).split(separator: 0x0A).map { line -> [UInt8] in
            guard var trial = try JSON(parsing: Array(line)).object, names.contains(trial["name"]?.string ?? "") else {
                return Array(line)
            }
            (trial["loss"], trial["failed"]) = (.null, .string("\(Trial(loss: .nan, seconds: 1).failure ?? "")"))
            return JSON.object(trial).bytes()
        }
        try AtomicFile.write(path, bytes: Array(lines.joined(separator: [0x0A])) + [0x0A])
    }

    /// Under muP what logits and residuals change by does not depend on the width; in the standard parametrisation logits do.
    @Test func maximalUpdatesDoNotDependOnTheWidth() throws {
        var options = CoordinateCheck.Options()
        (options.widths, options.steps, options.tokens) = ([32, 64, 128, 256], 3, 64)
        let standard = try CoordinateCheck(.standard, options), maximal = try CoordinateCheck(.mup, options)
        let logits = { (check: CoordinateCheck) in check.exponents.first { $0.name == "logits" }?.exponent ?? .nan }
        #expect(logits(standard) > 0.5, "\(standard.exponents)")
        for law in maximal.exponents { #expect(abs(law.exponent) < 0.2, "\(maximal.exponents)") }
        #expect(maximal.changes.map(\.name) == ["layers.0", "layers.1", "logits"])
        options.widths = [30, 64]
        #expect(throws: EvaluationError.self) { try CoordinateCheck(.mup, options) }
    }

    @Test func budgetsAreKept() throws {
        func query(_ change: [String: String] = [:]) throws -> PracticeBudget.Configuration {
            let usual = [
                "d_model": "256", "num_layers": "4", "num_heads": "4", "batch_size": "128", "learning_rate": "0.0006",
                "train_flops": "1e17",
            ].merging(change) { $1 }
            return try PracticeBudget.Configuration { usual[$0] }
        }
        let scratch = try Scratch(), path = scratch.file("budget.jsonl")
        let budget = try PracticeBudget(limit: 3e17, seed: 5, path: path)
        let first = try budget.loss(query())
        #expect(try budget.loss(query()) == first && budget.used == 1e17)
        let bad = try budget.loss(query(["learning_rate": "0.0001"]))
        #expect(bad > first && budget.used == 2e17)
        #expect(throws: EvaluationError.self) { try budget.loss(query(["train_flops": "3e17"])) }
        #expect(budget.used == 2e17)
        // It is remembered, and another budget is not mixed with it.
        let again = try PracticeBudget(limit: 3e17, seed: 5, path: path)
        #expect(again.used == 2e17 && again.runs.map(\.loss) == [first, bad])
        #expect(throws: EvaluationError.self) { try PracticeBudget(limit: 3e17, seed: 6, path: path) }
        for (name, value) in [
            ("d_model", "32"), ("num_layers", "1.5"), ("num_heads", "x"), ("batch_size", "129"), ("learning_rate", "1"),
            ("train_flops", "2e17"),
        ] {
            do {
                _ = try query([name: value])
                Issue.record("\(name) \(value) was taken")
            } catch { #expect("\(error)".contains(name)) }
        }
        // Larger models are better where there is compute for them, as the law says.
        let rich = try PracticeBudget(limit: 1e30, seed: 5)
        let small = try rich.loss(query(["d_model": "64", "num_layers": "2", "train_flops": "1e18"]))
        let large = try rich.loss(
            query(["d_model": "768", "num_layers": "12", "num_heads": "12", "train_flops": "1e18"]))
        #expect(large < small)
    }
}

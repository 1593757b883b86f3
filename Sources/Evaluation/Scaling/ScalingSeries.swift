import MartletFormats
import MartletJSON
import MartletModels
import MartletRuns
import MartletSystem
import MartletTraining

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Trainings of several sizes on the same data, to fit a law to: each has tokens in proportion to its parameters, or as many
/// as a budget of compute pays for. Each may be tried with several learning rates, of which the one with the lowest loss
/// counts, and be trained with several seeds at that rate, whose losses are averaged.
///
/// Every training is a run in a folder of its own, `LAYERSxWIDTH` (with a budget `LAYERSxWIDTH-C`, then `-rRATE` and
/// `-sSEED`), and its result a line of `runs.jsonl`, which `martlet scaling fit` reads; where there are several of a size,
/// those are lines of `trials.jsonl`, and `runs.jsonl` has what they come to. What is there already is not trained again; a
/// run that was interrupted goes on.
public struct ScalingSeries {
    /// Layers and width of a model.
    public struct Size: Sendable, Hashable {
        public var layers, width: Int

        /// "4x128".
        /// - Throws: `EvaluationError` for anything else.
        public init(_ text: String) throws(EvaluationError) {
            let parts = text.split(separator: "x").map { Int($0) }
            guard parts.count == 2, let layers = parts[0], let width = parts[1], (1...256).contains(layers),
                (8...65_536).contains(width), width % 8 == 0
            else {
                throw EvaluationError(
                    "scaling", field: "--sizes",
                    "\(text.quoted()) is no LAYERSxWIDTH, with a width that 8 divides, as 4x128")
            }
            (self.layers, self.width) = (layers, width)
        }
    }

    /// How long each trains.
    public enum Length: Sendable, Equatable {
        /// Tokens for each parameter (without embeddings).
        case tokensPerParameter(Double)
        /// As many tokens for all.
        case tokens(Double)
        /// 6 · parameters · tokens of every model, once for each budget.
        case budgets([Double])
    }

    public struct Member: Sendable {
        public var name: String
        public var options: TrainingOptions
        /// Without embeddings and head.
        public var parameters: Int
        public var tokens, steps: Int
        public var budget: Double?
    }

    /// What the trainings of a size came to.
    public struct Result: Sendable {
        public var name: String
        public var parameters, tokens: Double
        /// The mean over the seeds.
        public var loss: Double
        /// Of all its trainings.
        public var seconds: Double
        public var budget: Double?
        /// The learning rate that was chosen, where several were tried.
        public var rate: Double?
        /// Whether that is the lowest or the highest that was tried: a better one may lie beyond it.
        public var isRateAtEnd = false
        /// Learning rates at which training, or the held-out loss, came to numbers that are none.
        public var failedRates: [Double] = []
        /// Seeds, from 1, of which the same is true at the rate that was chosen; the mean is over the others.
        public var failedSeeds: [Int] = []
        /// The losses of the seeds.
        public var losses: [Double] = []
        /// The standard error of the loss; nil of one seed.
        public var standardError: Double? {
            guard losses.count > 1 else { return nil }
            let spread = losses.reduce(0) { $0 + ($1 - loss) * ($1 - loss) }
            return (spread / Double(losses.count * (losses.count - 1))).squareRoot()
        }
        public var point: ScalingPoint {
            ScalingPoint(parameters: parameters, tokens: tokens, loss: loss, compute: budget)
        }
    }

    public let folder: String
    public let members: [Member]
    public let rates: [Double]
    public let seeds: Int
    private let data: TrainingData

    /// - Parameters:
    ///   - options: of every training; sizes and steps are set here.
    ///   - rates: the learning rates that are tried of every size; the options' own where there are none.
    ///   - seeds: how many seeds are trained at the best rate, from the options' own on.
    /// - Throws: `EvaluationError` for a length that makes no step; what options throw.
    public init(
        folder: String, data: TrainingData, sizes: [Size], length: Length, options: TrainingOptions,
        rates: [Double] = [], seeds: Int = 1
    ) throws {
        guard Set(rates).count == rates.count, rates.allSatisfy({ $0 > 0 && $0.isFinite }), seeds > 0 else {
            throw EvaluationError(
                "scaling", "every learning rate stands there once and is above 0, and there is a seed")
        }
        guard Set(sizes).count == sizes.count, !sizes.isEmpty else {
            throw EvaluationError("scaling", field: "--sizes", "every size stands there once")
        }
        guard !data.validation.isEmpty else {
            throw EvaluationError(
                "scaling", field: "--data", "has no held-out shards (val*), by whose loss the sizes are compared")
        }
        (self.folder, self.data, self.rates, self.seeds) = (folder, data, rates.sorted(), seeds)
        var members: [Member] = []
        // One dimension of heads for all: the largest power of two up to 64 that divides every width.
        let headDimension = [64, 32, 16].first { own in sizes.allSatisfy { $0.width % own == 0 } } ?? 8
        let hasAttention = try ResolvedOptions(options, vocabularySize: data.tokenizer.vocabularySize).run.shape.form
            .hasAttention
        for size in sizes {
            var own = options
            try own.set("depth", .integer(Int64(size.layers)))
            try own.set("hidden_size", .integer(Int64(size.width)))
            if hasAttention { try own.set("heads", .integer(Int64(size.width / headDimension))) }
            let vocabulary = data.tokenizer.vocabularySize
            let usual = try ResolvedOptions(own, vocabularySize: vocabulary)
            // The usual one is rounded, which would give small models other shapes than large ones.
            func unlessGiven(_ name: String, _ value: JSON) throws {
                if usual.values.first(where: { $0.name == name })?.isGiven != true { try own.set(name, value) }
            }
            if hasAttention {
                try unlessGiven("intermediate_size", .integer(Int64(max(8, size.width * 8 / 3 / 8 * 8))))
            }
            // The usual deviation of 0.02 is made for widths of hundreds. At tens, models wait at the frequencies of tokens
            // until the signal has grown, some for half of a short training, and seeds differ by a tenth.
            try unlessGiven("initialization", "cs336")
            try unlessGiven("tied_embeddings", false)
            let resolved = try ResolvedOptions(own, vocabularySize: vocabulary)
            let spec = try resolved.decoderConfiguration()
            let tables = spec.vocabularySize * spec.embeddingSize * (spec.tiedEmbeddings ? 1 : 2)
            let count = spec.parameterCounts.all - tables
            let step = resolved.rows.perStep * resolved.rows.length
            func add(_ tokens: Double, _ budget: Double?) throws {
                let steps = (tokens / Double(max(step, 1))).rounded()
                guard steps >= 10, steps < 1e8 else {
                    throw EvaluationError(
                        "scaling", place: "\(size.layers)x\(size.width)",
                        "\(ScalingSeries.short(tokens)) tokens are \(ScalingSeries.short(steps)) steps of \(step) tokens; at least 10 are needed: give more tokens, or a lower batch_rows"
                    )
                }
                var own = own
                try own.set("steps", .integer(Int64(steps)))
                try own.set("evaluate_every", .integer(Int64(steps)))
                let suffix = budget.map { "-" + ScalingSeries.short($0) } ?? ""
                members.append(
                    Member(
                        name: "\(size.layers)x\(size.width)\(suffix)", options: own, parameters: count,
                        tokens: Int(steps) * step, steps: Int(steps), budget: budget))
            }
            switch length {
            case .tokensPerParameter(let ratio): try add(ratio * Double(count), nil)
            case .tokens(let tokens): try add(tokens, nil)
            case .budgets(let budgets): for budget in budgets { try add(budget / (6 * Double(count)), budget) }
            }
        }
        guard Set(members.map(\.name)).count == members.count else {
            throw EvaluationError(
                "scaling", field: "--budget",
                "two budgets are the same in their first three digits, which name the runs")
        }
        self.members = members
    }

    static func short(_ value: Double) -> String {
        guard value >= 1, value.isFinite else { return "\(value)" }
        var digits = value, exponent = 0
        while digits >= 10 { (digits, exponent) = (digits / 10, exponent + 1) }
        let text = "\((digits * 100).rounded() / 100)"
        return "\(text)e\(exponent)"
    }

    /// Whether a size is trained more than once.
    private var hasTrials: Bool { rates.count > 1 || seeds > 1 }

    /// Trains what is not there yet, smallest first.
    /// - Parameter report: the training under way, its step, and how many it has.
    /// - Returns: all results; nil where it was interrupted.
    /// - Throws: `EvaluationError` where the folder holds results of other options; what training throws.
    public func run(
        isInterrupted: () -> Bool = { false }, report: (Member, Int, Int) -> Void = { _, _, _ in }
    ) throws -> [Result]? {
        try makeFolder(folder)
        var ledger = try TrialLedger(
            path: folder + (hasTrials ? "/trials.jsonl" : "/runs.jsonl"),
            before: hasTrials ? folder + "/runs.jsonl" : nil)
        var results: [Result] = []
        for member in members.sorted(by: {
            Double($0.parameters) * Double($0.tokens) < Double($1.parameters) * Double($1.tokens)
        }) {
            func trained(_ rate: Double?, _ seed: Int) throws -> Trial? {
                try train(trial(member, rate, seed), &ledger, isInterrupted, report)
            }
            var best: (rate: Double?, loss: Double)?, seconds = 0.0
            var failedRates: [Double] = [], failedSeeds: [Int] = [], failure = ""
            for rate in rates.isEmpty ? [nil] : rates.map(Optional.some) {
                guard let found = try trained(rate, 0) else { return nil }
                seconds += found.seconds
                if let loss = found.loss {
                    if loss < best?.loss ?? .infinity { best = (rate, loss) }
                } else {
                    failure = found.failure ?? ""
                    if let rate { failedRates.append(rate) }
                }
            }
            // With one rate another seed may do; with several, each of them has failed.
            var losses = best.map { [$0.loss] } ?? []
            if best == nil, rates.count < 2 { (best, failedRates, failedSeeds) = ((rates.first, .infinity), [], [1]) }
            if let best {
                for seed in 1..<max(seeds, 1) {
                    guard let found = try trained(best.rate, seed) else { return nil }
                    seconds += found.seconds
                    if let loss = found.loss { losses.append(loss) } else { failedSeeds.append(seed + 1) }
                }
            }
            guard let best, !losses.isEmpty else {
                throw EvaluationError(
                    "scaling", place: member.name,
                    "no training of it has a held-out loss that is a number: \(failure); lower the learning rate")
            }
            results.append(
                Result(
                    name: member.name, parameters: Double(member.parameters), tokens: Double(member.tokens),
                    loss: losses.reduce(0, +) / Double(losses.count), seconds: seconds, budget: member.budget,
                    rate: best.rate,
                    isRateAtEnd: rates.count > 1 && (best.rate == rates.first || best.rate == rates.last),
                    failedRates: failedRates, failedSeeds: failedSeeds, losses: losses))
        }
        if hasTrials {
            var lines: [UInt8] = []
            for result in results { lines += Self.line(result) + [0x0A] }
            try AtomicFile.write(folder + "/runs.jsonl", bytes: lines)
        }
        return results
    }

    /// One training of a member.
    private func trial(_ member: Member, _ rate: Double?, _ seed: Int) throws -> Member {
        var member = member
        if let rate {
            try member.options.set("learning_rate", .number(rate))
            member.name += "-r\(rate)"
        }
        if seed > 0 {
            let first = try ResolvedOptions(member.options, vocabularySize: data.tokenizer.vocabularySize)["seed"]
            try member.options.set("seed", .integer(Int64((first.integer ?? 1).adding(clamped: seed))))
            member.name += "-s\(seed + 1)"
        }
        return member
    }

    /// - Returns: nil where it was interrupted.
    private func train(
        _ member: Member, _ ledger: inout TrialLedger, _ isInterrupted: () -> Bool, _ report: (Member, Int, Int) -> Void
    ) throws -> Trial? {
        let run = "\(folder)/\(member.name)"
        let trainer = try Trainer(run: run, options: member.options, data: data)
        let document = Self.identity(trainer.options.document)
        let corpus = JSON.string("\(data.vocabulary), \(data.training.reduce(0) { $0 + $1.tokenCount }) tokens")
        if let known = try ledger.trial(member.name, configuration: document, data: corpus) { return known }
        _ = try trainer.resume()
        var loss: Double?, seconds = 0.0
        /// One training among several is noted where it fails; one alone ends the series.
        func noted(_ trial: Trial) throws -> Trial {
            guard trial.loss != nil || hasTrials else {
                throw EvaluationError(run, (trial.failure ?? "there is no loss") + "; lower the learning rate")
            }
            var line: JSONObject = [
                "name": .string(member.name), "parameters": .integer(Int64(member.parameters)),
                "tokens": .integer(Int64(member.tokens)), "loss": trial.loss.map { .number($0) } ?? .null,
                "seconds": .number(trial.seconds),
            ]
            if let failure = trial.failure { line["failed"] = .string(failure) }
            if let budget = member.budget { line["compute"] = .number(budget) }
            line["data"] = corpus
            line["configuration"] = document
            try ledger.add(line)
            return trial
        }
        do {
            let isDone = try trainer.train(isInterrupted: isInterrupted) { event in
                switch event {
                case .step(let step):
                    seconds = step.totalSeconds
                    report(member, step.step, step.total)
                case .evaluated(_, let found): loss = found.loss
                default: break
                }
            }
            guard isDone else { return nil }
        } catch let error as TrainingError where error.kind == .numbers && hasTrials {
            return try noted(Trial(failure: error.description, seconds: seconds))
        }
        guard trainer.step == member.steps else {
            throw EvaluationError(
                run,
                "ended after \(trainer.step) of \(member.steps) steps: leave minutes out, and choose another --out")
        }
        guard let loss else {
            throw EvaluationError(
                run,
                "was trained to its end, but no held-out loss came of it: the held-out data may make no row; if it was "
                    + "trained before, delete the folder to train it again")
        }
        return try noted(Trial(loss: loss, seconds: seconds))
    }

    private static func line(_ result: Result) -> [UInt8] {
        var line: JSONObject = [
            "name": .string(result.name), "parameters": .number(result.parameters), "tokens": .number(result.tokens),
            "loss": .number(result.loss), "seconds": .number(result.seconds),
            "losses": .array(result.losses.map { .number($0) }),
        ]
        if let rate = result.rate { line["learning_rate"] = .number(rate) }
        if let budget = result.budget { line["compute"] = .number(budget) }
        if !result.failedRates.isEmpty { line["failed_rates"] = .array(result.failedRates.map { .number($0) }) }
        if !result.failedSeeds.isEmpty { line["failed_seeds"] = .array(result.failedSeeds.map { .integer(Int64($0)) }) }
        return JSON.object(line).bytes()
    }

    /// What tells one training from another; folders may have moved.
    private static func identity(_ document: JSON) -> JSON {
        guard var object = document.object else { return document }
        for name in ["out", "data", "given"] { object[name] = nil }
        return .object(object)
    }

    /// Losses and the law as one SVG, by the logarithm of the size.
    public static func chart(_ results: [Result], _ forecast: ScalingForecast, predicted: Result?) -> String {
        let sizes = results.map(\.parameters), low = sizes.min() ?? 1, high = sizes.max() ?? 1
        let colours = RunColours.colours(of: ["measured", "law", "forecast"])
        let curve = (0...60).map { step -> (x: Double, y: Double) in
            let size = low * pow(high / low, Double(step) / 60)
            return (log10(size), forecast(size))
        }
        var lines = [
            LineChart.Line(
                name: "measured", points: results.map { (log10($0.parameters), $0.loss) }, color: colours[0],
                hasDots: true),
            LineChart.Line(name: "law of the smaller ones", points: curve, color: colours[1]),
        ]
        if let predicted {
            let range = forecast.interval(predicted.parameters), x = log10(predicted.parameters)
            lines.append(
                LineChart.Line(
                    name: "95 % of the forecast", points: [(x, range.lowerBound), (x, range.upperBound)],
                    color: colours[2]))
        }
        return LineChart(
            title: "Loss by size", xTitle: "log₁₀ of the parameters without embeddings", yTitle: "held-out loss",
            lines: lines
        ).svg
    }
}

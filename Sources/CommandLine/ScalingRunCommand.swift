import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct ScalingRunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Train small models of several sizes, fit a law, and see what it says of the largest.",
        discussion: """
            Without --budget every size gets --tokens-per-parameter, or --tokens; the largest is left out of the fit, predicted from the \
            others with an interval, trained too, and compared. With --budget (several) every size is trained once for each, \
            and all laws of `martlet scaling fit` follow. With --learning-rates every size is tried with each, and the lowest \
            loss counts; with --seeds it is trained so often at that rate, and the mean counts. Matrices begin with a deviation \
            that follows from their width (initialization=cs336, tied_embeddings=false) where --set does not say otherwise: at \
            widths of tens the usual one leaves models waiting, and seeds apart. Results are in \
            OUT/runs.jsonl, a chart in OUT/scaling.html. The same command goes on where it was stopped.

            Examples:
              martlet scaling run --data shards/ --out sizes/
              martlet scaling run --data shards/ --out sizes/ --sizes 2x16,2x24,2x32,2x40,2x48,2x56,2x72 --tokens 1e6 --set batch_rows=8
              martlet scaling run --data shards/ --out tuned/ --tokens 1e6 --learning-rates 0.004,0.008,0.016 --seeds 3
              martlet scaling run --data shards/ --out flops/ --budget 1e12 --budget 3e12 --budget 1e13
            """)

    @Option(help: "A folder of token shards, as martlet data pack makes them.") var data: String
    @Option(name: .shortAndLong, help: "The folder for the runs.") var out: String
    @Option(help: "LAYERSxWIDTH of each model, separated by commas.")
    var sizes = "2x32,2x48,2x64,2x80,2x96,2x112,2x144"
    @Option(help: "Tokens for each parameter, embeddings not counted.") var tokensPerParameter = 20.0
    @Option(help: "Tokens of every training, as many for all: the law of the size alone.") var tokens: Double?
    @Option(help: "FLOPs of every training (6 N D), as often as you like, instead of tokens for each parameter.")
    var budget: [Double] = []
    @Option(help: "Learning rates to try of every size, separated by commas; the best counts.")
    var learningRates: String?
    @Option(help: "Seeds to train of every size; the mean counts.") var seeds = 1
    @Option(name: .customLong("set"), help: "An option as name=value, as of martlet train.") var settings: [String] = []
    @Flag(help: "Print the result as JSON.") var json = false

    func validate() throws {
        try demand("--tokens-per-parameter", tokensPerParameter, above: 0, to: 1e6)
        for compute in budget { try demand("--budget", compute, above: 0, to: 1e30, "FLOPs") }
        try demand("--tokens", tokens, above: 0, to: 1e15)
        try demand("--seeds", seeds, 1...1000)
        guard tokens == nil || budget.isEmpty else { throw ValidationError("--tokens and --budget exclude each other") }
    }

    func run() throws {
        var sizes = try sizes.split(separator: ",").map { part in
            guard let size = try? ScalingSeries.Size(String(part)) else {
                throw ValidationError(
                    "--sizes holds \(String(part).quoted()); expected LAYERSxWIDTH, with a width that 8 divides, as 4x128"
                )
            }
            return size
        }
        sizes.sort { ($0.layers * $0.width * $0.width, $0.layers) < ($1.layers * $1.width * $1.width, $1.layers) }
        guard sizes.count >= (budget.isEmpty ? 5 : 3) else {
            throw ValidationError("--sizes names \(sizes.count); a law needs 5, or 3 with budgets")
        }
        let rates = try (learningRates?.split(separator: ",", omittingEmptySubsequences: false) ?? []).map { part in
            guard let rate = Double(part), (1e-7...1).contains(rate) else {
                throw ValidationError(
                    "--learning-rates holds \(String(part).quoted()); expected numbers from 1e-7 to 1, as 0.004,0.008")
            }
            return rate
        }
        var options = TrainCommand.emptyOptions
        try options.set("context_length", 128)
        for setting in settings {
            let name = String(setting.prefix { $0 != "=" })
            guard rates.isEmpty || name != "learning_rate" else {
                throw ValidationError("--set learning_rate: --learning-rates names those that are tried")
            }
            guard !["depth", "hidden_size", "heads", "steps", "epochs", "minutes", "evaluate_every"].contains(name)
            else {
                throw ValidationError(
                    "--set \(name): the series sets it, by --sizes and --tokens-per-parameter, --tokens or --budget")
            }
            try options.set(assignment: setting)
        }
        var length = ScalingSeries.Length.tokensPerParameter(tokensPerParameter)
        if let tokens { length = .tokens(tokens) }
        if !budget.isEmpty { length = .budgets(budget) }
        let series = try ScalingSeries(
            folder: out, data: TrainingData(folder: data), sizes: sizes, length: length, options: options, rates: rates,
            seeds: seeds)
        let interrupted = StopRequest()
        var line = StatusLine()
        let found = try series.run(isInterrupted: { interrupted.isRequested }) { member, step, total in
            line.show("\(member.name): step \(step) of \(total)", isDue: step % 20 == 0 || step == total)
        }
        line.end()
        guard let results = found else {
            Terminal.note("martlet: stopped; the same command goes on from here")
            throw ExitCode(130)
        }
        for result in results where result.isRateAtEnd {
            Terminal.note(
                "martlet: \(result.name): \(result.rate ?? 0) is at an end of --learning-rates; a better one may lie beyond it"
            )
        }
        for result in results where !result.failedRates.isEmpty {
            let rates = result.failedRates.map { "\($0)" }.joined(separator: ", ")
            Terminal.note("martlet: \(result.name): no losses that are numbers at \(rates)")
        }
        for result in results where !result.failedSeeds.isEmpty {
            let seeds = result.failedSeeds.map { "\($0)" }.joined(separator: ", ")
            Terminal.note(
                "martlet: \(result.name): no losses that are numbers with seeds \(seeds); the mean is of \(result.losses.count)"
            )
        }
        guard budget.isEmpty else {
            return try ScalingFitCommand.fit(results.map(\.point), of: out, predict: [], json: json)
        }
        try forecast(results.sorted { $0.parameters < $1.parameters })
    }

    private func forecast(_ results: [ScalingSeries.Result]) throws {
        guard let largest = results.last else { return }
        let forecast = try ScalingForecast(results.dropLast().map { ($0.parameters, $0.loss) })
        let value = forecast(largest.parameters), range = forecast.interval(largest.parameters)
        let error = value / largest.loss - 1
        let chart = ScalingSeries.chart(results, forecast, predicted: largest)
        let page = """
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>Scaling</title><style>
            :root { color-scheme: light dark } body { font: 15px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem }
            text { fill: currentColor; font-size: 12px } svg { width: 100%; height: auto } .grid { stroke: #8884 }
            </style></head><body><h1>Loss by size</h1><p>\(told(forecast, largest, value, range, error))</p>\(chart)</body></html>

            """
        try AtomicFile.write(out + "/scaling.html", bytes: Array(page.utf8))
        Terminal.note("martlet: \(out)/scaling.html")
        guard !json else {
            let runs = results.map { result -> JSON in
                [
                    "name": .string(result.name), "parameters": .number(result.parameters),
                    "tokens": .number(result.tokens), "loss": .number(result.loss), "seconds": .number(result.seconds),
                    "law": .number(forecast(result.parameters)),
                    "learning_rate": result.rate.map { .number($0) } ?? .null,
                    "losses": .array(result.losses.map { .number($0) }),
                ]
            }
            let all: JSON = [
                "runs": .array(runs), "floor": .number(forecast.floor), "factor": .number(forecast.factor),
                "exponent": .number(forecast.exponent), "predicted": .string(largest.name),
                "prediction": .number(value), "interval": [.number(range.lowerBound), .number(range.upperBound)],
                "loss": .number(largest.loss), "relative_error": .number(error),
            ]
            Terminal.show(all.text(indent: 2) + "\n")
            return
        }
        for result in results {
            Terminal.show(
                "\(result.name): \(ScalingFitCommand.short(result.parameters)) parameters, \(ScalingFitCommand.short(result.tokens)) tokens, loss \(Terminal.fixed(result.loss, 4))\(spread(result)), law \(Terminal.fixed(forecast(result.parameters), 4))\n"
            )
        }
        Terminal.show(told(forecast, largest, value, range, error) + "\n")
    }

    /// The error over seeds and the rate that was chosen, where there are several.
    private func spread(_ result: ScalingSeries.Result) -> String {
        (result.standardError.map { " ± \(Terminal.fixed($0, 4))" } ?? "")
            + (result.rate.map { " at a rate of \($0)" } ?? "")
    }

    private func told(
        _ forecast: ScalingForecast, _ largest: ScalingSeries.Result, _ value: Double, _ range: ClosedRange<Double>,
        _ error: Double
    ) -> String {
        "L(N) = \(Terminal.fixed(forecast.floor, 4)) + \(ScalingFitCommand.short(forecast.factor)) / N^\(Terminal.fixed(forecast.exponent, 4)) of the smaller ones; "
            + "\(largest.name) is predicted at \(Terminal.fixed(value, 4)) (\(Terminal.fixed(range.lowerBound, 4)) to \(Terminal.fixed(range.upperBound, 4))) "
            + "and has \(Terminal.fixed(largest.loss, 4)): \(Terminal.fixed(100 * error, 2)) % off"
    }
}

struct ScalingCoordinatesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coordinates",
        abstract: "The coordinate check of muP: do activations change alike at every width?",
        discussion: """
            Models of several widths take a few steps of Adam at one learning rate, in the standard and in the maximal update \
            parametrisation. Told is by which power of the width each activation's change grows: near 0 under muP, well above 0 in \
            the standard one.

            Example:
              martlet scaling coordinates --widths 64,128,256,512 --steps 4
            """)

    @Option(help: "Widths, separated by commas; multiples of 16.") var widths = "64,128,256,512"
    @Option(help: "Steps.") var steps = 4
    @Option(help: "Layers.") var layers = 2
    @Option(help: "The learning rate at the smallest width.") var learningRate = 0.001
    @Flag(help: "Print the result as JSON.") var json = false

    func run() throws {
        var options = CoordinateCheck.Options()
        options.widths = try widths.split(separator: ",").map { part in
            guard let width = Int(part), (16...16_384).contains(width) else {
                throw ValidationError("--widths holds \(String(part).quoted()); expected multiples of 16")
            }
            return width
        }
        try demand("--steps", steps, 1...100)
        try demand("--layers", layers, 1...64)
        try demand("--learning-rate", learningRate, above: 0, to: 10)
        (options.steps, options.layers, options.learningRate) = (steps, layers, learningRate)
        let interrupted = StopRequest()
        var checks: [CoordinateCheck] = []
        do {
            for kind in CoordinateCheck.Parametrization.allCases {
                checks.append(try CoordinateCheck(kind, options, isCancelled: { interrupted.isRequested }))
            }
        } catch is CancellationError { throw ExitCode(130) }
        guard !json else {
            let values = checks.map { check -> JSON in
                [
                    "parametrization": .string(check.parametrization.rawValue),
                    "widths": .array(check.widths.map { .integer(Int64($0)) }),
                    "losses": .array(check.losses.map { .number($0) }),
                    "activations": .array(
                        zip(check.changes, check.exponents).map { change, law in
                            [
                                "name": .string(change.name), "exponent": .number(law.exponent),
                                "changes": .array(change.sizes.map { .array($0.map { .number($0) }) }),
                            ]
                        }),
                ]
            }
            Terminal.show(JSON.array(values).text(indent: 2) + "\n")
            return
        }
        for check in checks {
            Terminal.show("\(check.parametrization == .mup ? "muP" : "standard"), after \(steps) steps\n")
            for (change, law) in zip(check.changes, check.exponents) {
                let sizes = change.sizes.map { Terminal.fixed($0.last ?? 0, 4) }.joined(separator: "  ")
                Terminal.show("  \(change.name)  \(sizes)  width^\(Terminal.fixed(law.exponent, 2))\n")
            }
        }
    }
}

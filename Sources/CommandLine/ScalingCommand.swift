import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct ScalingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scaling", abstract: "Laws of how loss falls with size, data and compute.",
        discussion: """
            Examples:
              martlet scaling fit isoflops_curves.json --predict 1e23
              martlet scaling plan --budget 1e18
              martlet scaling run --data shards/ --out sizes/
              martlet scaling coordinates
              martlet scaling practice --port 8001
            """,
        subcommands: [
            ScalingRunCommand.self, ScalingFitCommand.self, ScalingPlanCommand.self, ScalingCoordinatesCommand.self,
            ScalingPracticeCommand.self,
        ])
}

struct ScalingFitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fit",
        abstract: "Fit scaling laws to runs: Chinchilla's three ways, and Kaplan's.",
        discussion: """
            A file holds a record for each run: parameters, loss, and tokens or compute (also compute_budget and \
            final_loss). C = 6 N D joins what is missing.

            Examples:
              martlet scaling fit isoflops_curves.json --predict 1e23
              martlet scaling fit runs.jsonl --json
            """)

    @Argument(help: "Files of runs: JSON, JSONL, CSV or Parquet.") var files: [String]
    @Option(help: "Computes (FLOPs) to say the best size for.") var predict: [Double] = []
    @Flag(help: "Print the result as JSON.") var json = false

    func run() throws {
        guard predict.allSatisfy({ $0 > 0 && $0.isFinite }) else {
            throw ValidationError("--predict takes numbers above 0")
        }
        try Self.fit(Self.runs(files), of: files.joined(separator: ", "), predict: predict, json: json)
    }

    /// Fits all laws, and tells what came out.
    static func fit(_ runs: [ScalingPoint], of files: String, predict: [Double], json: Bool) throws {
        var laws: [(name: String, law: PowerLaw)] = [], notes: [String] = []
        func attempt(_ name: String, _ work: () throws -> PowerLaw) {
            do { laws.append((name, try work())) } catch { notes.append("\(name): \(error)") }
        }
        attempt("lowest run of each budget") { try OptimalSize.lowest(runs).parameters }
        attempt("envelope (approach 1)") { try OptimalSize.envelope(runs).parameters }
        attempt("isoFLOP parabolas (approach 2)") {
            let found = try OptimalSize.isoFLOP(runs)
            if !found.leftOut.isEmpty {
                notes.append(
                    "\(found.leftOut.count) budgets have no lowest point between their runs, left out of the parabolas")
            }
            return found.law.parameters
        }
        var loss: ChinchillaLoss?
        attempt("loss of N and D (approach 3)") {
            let fit = try ChinchillaLoss(fitting: runs)
            loss = fit
            return fit.optimalParameters
        }
        guard !laws.isEmpty else { throw EvaluationError(files, notes.joined(separator: "; ")) }
        let bySize = try? KaplanLaw(Self.largest(runs, \.parameters).map { ($0.parameters, $0.loss) }, of: "parameters")
        if json {
            show(laws, loss, bySize, notes, predict)
            return
        }
        for (name, law) in laws {
            Terminal.show("\(name): N = \(Self.short(law.factor)) C^\(Terminal.fixed(law.exponent, 4))\n")
            for compute in predict {
                let n = law(compute)
                Terminal.show(
                    "  C = \(Self.short(compute)): N = \(Self.short(n)), D = \(Self.short(compute / (6 * n)))\n")
            }
        }
        if let loss {
            Terminal.show(
                "L = \(Terminal.fixed(loss.floor, 4)) + \(Self.short(loss.parameterFactor)) / N^\(Terminal.fixed(loss.parameterExponent, 4)) + "
                    + "\(Self.short(loss.tokenFactor)) / D^\(Terminal.fixed(loss.tokenExponent, 4))\n")
        }
        if let bySize {
            Terminal.show(
                "Kaplan: L(N) = (\(Self.short(bySize.scale)) / N)^\(Terminal.fixed(bySize.exponent, 4)) of the longest runs of each size\n"
            )
        }
        for note in notes { Terminal.note("martlet: \(note)") }
    }

    /// The runs of some files.
    static func runs(_ files: [String]) throws -> [ScalingPoint] {
        var runs: [ScalingPoint] = [], failed = 0
        for file in files {
            for (index, record) in try RecordFile.rows(file).enumerated() {
                // A training of a series that came to numbers that are none.
                if record["failed"]?.string != nil, record["loss"]?.double == nil {
                    failed += 1
                    continue
                }
                func number(_ names: String...) -> Double? { names.lazy.compactMap { record[$0]?.double }.first }
                guard let parameters = number("parameters", "params", "N"), parameters > 0,
                    let loss = number("final_loss", "loss", "L"), loss > 0
                else {
                    throw EvaluationError(file, place: "record \(index + 1)", "needs parameters and loss, both above 0")
                }
                let compute = number("compute_budget", "compute", "flops", "C")
                guard let tokens = number("tokens", "D") ?? compute.map({ $0 / (6 * parameters) }), tokens > 0 else {
                    throw EvaluationError(file, place: "record \(index + 1)", "needs tokens or compute, above 0")
                }
                runs.append(ScalingPoint(parameters: parameters, tokens: tokens, loss: loss, compute: compute))
            }
        }
        if failed > 0 { Terminal.note("martlet: \(failed) trainings without a loss that is a number are left out") }
        return runs
    }

    /// The lowest loss of each size.
    private static func largest(_ runs: [ScalingPoint], _ key: (ScalingPoint) -> Double) -> [ScalingPoint] {
        Dictionary(grouping: runs, by: key).values.compactMap { $0.min { $0.loss < $1.loss } }
    }

    private static func show(
        _ laws: [(name: String, law: PowerLaw)], _ loss: ChinchillaLoss?, _ bySize: KaplanLaw?, _ notes: [String],
        _ predict: [Double]
    ) {
        let entries = laws.map { name, law -> JSON in
            [
                "approach": .string(name), "factor": .number(law.factor), "exponent": .number(law.exponent),
                "predictions": .array(
                    predict.map {
                        ["compute": .number($0), "parameters": .number(law($0)), "tokens": .number($0 / (6 * law($0)))]
                    }),
            ]
        }
        let parts: JSON =
            loss.map {
                [
                    "E": .number($0.floor), "A": .number($0.parameterFactor), "alpha": .number($0.parameterExponent),
                    "B": .number($0.tokenFactor), "beta": .number($0.tokenExponent), "huber": .number($0.residual),
                ]
            } ?? .null
        let kaplan: JSON = bySize.map { ["N_c": .number($0.scale), "alpha_N": .number($0.exponent)] } ?? .null
        let all: JSON = [
            "optimal_parameters": .array(entries), "loss": parts, "kaplan": kaplan,
            "notes": .array(notes.map { .string($0) }),
        ]
        Terminal.show(all.text(indent: 2) + "\n")
    }

    /// Three digits: 7.01e10.
    static func short(_ value: Double) -> String {
        guard value > 0, value.isFinite else { return "\(value)" }
        var exponent = 0, digits = value
        while digits >= 10 { (digits, exponent) = (digits / 10, exponent + 1) }
        while digits < 1 { (digits, exponent) = (digits * 10, exponent - 1) }
        return abs(exponent) < 4 ? Terminal.fixed(value, 4) : "\(Terminal.fixed(digits, 3))e\(exponent)"
    }
}

struct ScalingPlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract:
            "What to train with a budget of FLOPs: size, tokens, shape, and smaller runs to measure the law first.",
        discussion: """
            The law of the loss is Chinchilla's published one, or is fitted to --runs (approach 3).

            Examples:
              martlet scaling plan --budget 1e18
              martlet scaling plan --budget 1e18 --runs runs.jsonl --json
            """)

    @Option(help: "FLOPs.") var budget: Double
    @Option(help: "Files of runs, as `martlet scaling fit` reads them.") var runs: [String] = []
    @Flag(help: "Print the result as JSON.") var json = false

    func validate() throws { try demand("--budget", budget, above: 1e6, to: 1e30, "FLOPs") }

    func run() throws {
        let plan = try ScalingPlan(budget: budget, runs: try ScalingFitCommand.runs(runs))
        guard !json else {
            Terminal.show(plan.json.text(indent: 2) + "\n")
            return
        }
        func short(_ value: Double) -> String { ScalingFitCommand.short(value) }
        func shown(_ shape: ScalingPlan.Shape) -> String {
            "\(shape.layers) layers of width \(shape.width), \(shape.heads) heads"
        }
        Terminal.show(
            "C = \(short(budget)): N = \(short(plan.best.parameters)), D = \(short(plan.best.tokens)), loss \(Terminal.fixed(plan.best.loss, 3)); \(shown(plan.shape))\n"
        )
        if let interval = plan.interval {
            Terminal.show(
                "N lies between \(short(interval.lowerBound)) and \(short(interval.upperBound)) in 95 % of samples\n")
        }
        for run in plan.trials {
            Terminal.show(
                "  trial C = \(short(run.compute)): N = \(short(run.shape.parameters)) (\(shown(run.shape))), D = \(short(run.tokens)), loss \(Terminal.fixed(run.loss, 3))\n"
            )
        }
    }
}

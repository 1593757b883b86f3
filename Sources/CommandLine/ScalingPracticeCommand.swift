import ArgumentParser
import Martlet
import MartletServer
import MartletSystem
import MartletVerbs

struct ScalingPracticeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "practice",
        abstract: "A training API with a budget of FLOPs, to practise scaling laws with (CS336, assignment 3).",
        discussion: """
            GET /loss?d_model=256&num_layers=4&num_heads=4&batch_size=128&learning_rate=0.001&train_flops=1e15 answers with the \
            loss and the FLOPs used so far; asking again is free, and what exceeds the budget is refused. GET \
            /total_flops_used and /previous_runs tell what was asked. Nothing is trained: losses come from a law that --seed \
            chooses, with 0.2 % of noise. --reveal prints that law, to compare a fit with.

            Examples:
              martlet scaling practice --port 8001 --file budget.jsonl
              martlet scaling practice --reveal --seed 1
            """)

    @Option(help: "The address to listen on.") var host = "127.0.0.1"
    @Option(help: "The port; 0 takes a free one.") var port = 8001
    @Option(help: "FLOPs that may be asked for.") var budget = 2e18
    @Option(help: "Which law.") var seed: UInt64 = 1
    @Option(help: "A file that remembers what was asked.") var file: String?
    @Flag(help: "Print the law and end.") var reveal = false

    func validate() throws {
        try demand("--budget", budget, above: 0, to: 1e30, "FLOPs")
        try demand("--port", port, 0...65_535)
    }

    func run() async throws {
        guard !reveal else {
            let law = try PracticeBudget(limit: budget, seed: seed).law
            let best = law.optimalParameters
            Terminal.show(
                "L = \(Terminal.fixed(law.floor, 4)) + \(ScalingFitCommand.short(law.parameterFactor)) / N^\(Terminal.fixed(law.parameterExponent, 4)) + \(ScalingFitCommand.short(law.tokenFactor)) / D^\(Terminal.fixed(law.tokenExponent, 4)) at the best shape, rate and batch\n"
                    + "best N = \(ScalingFitCommand.short(best.factor)) C^\(Terminal.fixed(best.exponent, 4)); at 1e19 FLOPs \(ScalingFitCommand.short(best(1e19))), loss \(Terminal.fixed(law(parameters: best(1e19), tokens: 1e19 / (6 * best(1e19))), 4))\n"
            )
            return
        }
        let server = try PracticeServer(host: host, port: port, budget: budget, seed: seed, file: file)
        let host = host
        try await server.run { port in
            Terminal.note("martlet: http://\(host):\(port ?? 0)/loss answers until Ctrl-C")
        }
    }
}

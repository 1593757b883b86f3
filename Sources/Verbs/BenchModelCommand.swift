import ArgumentParser
import MartletCatalog

package struct BenchModelCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Measure prompt and generation speed; one JSON line a round.",
        discussion: """
            Each round computes a random prompt of P tokens, then generates N tokens after it, greedily.

            Example:
              martlet bench smollm2 -p 512 -n 128
            """)
    @OptionGroup var flags: ModelFlags
    @OptionGroup var cache: CacheFlags
    @Option(name: .customShort("p"), help: "Tokens of the prompt.") var promptTokens = 512
    @Option(name: .customShort("n"), help: "Tokens to generate.") var newTokens = 128
    @Option(name: .shortAndLong, help: "Rounds.") var rounds = 5

    @Flag(help: "As without it: the output is JSON lines.") var json = false

    package init() {}

    package func run() throws {
        try demand("-p", promptTokens, 1..., "tokens")
        try demand("-n", newTokens, 0..., "tokens")
        try demand("--rounds", rounds, 1...)
        let path = try ModelLocator.locate(flags.model)
        let started = ContinuousClock.now
        let model = try flags.load(cache)
        let loaded = (ContinuousClock.now - started).inSeconds
        for round in 0..<rounds {
            let result = try model.benchmark(promptTokens: promptTokens, newTokens: newTokens, seed: UInt64(round))
            let line: JSON = [
                "model": .string(path.split(separator: "/").last.map(String.init) ?? path),
                "kernels": .string(MachineDescription.kernels), "threads": .integer(Int64(MachineDescription.threads)),
                "prompt_tokens": .integer(Int64(promptTokens)),
                "prompt_tokens_per_second": .number(result.promptTokensPerSecond.rounded(to: 1)),
                "new_tokens": .integer(Int64(newTokens)),
                "new_tokens_per_second": .number(result.newTokensPerSecond.rounded(to: 1)),
                "load_seconds": .number(loaded.rounded(to: 3)),
                "peak_memory_bytes": .integer(Int64(Terminal.peakMemory)),
            ]
            Terminal.show(line.text() + "\n")
        }
    }
}

extension Double {
    package func rounded(to decimals: Int) -> Double {
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        return (self * scale).rounded() / scale
    }
}

extension Duration {
    package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

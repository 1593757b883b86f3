import ArgumentParser
import Foundation
import Martlet
import MartletLoad
import MartletSystem
import MartletVerbs

struct BenchServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Put load on a server and measure it.",
        discussion: """
            With --concurrency, so many clients each ask again as soon as they have their answer. With --rate, requests
            come so many a second on average, whatever the answers do. Lengths are a number, uniform:LOW-HIGH,
            normal:MEAN,DEVIATION or lognormal:MEDIAN,SIGMA. Any server that speaks OpenAI's API will do.

            Examples:
              martlet bench serve --url http://127.0.0.1:8080 --model smollm2 --concurrency 16
              martlet bench serve --model smollm2 --rate 4 --seconds 60 --prompt lognormal:300,0.6 --slo-ttft 500 --plot load.svg
            """)
    @Option(help: "The server, without a path.") var url = "http://127.0.0.1:8080"
    @Option(help: "The model to ask for.", completion: .models) var model: String
    @Option(help: "The key to send; MARTLET_API_KEY when left out.") var apiKey: String?
    @Option(help: "chat or completions.") var endpoint = "completions"
    @Option(name: .shortAndLong, help: "Clients that ask again as soon as they have their answer.")
    var concurrency: Int?
    @Option(help: "Requests a second, instead of clients.") var rate: Double?
    @Flag(help: "With --rate: equal times between requests instead of random ones.") var evenly = false
    @Option(name: .shortAndLong, help: "Requests in all.") var requests: Int?
    @Option(help: "No more requests are sent after so many seconds.") var seconds: Double?
    @Option(help: ArgumentHelp("Tokens of a prompt.", valueName: "length")) var prompt = "256"
    @Option(help: ArgumentHelp("Tokens of a reply.", valueName: "length")) var output = "128"
    @Option(help: "Tokens at the beginning that all prompts share.") var sharedPrefix = 0
    @Option(help: "Of the sampler.") var temperature = 0.0
    @Option(help: "The same seed sends the same requests.") var seed: UInt64 = 0
    @Option(help: "Seconds after which a request has failed.") var timeout = 600.0
    @Option(help: "A good request has its first token within so many milliseconds.") var sloTtft: Double?
    @Option(help: "A good request takes so many milliseconds for a token after the first.") var sloTpot: Double?
    @Option(help: "A good request is complete within so many milliseconds.") var sloTotal: Double?
    @Option(help: ArgumentHelp("Write charts of the run.", valueName: "file.svg")) var plot: String?
    @Flag(help: "Print the results as JSON.") var json = false

    private func options() throws -> LoadOptions {
        func length(_ text: String, _ name: String) throws -> LengthDistribution {
            guard let length = LengthDistribution(text) else {
                throw ValidationError(
                    "\(name) is \"\(text)\"; expected a number, uniform:LOW-HIGH, normal:MEAN,DEVIATION or "
                        + "lognormal:MEDIAN,SIGMA")
            }
            return length
        }
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw ValidationError("--url is \"\(url)\"; expected http://HOST:PORT or https://…")
        }
        guard let endpoint = LoadOptions.Endpoint.allCases.first(where: { "\($0)" == endpoint }) else {
            throw ValidationError("--endpoint is \"\(endpoint)\"; expected chat or completions")
        }
        guard concurrency == nil || rate == nil else { throw ValidationError("give --concurrency or --rate, not both") }
        let times = 1e-3...1e7
        try demand("--concurrency", concurrency, 1...10_000, "clients")
        try demand("--rate", rate, 1e-3...1e6, "requests a second")
        try demand("--requests", requests, 1...100_000_000)
        try demand("--seconds", seconds, times)
        try demand("--timeout", timeout, times, "seconds")
        try demand("--shared-prefix", sharedPrefix, 0...1_000_000, "tokens")
        try demand("--temperature", temperature, 0...100)
        for (option, limit) in [("--slo-ttft", sloTtft), ("--slo-tpot", sloTpot), ("--slo-total", sloTotal)] {
            try demand(option, limit, 1e-3...1e10, "milliseconds")
        }
        var options = LoadOptions(url: url.hasSuffix("/") ? String(url.dropLast()) : url, model: model)
        options.endpoint = endpoint
        options.key = apiKey ?? ProcessInfo.processInfo.environment["MARTLET_API_KEY"]
        options.arrivals =
            rate.map { .open(requestsPerSecond: $0, isPoisson: !evenly) } ?? .closed(clients: concurrency ?? 1)
        options.requests = requests ?? (seconds == nil ? 4 * (concurrency ?? 16) : 1_000_000)
        if let seconds {
            let most = rate.map { $0 * seconds * 2 } ?? seconds * 1000
            options.requests = min(options.requests, Int(clamping: most).adding(clamped: 100))
        }
        options.seconds = seconds
        options.promptLength = try length(prompt, "--prompt")
        options.replyLength = try length(output, "--output")
        options.sharedPrefix = sharedPrefix
        options.temperature = temperature
        options.seed = seed
        options.timeoutSeconds = timeout
        options.objective = .init(
            firstTokenSeconds: sloTtft.map { $0 / 1000 }, tokenSeconds: sloTpot.map { $0 / 1000 },
            totalSeconds: sloTotal.map { $0 / 1000 })
        return options
    }

    func run() async throws {
        let generator = LoadGenerator(try options())
        let work = Task { try await generator.run() }
        let display = Task {
            var line = StatusLine()
            let started = ContinuousClock.now
            while !Task.isCancelled {
                let progress = generator.progress, seconds = (ContinuousClock.now - started).inSeconds
                line.show(
                    "\(progress.requests) requests, "
                        + "\(Terminal.fixed(Double(progress.replyTokens) / max(seconds, 0.1), 1)) tokens/s",
                    after: seconds)
                try? await Task.sleep(for: .milliseconds(100))
            }
            line.clear()
        }
        let report: LoadReport
        do { report = try await Interruption.cancelling(work) { try await work.value } } catch {
            display.cancel()
            throw error
        }
        display.cancel()
        await display.value
        if let plot { try AtomicFile.write(plot, bytes: Array(report.svg.utf8)) }
        Terminal.show(json ? report.json.text() + "\n" : table(report))
        if report.complete.isEmpty { throw ExitCode.failure }
    }

    private func table(_ report: LoadReport) -> String {
        func padded(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(width - text.count, 0)) + text
        }
        var out = """
            \(report.complete.count) of \(report.records.count) requests in \(Terminal.fixed(report.seconds, 1)) s: \
            \(Terminal.fixed(report.requestsPerSecond, 2)) requests/s, \
            \(Terminal.fixed(report.replyTokensPerSecond, 1)) generated tokens/s, \
            \(Terminal.fixed(report.totalTokensPerSecond, 1)) tokens/s in all

            """
        if report.options.objective != .init() {
            out += "goodput: \(Terminal.fixed(report.goodput, 2)) requests/s within the objective\n"
        }
        out += padded("milliseconds", 24) + ["mean", "p50", "p90", "p99", "max"].map { padded($0, 10) }.joined() + "\n"
        for (name, values) in report.distributions {
            let numbers =
                [values.mean] + [50, 90, 99, 100].map { values.percentile($0) }
            out += padded(name.map { $0 == "_" ? " " : String($0) }.joined(), 24)
            out += numbers.map { padded(Terminal.fixed($0 * 1000, 1), 10) }.joined() + "\n"
        }
        for (reason, count) in report.failures { out += "failed: \(count) x \(reason)\n" }
        return out
    }
}

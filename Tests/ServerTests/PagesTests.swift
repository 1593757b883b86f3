import Foundation
import MartletJSON
import MartletServer
import Testing

/// The pages: their parts in node, and all of them in headless Chromium against a running server.
@Suite(.serialized) struct PagesTests {
    @Test(.enabled(if: PageTools.node != nil, Comment(rawValue: PageTools.noNode)))
    func thePartsThatDrawNothingHoldWhatTheyPromise() async throws {
        let tests = ["modules", "markdown", "chat"].map { "\(PageTools.folder)/\($0).test.mjs" }
        let (code, output) = try await PageTools.run(["--test"] + tests)
        #expect(code == 0, "\(output)")
    }

    @Test(.enabled(if: PageTools.node != nil && PageTools.chromium != nil, Comment(rawValue: PageTools.noBrowser)))
    func everyPageWorksInABrowser() async throws {
        let runs = try RunFolder(), trainer = try runs.train()
        defer {
            trainer.end()
            runs.remove()
        }
        var settings = ServerSettings()
        settings.runsFolder = runs.path
        settings.keys = [APIKey(secret: "sk-pages")]
        var tuning = TuningSettings(program: "/bin/false", dataFolder: runs.path)
        tuning.mostRuns = 4
        settings.tuning = tuning
        try await RunningServer.with(settings: settings) { running in
            let (code, output) = try await Self.check(running, ["--runs", "--tune", "--key", "sk-pages"])
            #expect(code == 0, "\(output)")
        }
        #expect(trainer.isAskedToStop)
    }

    /// The mixture is served alone: the other checks are of dense models.
    @Test(.enabled(if: PageTools.node != nil && PageTools.chromium != nil, Comment(rawValue: PageTools.noBrowser)))
    func theExpertsOfAMixtureAreDrawnInABrowser() async throws {
        try await RunningServer.with(["mixture"]) { running in
            let (code, output) = try await Self.check(running, ["--mixture", "--only", "experts"])
            #expect(code == 0 && output.contains("1 checks passed"), "\(output)")
        }
    }

    @Test(
        .enabled(
            if: PageTools.realModel != nil && PageTools.node != nil && PageTools.chromium != nil,
            Comment(rawValue: PageTools.noModel)))
    func aRealModelAnswersARealQuestionOnThePage() async throws {
        let path = try #require(PageTools.realModel)
        try await RunningServer.with(["smollm2"], at: ["smollm2": path]) { running in
            let (code, output) = try await Self.check(running, ["--answer", "Paris"])
            #expect(code == 0, "\(output)")
        }
    }

    private static func check(_ running: RunningServer, _ options: [String]) async throws -> (Int32, String) {
        try await PageTools.run(["\(PageTools.folder)/in_browser.mjs", "http://127.0.0.1:\(running.port)"] + options)
    }
}

/// A folder with two runs in the making.
final class RunFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "martlet-runs-" + UUID().uuidString
        for (name, rate) in [("first", 0.003), ("second", 0.001)] {
            let run = "\(path)/\(name)"
            try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
            var lines: [JSON] = []
            for step in 1...40 {
                let loss = 1.5 + 4 / (1 + Double(step) * rate * 100)
                lines.append([
                    "kind": "step", "step": .integer(Int64(step)), "loss": .number(loss),
                    "learning_rate": .number(rate),
                    "gradient_norm": 0.5, "tokens_per_second": 4000, "seconds": .integer(Int64(step)),
                ])
                guard step % 10 == 0 else { continue }
                lines.append([
                    "kind": "evaluation", "step": .integer(Int64(step)), "loss": .number(loss), "perplexity": 5,
                    "bits_per_byte": nil, "sample": "Mira went to the mill.",
                ])
            }
            try lines.map { $0.text() + "\n" }.joined().write(
                toFile: run + "/log.jsonl", atomically: true, encoding: .utf8)
            // The second ends with its minutes.
            let configuration: JSON = [
                "steps": name == "first" ? 100 : 1_000_000, "minutes": name == "first" ? .null : 2,
                "learning_rate": .number(rate), "origins": ["learning_rate": "command line"],
            ]
            try configuration.text().write(toFile: run + "/configuration.json", atomically: true, encoding: .utf8)
        }
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }

    /// Holds the log of the second run as a trainer does.
    func train() throws -> FakeTrainer { try FakeTrainer(run: path + "/second") }
}

final class FakeTrainer: Sendable {
    private let descriptor: Int32
    private let run: String

    init(run: String) throws {
        self.run = run
        descriptor = open(run + "/.lock", O_RDWR | O_CREAT, 0o644)
        guard descriptor >= 0, flock(descriptor, LOCK_EX) == 0 else { throw ServerError("\(run) cannot be locked") }
    }

    var isAskedToStop: Bool { FileManager.default.fileExists(atPath: run + "/stop") }
    func end() { flock(descriptor, LOCK_UN) }
    deinit { close(descriptor) }
}

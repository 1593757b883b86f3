import Foundation
import MartletChat
import MartletInference
import MartletJSON
import Testing
import TinyModels

import MartletEvaluation

struct HarnessTests {
    /// The checkpoint that Goldens/make_goldens.py is given.
    static func checkpoint(_ folder: String) throws {
        var tiny = TinyModel()
        tiny.contextLength = 512
        tiny.seed = 5
        try tiny.write(folder: folder)
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment["MARTLET_CHECKPOINT"] != nil))
    func makeCheckpoint() throws {
        try Self.checkpoint(ProcessInfo.processInfo.environment["MARTLET_CHECKPOINT"] ?? "")
    }

    @Test func promptsAndRequestsAreThoseOfTheHarness() throws {
        let scratch = try Scratch()
        for source in Goldens.harness["tasks"]?.array ?? [] {
            let definition = try Goldens.definition(source, in: scratch)
            for name in ["plain", "turns", "one"] {
                let golden = try #require(Goldens.harness["prompts"]?["\(definition.name)/\(name)"]?.array)
                var options = HarnessOptions()
                options.limit = 5
                options.prompts.usesChatTemplate = name != "plain"
                options.prompts.showsExamplesAsTurns = name == "turns"
                if name == "one" { options.prompts.systemPrompt = "Be brief." }
                let chat: ([ChatMessage], Bool) throws -> String = { messages, opensReply in
                    messages.map { "<\($0.role)>\($0.content ?? "")</>" }.joined() + (opensReply ? "<assistant>" : "")
                }
                let task = try PreparedTask(definition, options, render: name == "plain" ? nil : chat)
                let found: [[JSON]] = task.prompts.enumerated().flatMap { row, requests in
                    requests.map { [.integer(Int64(row))] + $0.arguments.filter { $0.string != nil } }
                }
                #expect(found.count == golden.count)
                for (mine, theirs) in zip(found, golden) {
                    #expect(
                        JSON.array(mine) == theirs,
                        "\(definition.name)/\(name): \(JSON.array(mine).text()) != \(theirs.text())")
                }
            }
        }
    }

    /// Six tasks, one of each kind, on a random checkpoint in float32 against the Hugging Face backend.
    @Test func resultsOnAModelAreThoseOfTheHarness() throws {
        let golden = Goldens.read("model.json"), scratch = try Scratch(), folder = try Scratch()
        try Self.checkpoint(folder.path)
        let model = try LanguageModel(path: folder.path, precision: .exactSums)
        var options = HarnessOptions()
        options.bootstrapSamples = 2000
        for source in Goldens.harness["tasks"]?.array ?? [] {
            var tree = TaskTree()
            tree.tasks = [try Goldens.definition(source, in: scratch)]
            tree.roots = [.task(tree.tasks[0].name)]
            let evaluator = Evaluator(LocalModel(model, name: "tiny"), options)
            let result = try evaluator.run(tree)[0]
            let scores = try #require(golden["results"]?[result.name])
            for score in result.scores {
                let expected = try #require(scores["\(score.metric),\(score.filter)"]?.double)
                // A random model's perplexity is 10¹⁰: its logarithm is what was computed.
                let isPower = score.metric == "perplexity"
                let (mine, theirs) = isPower ? (log(score.value), log(expected)) : (score.value, expected)
                #expect(isNear(mine, theirs), "\(result.name) \(score.metric): \(score.value) \(expected)")
                let error = scores["\(score.metric)_stderr,\(score.filter)"]
                #expect(
                    isNear(score.standardError ?? .nan, error?.double ?? .nan, isPower ? 1e-5 : 1e-6),
                    "\(result.name) \(score.metric)")
            }
            #expect(result.scores.count * 2 == scores.object?.count)
            for (sample, expected) in zip(result.samples, golden["samples"]?[result.name]?.array ?? []) {
                for key in ["doc_hash", "prompt_hash", "target_hash"] {
                    #expect(sample.json[key] == expected[key], "\(result.name) \(sample.row) \(key)")
                }
                let mine = Self.flat(sample.json["resps"] ?? .null), theirs = Self.flat(expected["resps"] ?? .null)
                #expect(mine.count == theirs.count)
                for (a, b) in zip(mine, theirs) {
                    if let x = Double(a), let y = Double(b) {
                        #expect(isNear(x, y, 1e-5), "\(result.name): \(a) \(b)")
                    } else {
                        #expect(a == b)
                    }
                }
            }
        }
    }

    private static func flat(_ json: JSON) -> [String] {
        json.array.map { $0.flatMap(flat) } ?? [json.string ?? json.bool.map { $0 ? "True" : "False" } ?? json.text()]
    }

    /// How many prompts were cut is told of answers that were there already, too.
    @Test func cutPromptsAreToldOfKeptAnswers() throws {
        let folder = try Scratch()
        var tiny = TinyModel()
        tiny.contextLength = 64
        try tiny.write(folder: folder.path)
        let model = try LanguageModel(path: folder.path), long = String(repeating: "the ring of the inn ", count: 20)
        let settings = try TaskGeneration(["max_gen_toks": 2], delimiter: "\n\n", task: "t")
        let requests: [EvaluationRequest] = [
            .generate(long, settings, turn: 0), .generate("the ring", settings, turn: 0),
            .logLikelihood(context: long, continuation: " inn"), .logLikelihood(context: "the", continuation: " ring"),
            .rolling("the inn"),
        ]
        let asked = LocalModel(model, name: "tiny"), recalling = LocalModel(model, name: "tiny")
        try asked.answer(requests, isCancelled: { false }) { _, _ in }
        try recalling.recall(requests)
        #expect(asked.notes.first?.hasPrefix("2 prompts") == true)
        #expect(asked.notes == recalling.notes)
    }

    /// An evaluation that is stopped again and again asks for nothing twice and gives the same results.
    @Test func aStoppedEvaluationGoesOn() throws {
        let scratch = try Scratch(), folder = try Scratch()
        try Self.checkpoint(folder.path)
        let model = try LanguageModel(path: folder.path)
        var tree = TaskTree()
        for source in Goldens.harness["tasks"]?.array ?? [] {
            tree.tasks.append(try Goldens.definition(source, in: scratch))
        }
        tree.roots = tree.tasks.map { .task($0.name) }
        var options = HarnessOptions()
        options.bootstrapSamples = 0
        let whole = Evaluator(LocalModel(model, name: "tiny"), options)
        let expected = try whole.run(tree).map { JSON.array($0.samples.map { .object($0.json) }) }
        var computed = 0, rounds = 0
        while true {
            let local = LocalModel(model, name: "tiny")
            let cache = try AnswerCache(path: scratch.file("cache.jsonl"), identity: local.identity)
            let evaluator = Evaluator(local, cache: cache, options)
            rounds += 1
            do {
                let results = try evaluator.run(tree, isCancelled: { evaluator.answered >= 25 })
                computed += evaluator.answered
                #expect(results.map { JSON.array($0.samples.map { .object($0.json) }) } == expected)
                break
            } catch is CancellationError {
                computed += evaluator.answered
            }
            // What a kill leaves of a line.
            let path = scratch.file("cache.jsonl")
            let handle = try #require(FileHandle(forWritingAtPath: path))
            try handle.seekToEnd()
            try handle.write(contentsOf: Data("{\"key\":\"12".utf8))
            try handle.close()
        }
        #expect(rounds > 3)
        #expect(computed == whole.answered)
        #expect(throws: EvaluationError.self) {
            _ = try AnswerCache(path: scratch.file("cache.jsonl"), identity: ["model": "other"])
        }
    }

    /// GSM8K, stopped three times in the middle of replies: the results file of a run that nobody stopped, and no reply
    /// computed twice.
    @Test func gsm8kStoppedThreeTimesWritesTheSameResults() throws {
        let scratch = try Scratch(), folder = try Scratch()
        try Self.checkpoint(folder.path)
        let model = try LanguageModel(path: folder.path)
        for (split, count) in [("test", 12), ("train", 5)] {
            let rows = (0..<count).map { index in
                #"{"question": "Ann has \#(index) pens and finds 2. How many?", "answer": "\#(index) + 2\n#### \#(index + 2)"}"#
            }
            _ = try scratch.write("gsm8k_\(split).jsonl", rows.joined(separator: "\n"))
        }
        var tree = try TaskLibrary { _ in .null }.tasks(["gsm8k"])
        var source = tree.tasks[0].source
        source["generation_kwargs"] = ["until": ["Question:"], "do_sample": false, "max_gen_toks": 12]
        tree.tasks = [try TaskDefinition(source, from: "gsm8k")]
        var options = HarnessOptions()
        (options.dataFolder, options.shotCount, options.bootstrapSamples) = (scratch.path, 2, 0)
        func file(_ results: [TaskResult]) -> String {
            JSON.object(
                ResultFile(
                    modelName: "tiny", modelIdentity: [:], chatTemplate: nil, options: options, results: results
                ).json
            ).text() + results.flatMap(\.samples).map { JSON.object($0.json).text() }.joined(separator: "\n")
        }
        let whole = Evaluator(LocalModel(model, name: "tiny"), options)
        let expected = file(try whole.run(tree))
        var computed = 0, stops = 0, results: [TaskResult]?
        while results == nil {
            let local = LocalModel(model, name: "tiny")
            let cache = try AnswerCache(path: scratch.file("answers.jsonl"), identity: local.identity)
            let evaluator = Evaluator(local, cache: cache, options)
            let mayStop = stops < 3
            do {
                results = try evaluator.run(tree, isCancelled: { mayStop && evaluator.answered >= 2 })
            } catch is CancellationError { stops += 1 }
            computed += evaluator.answered
        }
        #expect(stops == 3 && computed == whole.answered && computed == 12)
        #expect(file(results ?? []) == expected)
        let lines = try String(contentsOfFile: scratch.file("answers.jsonl"), encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 13 && Set(lines).count == 13)
    }

    @Test func sharedContextsChangeNoBit() throws {
        let folder = try Scratch()
        try Self.checkpoint(folder.path)
        let model = try LanguageModel(path: folder.path)
        let scorer = Scorer(model), shared = SharedContext()
        let prefix = try model.tokenizer.encode(
            "There are many examples here, one after the other. ", addSpecialTokens: false)
        for text in ["a", "the question", "the question and more", "another", ""] {
            let context = prefix + (try model.tokenizer.encode(text, addSpecialTokens: false))
            let continuations = try [" yes", " no, never", "x"].map {
                try model.tokenizer.encode($0, addSpecialTokens: false)
            }
            let alone = try scorer.logLikelihood(context: context, continuations: continuations)
            #expect(try scorer.logLikelihood(context: context, continuations: continuations, shared: shared) == alone)
        }
        #expect(shared.reusedTokens > 3 * prefix.count)
    }
}

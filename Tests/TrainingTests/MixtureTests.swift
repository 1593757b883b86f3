import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletTraining
import Testing
import TinyModels

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Runs on several folders of data at once.
struct MixtureTests: TinyRuns {
    /// Two folders of shards of one tokenizer: numbers that go up, and numbers that go down.
    private func folders(_ name: String) throws -> (root: String, up: String, down: String) {
        let root = try scratch(name), down = root + "/down"
        mkdir(down, 0o755)
        try TinyModel().write(folder: down)
        let tokenizer = try ModelFiles(path: down).tokenizer()
        for (prefix, seeds) in [("train", 0..<30), ("validation", 1000..<1010)] {
            let writer = try TokenShardWriter(
                path: "\(down)/\(prefix)-0.shard", vocabulary: VocabularyIdentity(tokenizer))
            for seed in seeds {
                let text = (0..<20).map { "\(90 - $0 - seed % 7) was \(89 - $0 - seed % 7), " }.joined()
                try writer.append(tokenizer.encode(text, addSpecialTokens: false), sourceByteCount: text.utf8.count)
            }
            try writer.finish()
        }
        return (root, root + "/data", down)
    }

    @Test func optionsTakeFoldersAsATextAListOrAnObject() throws {
        var options = TrainingOptions()
        for (value, expected) in [
            ("shards", [DataPortion("shards")]), (["a=1"], [DataPortion("a=1")]),
            (["a", "b=0.3"], [DataPortion("a"), DataPortion("b", weight: 0.3)]),
            (["a=x", "b=1=2"], [DataPortion("a=x"), DataPortion("b=1", weight: 2)]),
            (["a": 1, "b": 0.3], [DataPortion("a"), DataPortion("b", weight: 0.3)]),
        ] as [(JSON, [DataPortion])] {
            try options.set("data", value)
            #expect(options.portions == expected)
            // What a run writes down reads the same.
            var again = TrainingOptions()
            let written = try ResolvedOptions(options, vocabularySize: 128).document
            try again.set(JSON(parsing: written.bytes()), from: "configuration.json")
            #expect(again.portions == expected)
        }
        for wrong in [[], ["a", "a"], ["a", "b=0"], ["a", "b=-1"], ["a", ""], ["a": "much"], 3] as [JSON] {
            #expect(message { try options.set("data", wrong) }.contains("expected a folder, or several with weights"))
        }
    }

    @Test func rowsAreMixedByTheWeightsAndEachFolderIsEvaluated() throws {
        let (root, up, down) = try folders("mixture")
        let data = try TrainingData([DataPortion(up, weight: 3), DataPortion(down)])
        let trainer = try Trainer(
            run: root + "/run", options: options(["steps": 40, "evaluate_every": 40]), data: data)
        let batches = try #require(trainer.batches)
        let ofDown = (0..<1024).count { step in
            batches.origin(step: step, row: 0).hasPrefix(down)
        }
        #expect(abs(ofDown - 256) < 40)
        var evaluations: [Evaluation] = []
        try trainer.train { if case .evaluated(_, let evaluation) = $0 { evaluations.append(evaluation) } }
        let last = try #require(evaluations.last)
        #expect(last.parts.map(\.folder) == [up, down])
        let losses = last.parts.map(\.loss)
        #expect(losses[0] < losses[1], "what is seen more is known better: \(losses)")
        #expect(losses[0] <= last.loss && last.loss <= losses[1])
        let log = String(decoding: try Folder.read(root + "/run/log.jsonl"), as: UTF8.self)
        #expect(log.contains("\"losses\""))
        #expect(try RunRecord(path: root + "/run").evaluations.count == evaluations.count)
    }

    @Test func aMixedRunResumesToTheSameBitsAndOnlyInItsProportions() throws {
        let (root, up, down) = try folders("mixture-resume")
        func data(_ weight: Double) throws -> TrainingData {
            try TrainingData([DataPortion(up), DataPortion(down, weight: weight)])
        }
        try expectSameBitsWhenResumed(root, options(), data(0.5))
        let other = try Trainer(run: root + "/parts", options: options(), data: data(0.25))
        #expect(message { _ = try other.resume() }.contains("in the proportions [0.666667,0.333333], now [0.8,0.2]"))
        let single = try Trainer(run: root + "/parts", options: options(), data: TrainingData(folder: up))
        #expect(message { _ = try single.resume() }.contains("now null"))
    }

    @Test func aFolderOfAnotherVocabularyIsRefusedWithBothHashes() throws {
        let (root, up, down) = try folders("mixture-vocabulary")
        let tokenizer = try ModelFiles(path: down).tokenizer()
        var other = VocabularyIdentity(tokenizer)
        other = VocabularyIdentity(size: other.size, hash: other.hash ^ 1)
        let writer = try TokenShardWriter(path: "\(down)/train-0.shard", vocabulary: other)
        try writer.append(Array(repeating: 5, count: 400))
        try writer.finish()
        let data = try TrainingData([DataPortion(up), DataPortion(down)])
        let said = message { _ = try Trainer(run: root + "/run", options: options(), data: data) }
        #expect(said.contains("down/train-0.shard") && said.contains("\(other)"), "\(said)")
        #expect(said.contains("\(VocabularyIdentity(tokenizer))"), "\(said)")
    }
}

import Foundation
import MartletChat
import MartletInference
import MartletJSON
import Testing
import TinyModels

import MartletEvaluation

/// What is wrong with a task, its data or its answers is an error that says where. Servers that lie or never answer are in
/// `RemoteModelTests`, results that must not be mixed in `ComparisonTests`, programs in the sandbox in `BuiltInTaskTests`, and
/// judges in `JudgeTests`.
struct BadInputTests {
    private func refusal(_ body: () throws -> Void) -> String {
        do {
            try body()
            return ""
        } catch { return "\(error)" }
    }

    /// What a task says of rows of data.
    private func refusal(_ change: [String: JSON], rows: [String]) throws -> String {
        let scratch = try Scratch()
        _ = try scratch.write("rows.jsonl", rows.joined(separator: "\n"))
        var source: JSONObject = [
            "task": "t", "dataset_path": "json", "dataset_kwargs": ["data_files": ["test": "rows.jsonl"]],
            "test_split": "test", "output_type": "multiple_choice", "doc_to_text": "{{q}}", "doc_to_choice": "choices",
            "doc_to_target": "gold", "metric_list": [["metric": "acc"]],
        ]
        for (key, value) in change { source[key] = value }
        return refusal {
            let task = try TaskDefinition(source, from: "t.yaml", folder: scratch.path)
            var tree = TaskTree()
            (tree.tasks, tree.roots) = ([task], [.task("t")])
            _ = try Evaluator(RuleModel { _, _ in 0 }).run(tree)
        }
    }

    private let good = #"{"q": "1?", "choices": ["a", "b"], "gold": 0}"#

    @Test func unknownKeysAreNamed() throws {
        let found = try refusal(["doc_to_choise": "choices"], rows: [good])
        #expect(found.contains("doc_to_choise") && found.contains("doc_to_choice"), "\(found)")
    }

    @Test func templatesThatFailNameTheirRow() throws {
        let found = try refusal(
            ["doc_to_text": "{{ hint.text }}"],
            rows: [#"{"q": "1?", "hint": {"text": "h"}, "choices": ["a", "b"], "gold": 0}"#, good])
        #expect(found.contains("doc_to_text") && found.contains("row 2"), "\(found)")
    }

    @Test func emptyChoicesNameTheirRow() throws {
        let none = try refusal([:], rows: [good, #"{"q": "2?", "choices": [], "gold": 0}"#])
        #expect(none.contains("row 2") && none.contains("no choices"), "\(none)")
        let empty = try refusal([:], rows: [#"{"q": "2?", "choices": ["a", ""], "gold": 0}"#])
        #expect(empty.contains("row 1") && empty.contains("choice 2 of 2 is empty"), "\(empty)")
        let beyond = try refusal([:], rows: [#"{"q": "2?", "choices": ["a"], "gold": 3}"#])
        #expect(beyond.contains("none of the 1 choices"), "\(beyond)")
    }

    /// A model that answers only some requests, or another kind of answer.
    @Test func answersThatNeverComeAreMissed() throws {
        let scratch = try Scratch()
        _ = try scratch.write(
            "rows.jsonl", [good, good.replacingOccurrences(of: "1?", with: "2?")].joined(separator: "\n"))
        let task = try TaskDefinition(
            [
                "task": "t", "dataset_path": "json", "dataset_kwargs": ["data_files": ["test": "rows.jsonl"]],
                "test_split": "test", "output_type": "multiple_choice", "doc_to_text": "{{q}}",
                "doc_to_choice": "choices", "doc_to_target": "gold", "metric_list": [["metric": "acc"]],
            ], from: "t.yaml", folder: scratch.path)
        var tree = TaskTree()
        (tree.tasks, tree.roots) = ([task], [.task("t")])
        let found = refusal { _ = try Evaluator(Silent()).run(tree) }
        #expect(found.contains("never"), "\(found)")
    }

    /// Answers every other request.
    private final class Silent: EvaluationModel {
        var identity: JSONObject { [:] }
        var name: String { "silent" }
        var chatTemplate: String? { nil }
        var notes: [String] { [] }
        func render(_ messages: [ChatMessage], opensReply: Bool) throws -> String { "" }
        func answer(
            _ requests: [EvaluationRequest], isCancelled: () -> Bool, receive: (Int, RequestAnswer) throws -> Void
        ) throws {
            for place in requests.indices where place % 2 == 0 { try receive(place, .score(-1, isGreedy: false)) }
        }
    }

    /// A tokenizer of ASCII without an unknown token: rows with anything else are left out, counted and told, and compared of
    /// no model.
    @Test(arguments: ["multiple_choice", "generate_until", "loglikelihood_rolling"])
    func rowsWithoutTokensAreLeftOut(_ output: String) throws {
        let scratch = try Scratch()
        try TinyModel().write(folder: scratch.path)
        let model = try LanguageModel(path: scratch.path)
        let rows = ["one", "zwölf", "two", "three"].map { word in
            let own = output == "multiple_choice" ? 0 : JSON.string(word)
            return JSON.object(["q": .string(word + "?"), "choices": ["a", "bb"], "gold": own]).text()
        }
        _ = try scratch.write("rows.jsonl", rows.joined(separator: "\n"))
        var source: JSONObject = [
            "task": "t", "dataset_path": "json", "dataset_kwargs": ["data_files": ["test": "rows.jsonl"]],
            "test_split": "test", "output_type": .string(output), "doc_to_text": "{{q}}", "doc_to_target": "gold",
        ]
        if output == "multiple_choice" { source["doc_to_choice"] = "choices" }
        if output == "generate_until" { source["generation_kwargs"] = ["until": ["."], "max_gen_toks": 4] }
        var tree = TaskTree()
        (tree.tasks, tree.roots) = (
            [try TaskDefinition(source, from: "t.yaml", folder: scratch.path)], [.task("t")]
        )
        func asked(_ identity: JSONObject) throws -> (results: [TaskResult], answered: Int) {
            let cache = try AnswerCache(path: scratch.file("answers.jsonl"), identity: identity)
            let evaluator = Evaluator(LocalModel(model, name: "tiny"), cache: cache)
            return (try evaluator.run(tree), evaluator.answered)
        }
        let (results, answered) = try asked(["model": "tiny"]), result = results[0]
        #expect(result.rowCount == 3 && result.totalRowCount == 4 && result.leftOut.map(\.row) == [1])
        #expect(result.samples.map(\.row) == [0, 2, 3] && result.scores.allSatisfy { $0.value.isFinite })
        let note = result.leftOutNote ?? ""
        #expect(note.contains("1 of 4 rows") && note.contains("row 2") && note.contains("ö"), "\(note)")
        // Kept as any answer: asked for once.
        let again = try asked(["model": "tiny"])
        #expect(answered > 0 && again.answered == 0 && again.results[0].leftOut.map(\.row) == [1])
        // A model that reads all rows is compared on those that both could read.
        let reader = try Evaluator(RuleModel { Double($0.utf8.count + $1.utf8.count) }).run(tree)
        #expect(reader[0].hash == result.hash && reader[0].rowCount == 4)
        let comparison = PairedComparison([("reader", reader), ("tiny", results)])
        #expect(comparison.omissions.contains { $0.contains("1 rows") && $0.contains("could not read") })
        #expect(comparison.pairs.allSatisfy { $0.rows == 3 })
        // As files say it.
        let file = ResultFile(
            modelName: "tiny", modelIdentity: [:], chatTemplate: nil, options: .init(), results: results)
        try file.write(to: scratch.path, time: "2026-01-31T12-00-00")
        let read = try ResultFolder(scratch.path)
        #expect(read.results[0].leftOut.map(\.row) == [1] && read.results[0].rowCount == 3)
        // One model that can read nothing at all has no numbers.
        _ = try scratch.write("rows.jsonl", rows[1])
        let nothing = refusal { _ = try Evaluator(LocalModel(model, name: "tiny")).run(tree) }
        #expect(nothing.contains("none of the rows") && nothing.contains("ö"), "\(nothing)")
    }

    @Test func answersOfOthersAreNotMixed() throws {
        let scratch = try Scratch(), path = scratch.file("answers.jsonl")
        _ = try AnswerCache(path: path, identity: ["model": "a"])
        let found = refusal { _ = try AnswerCache(path: path, identity: ["model": "b"]) }
        #expect(found.contains("another model"), "\(found)")
        let broken = try scratch.write("broken.jsonl", "{\"model\": {\"model\": \"a\"}, \"format\": 1}\nnonsense\n")
        let line = refusal { _ = try AnswerCache(path: broken, identity: ["model": "a"]) }
        #expect(line.contains("line 2"), "\(line)")
    }
}

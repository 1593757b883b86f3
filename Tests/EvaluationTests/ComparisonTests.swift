import Foundation
import MartletChat
import MartletJSON
import Testing
import TinyModels

import MartletEvaluation

struct ComparisonTests {
    /// Prefers choices by their length.
    private final class Taste: EvaluationModel {
        let name: String
        let sign: Double
        init(_ name: String, _ sign: Double) { (self.name, self.sign) = (name, sign) }
        var identity: JSONObject { ["model": .string(name)] }
        var chatTemplate: String? { nil }
        var notes: [String] { [] }
        func render(_ messages: [ChatMessage], opensReply: Bool) throws -> String { "" }
        func answer(
            _ requests: [EvaluationRequest], isCancelled: () -> Bool, receive: (Int, RequestAnswer) throws -> Void
        ) throws {
            for (place, request) in requests.enumerated() {
                guard case .logLikelihood(_, let text) = request else { continue }
                try receive(place, .score(sign * Double(text.count) - 100, isGreedy: false))
            }
        }
    }

    @Test func modelsAreComparedRowByRow() throws {
        let scratch = try Scratch()
        // The longer choice is right in nine rows of ten.
        let rows = (0..<20).map { index in
            #"{"q": "\#(index)?", "choices": ["a", "long"], "gold": \#(index % 10 == 0 ? 0 : 1)}"#
        }
        _ = try scratch.write("rows.jsonl", rows.joined(separator: "\n"))
        let definition: JSONObject = [
            "task": "t", "dataset_path": "json", "dataset_kwargs": ["data_files": ["test": "rows.jsonl"]],
            "test_split": "test", "output_type": "multiple_choice", "doc_to_text": "{{q}}", "doc_to_choice": "choices",
            "doc_to_target": "gold", "metric_list": [["metric": "acc"]],
        ]
        var tree = TaskTree()
        (tree.tasks, tree.roots) = (
            [try TaskDefinition(definition, from: "t.yaml", folder: scratch.path)], [.task("t")]
        )
        let models = try [Taste("short", -1), Taste("long", 1), Taste("again", 1)].map {
            (name: $0.name, results: try Evaluator($0).run(tree))
        }
        let comparison = PairedComparison(models)
        #expect(comparison.pairs.count == 3)
        let first = comparison.pairs[0]
        #expect(abs(first.difference - (0.1 - 0.9)) < 1e-12 && first.onlyFirst == 2 && first.onlySecond == 18)
        #expect(abs(first.p - PairedComparison.exactP(2, 18)) < 1e-15)
        // Two pairs are as sure: both times three; the third is certain to be no difference.
        #expect(abs(first.adjustedP - 3 * first.p) < 1e-15 && comparison.pairs[1].adjustedP == first.adjustedP)
        #expect(comparison.pairs[2].p == 1 && comparison.pairs[2].adjustedP == 1)
        #expect(comparison.ranking.map(\.rank) == [1.5, 1.5, 3] && comparison.ranking.last?.name == "short")
        let page = comparison.html
        #expect(page.contains("Leaderboard") && page.contains("Intervals of 95 %") && page.contains("browse-filter"))
        // A metric under several filters has a line for each, told apart.
        var filtered = models
        for index in filtered.indices {
            var score = filtered[index].results[0].scores[0]
            score.filter = "strict"
            filtered[index].results[0].scores.append(score)
        }
        let lines = PairedComparison(filtered).html
        #expect(lines.contains("asked\">t acc</text>") && lines.contains("asked\">t acc,strict</text>"))
        // Beside the intervals long names fit, and are told apart by their ends.
        let folder = "/a/folder/whose/name/is/longer/than/there/is/room/"
        let long = PairedComparison(
            ["first", "second"].enumerated().map { (name: folder + $1, results: models[$0].results) })
        let labels = long.html.split(separator: "text-anchor=\"end\">").dropFirst().compactMap {
            $0.split(separator: "<", omittingEmptySubsequences: false).first
        }
        #expect(labels.count == 2 && labels.allSatisfy { $0.count == 36 })
        #expect(labels[0].hasSuffix("room/first") && labels[1].hasSuffix("room/second"))
        // What was written is read again, and compares alike.
        let folders = try models.map { model in
            let folder = try Scratch()
            let file = ResultFile(
                modelName: model.name, modelIdentity: [:], chatTemplate: nil, options: .init(), results: model.results)
            try file.write(to: folder.path, time: "2026-01-31T12-00-00")
            return (folder: folder, read: try ResultFolder(folder.path))
        }
        try ResultFolder.demandSame(folders.map(\.read))
        let again = PairedComparison(folders.map { ($0.read.modelName, $0.read.results) })
        #expect(again.text == comparison.text)
        #expect(again.json["pairs"]?.array?.count == 3)
        #expect(folders.allSatisfy { $0.read.notes.isEmpty })
        // Other rows, another version, another number of examples: not mixed.
        func refusal(_ change: (inout TaskResult) -> Void) -> String {
            var other = models[1].results
            change(&other[0])
            do {
                try ResultFolder.demandSame([folders[0].read, ResultFolder(folders[1].read, results: other)])
                return ""
            } catch { return "\(error)" }
        }
        #expect(refusal { $0.hash = "0123" }.contains("task_hash"))
        #expect(refusal { $0.version = 9 }.contains("version"))
        #expect(refusal { $0.shotCount = 5 }.contains("n-shot"))
        #expect(throws: EvaluationError.self) { try ResultFolder(scratch.path) }
        #expect(throws: EvaluationError.self) { try ResultFolder(scratch.write("results_x.json", "{}")) }
    }

    /// What a model writes cannot become markup of the page.
    @Test func answersStayText() throws {
        let scratch = try Scratch()
        let markup = "</script><script>alert(1)</script><img src=x>"
        let row: JSON = ["q": .string(markup), "choices": [.string(markup), "<b>x</b>"], "gold": 0]
        _ = try scratch.write(
            "rows.jsonl", row.text() + "\n" + row.text().replacingOccurrences(of: "alert", with: "again"))
        let definition: JSONObject = [
            "task": "<t>", "dataset_path": "json", "dataset_kwargs": ["data_files": ["test": "rows.jsonl"]],
            "test_split": "test", "output_type": "multiple_choice", "doc_to_text": "{{q}}", "doc_to_choice": "choices",
            "doc_to_target": "gold", "metric_list": [["metric": "acc"]],
        ]
        var tree = TaskTree()
        (tree.tasks, tree.roots) = (
            [try TaskDefinition(definition, from: "t.yaml", folder: scratch.path)], [.task("<t>")]
        )
        let page = PairedComparison([("<m>", try Evaluator(Taste("a", 1)).run(tree))]).html
        #expect(page.contains("alert(1)"))
        #expect(!page.contains("<img") && !page.contains("<b>x") && !page.contains("alert(1)</script>"))
        #expect(!page.contains("<m>") && !page.contains("<t>"))
    }
}

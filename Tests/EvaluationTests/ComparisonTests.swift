import MartletChat
import MartletJSON
import Testing
import TinyModels

import MartletEvaluation

@Suite struct ComparisonTests {
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
        #expect(page.contains("Leaderboard") && page.contains("20 rows on which the models differ in acc"))
    }
}

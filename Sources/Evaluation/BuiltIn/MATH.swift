import MartletJSON
import MartletTraining

/// Problems whose answer is a formula in a box. Replies are judged by the equality of formulas, not of their spelling, so
/// numbers may lie above those of tasks that compare texts.
///
/// Source: Hendrycks et al. 2021b (MATH); Lightman et al. 2023 (its 500 problems for tests).
enum MATH {
    static let tasks: [(name: String, value: JSONObject)] = [
        ("math", task("math", "hendrycks/competition_math")), ("math_500", task("math_500", "HuggingFaceH4/MATH-500")),
    ]

    private static func task(_ name: String, _ dataset: String) -> JSONObject {
        [
            "task": .string(name), "dataset_path": .string(dataset), "output_type": "generate_until",
            "training_split": "train", "fewshot_split": "train", "test_split": "test",
            "doc_to_text": "Problem: {{problem}}\nAnswer:", "doc_to_target": "{{solution}}",
            "generation_kwargs": ["until": ["Problem:"], "max_gen_toks": 1024, "do_sample": false, "temperature": 0.0],
            "process_results": ["!function": "math.process_results"], "num_fewshot": 0,
            "metric_list": [["metric": "exact_match", "aggregation": "mean", "higher_is_better": true]],
            "metadata": ["version": 1.0],
        ]
    }

    @Sendable static func judge(
        _ row: JSONObject, _ answers: [RequestAnswer]
    ) throws -> [(metric: String, value: MetricValue)] {
        guard let reference = row["answer"]?.string ?? row["solution"]?.string else {
            throw EvaluationError("math", field: "solution", "a row has neither a solution nor an answer")
        }
        guard case .reply(let reply)? = answers.first else { return [] }
        return [("exact_match", .number(MathAnswer(reference).isGiven(in: reply) ? 1 : 0))]
    }
}

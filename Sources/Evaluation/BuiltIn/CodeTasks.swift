import MartletJSON
import Synchronization

/// Functions that a model writes, run with their tests in a sandbox: HumanEval (Chen et al. 2021) and MBPP (Austin et al.
/// 2021). Without a sandbox the evaluation ends before anything is asked.
enum CodeTasks {
    static let tasks: [(name: String, value: JSONObject)] = [
        (
            "humaneval",
            [
                "task": "humaneval", "tag": ["code"], "dataset_path": "openai/openai_humaneval",
                "output_type": "generate_until", "test_split": "test", "doc_to_text": "{{prompt}}",
                "doc_to_target": "{{test}}\ncheck({{entry_point}})",
                "process_results": [
                    "!function": "humaneval.process_results"
                ],
                "metric_list": [["metric": "pass@1"]],
                "generation_kwargs": [
                    "until": ["\nclass", "\ndef", "\n#", "\nif", "\nprint"], "max_gen_toks": 1024, "do_sample": false,
                ],
                "num_fewshot": 0, "metadata": ["version": 1.0],
            ]
        ),
        (
            "mbpp",
            [
                "task": "mbpp", "tag": ["code"], "dataset_path": "google-research-datasets/mbpp",
                "dataset_name": "full", "output_type": "generate_until", "test_split": "test",
                "doc_to_text":
                    "You are an expert Python programmer, and here is your task: {{text}} Your code should pass these tests:\n\n{{test_list[0]}}\n{{test_list[1]}}\n{{test_list[2]}}\n[BEGIN]\n",
                "doc_to_target": "{{test_list[0]}}\n{{test_list[1]}}\n{{test_list[2]}}", "target_delimiter": "",
                "process_results": ["!function": "mbpp.process_results"], "metric_list": [["metric": "pass@1"]],
                "generation_kwargs": ["until": ["[DONE]", "\n[END"], "do_sample": false], "num_fewshot": 0,
                "metadata": ["version": 1.0],
            ]
        ),
    ]

    /// Tried once.
    private static let sandbox = Mutex<Result<CodeSandbox, any Error>?>(nil)

    static func needSandbox() throws -> CodeSandbox {
        try sandbox.withLock { known in
            let found = known ?? Result { try CodeSandbox() }
            known = found
            return try found.get()
        }
    }

    /// Whether a task runs what a model wrote.
    static func runsCode(_ task: TaskDefinition) -> Bool {
        guard let name = task.judge?.name else { return false }
        return name.hasPrefix("humaneval") || name.hasPrefix("mbpp")
    }

    @Sendable static func judgeHumanEval(
        _ row: JSONObject, _ answers: [RequestAnswer]
    ) throws -> [(metric: String, value: MetricValue)] {
        guard let prompt = row["prompt"]?.string, let test = row["test"]?.string,
            let entry = row["entry_point"]?.string
        else { throw EvaluationError("humaneval", field: "prompt", "a row needs prompt, test and entry_point") }
        return try passed(answers) { "\(prompt)\($0)\n\n\(test)\n\ncheck(\(entry))" }
    }

    @Sendable static func judgeMBPP(
        _ row: JSONObject, _ answers: [RequestAnswer]
    ) throws -> [(metric: String, value: MetricValue)] {
        guard let tests = row["test_list"]?.array?.compactMap(\.string), !tests.isEmpty else {
            throw EvaluationError("mbpp", field: "test_list", "is missing")
        }
        let setup = row["test_setup_code"]?.string ?? ""
        return try passed(answers) { "\(setup)\n\(code($0))\n\n\(tests.joined(separator: "\n"))" }
    }

    private static func passed(
        _ answers: [RequestAnswer], program: (String) -> String
    ) throws -> [(metric: String, value: MetricValue)] {
        let sandbox = try needSandbox()
        var right = 0
        for answer in answers {
            guard case .reply(let reply) = answer else { continue }
            if try sandbox.run(program(reply)) == .passed { right += 1 }
        }
        return [("pass@1", .number(answers.isEmpty ? 0 : Double(right) / Double(answers.count)))]
    }

    /// What stands in a fence, where a reply has one.
    private static func code(_ reply: String) -> String {
        guard let start = reply.firstRange(of: "```") else { return reply }
        let behind = reply[start.upperBound...]
        let body = behind.firstIndex(of: "\n").map { behind[behind.index(after: $0)...] } ?? behind
        return String(body.firstRange(of: "```").map { body[..<$0.lowerBound] } ?? body)
    }
}

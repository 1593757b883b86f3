import MartletJSON

/// Zhou et al. 2023: prompts with instructions that a program can check. A reply is judged as it is (strict), and with
/// stars, first and last line taken away (loose), by prompt and by instruction.
package enum IFEval {
    static let task: (name: String, value: JSONObject) = (
        "ifeval",
        [
            "task": "ifeval", "dataset_path": "google/IFEval", "output_type": "generate_until", "test_split": "train",
            "num_fewshot": 0, "doc_to_text": "prompt", "doc_to_target": 0,
            "generation_kwargs": ["until": [], "do_sample": false, "temperature": 0.0, "max_gen_toks": 1280],
            "process_results": ["!function": "ifeval.process_results"],
            "metric_list": [
                ["metric": "prompt_level_strict_acc"], ["metric": "inst_level_strict_acc"],
                ["metric": "prompt_level_loose_acc"], ["metric": "inst_level_loose_acc"],
            ],
            "metadata": ["version": 4.0],
        ]
    )

    @Sendable package static func judge(
        _ row: JSONObject, _ answers: [RequestAnswer]
    ) throws -> [(metric: String, value: MetricValue)] {
        guard let names = row["instruction_id_list"]?.array?.compactMap(\.string), !names.isEmpty,
            let settings = row["kwargs"]?.array?.map({ $0.object ?? [:] }), settings.count == names.count
        else {
            throw EvaluationError("ifeval", field: "instruction_id_list", "is missing, or has not as many kwargs")
        }
        guard case .reply(let reply)? = answers.first else { return [] }
        let prompt = row["prompt"]?.string ?? ""
        var strict: [Bool] = [], loose: [Bool] = []
        let variants = variants(reply)
        for (name, setting) in zip(names, settings) {
            let check = try InstructionCheck(name, setting, prompt: prompt)
            strict.append(try !reply.spaceTrimmed.isEmpty && check.isFollowed(by: reply))
            loose.append(try variants.contains { try !$0.spaceTrimmed.isEmpty && check.isFollowed(by: $0) })
        }
        func value(_ followed: [Bool]) -> MetricValue { .number(followed.allSatisfy { $0 } ? 1 : 0) }
        func share(_ followed: [Bool]) -> MetricValue {
            .weighted(Double(followed.count { $0 }), Double(followed.count))
        }
        return [
            ("prompt_level_strict_acc", value(strict)), ("inst_level_strict_acc", share(strict)),
            ("prompt_level_loose_acc", value(loose)), ("inst_level_loose_acc", share(loose)),
        ]
    }

    /// A reply without its first line, its last, both, and each without stars.
    private static func variants(_ reply: String) -> [String] {
        let lines = reply.split(separator: "\n", omittingEmptySubsequences: false)
        let parts = [lines[...], lines.dropFirst(), lines.dropLast(), lines.dropFirst().dropLast()]
        let texts = [reply] + parts.dropFirst().map { $0.joined(separator: "\n").spaceTrimmed }
        return texts + texts.map { $0.replacing(all: "*", with: "") }
    }
}

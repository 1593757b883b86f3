import MartletJSON

/// The tasks whose definitions come with the library; their data are files that people have.
///
/// The definitions are those of lm-evaluation-harness, so that the numbers are the same.
package enum BuiltInTasks {
    static let all: [(name: String, value: JSONObject)] =
        [
            gsm8k, gsm8kStepByStep, gsm8kDirect, gsm8kSelfConsistency, HellaSwag.task, WinoGrande.task, WikiText.task,
            arcEasy, arcChallenge, piqa, boolQ, lambada, MMLU.group, CORE.group,
        ] + MMLU.categories + MMLU.tasks + MATH.tasks + TruthfulQA.tasks + [IFEval.task] + CodeTasks.tasks
        + LongContext.groups + LongContext.tasks + ChineseExams.groups + ChineseExams.tasks

    /// How many rows the published data have: what people supply is compared with them.
    package static let publishedRows: [String: Int] = [
        "gsm8k": 1319, "gsm8k_cot_zeroshot": 1319, "gsm8k_direct": 1319, "gsm8k_self_consistency": 1319,
        "hellaswag": 10_042, "winogrande": 1267, "piqa": 1838, "boolq": 3270, "arc_easy": 2376,
        "arc_challenge": 1172, "lambada_openai": 5153, "wikitext": 62,
        "math": 5000, "math_500": 500, "truthfulqa_mc1": 817, "truthfulqa_mc2": 817, "ifeval": 541, "humaneval": 164,
        "mbpp": 500,
    ].merging(MMLU.publishedRows.map { ("mmlu_" + $0.key, $0.value) }) { own, _ in own }
        .merging(ChineseExams.publishedRows) { own, _ in own }

    static let accuracy: JSON = [["metric": "acc", "aggregation": "mean", "higher_is_better": true]]
    static let bothAccuracies: JSON = [
        ["metric": "acc", "aggregation": "mean", "higher_is_better": true],
        ["metric": "acc_norm", "aggregation": "mean", "higher_is_better": true],
    ]

    /// Cobbe et al. 2021: sums in words; the answer stands behind `####`.
    static let gsm8k: (String, JSONObject) = (
        "gsm8k",
        [
            "task": "gsm8k", "tag": ["math_word_problems"], "dataset_path": "openai/gsm8k", "dataset_name": "main",
            "output_type": "generate_until", "training_split": "train", "fewshot_split": "train", "test_split": "test",
            "doc_to_text": "Question: {{question}}\nAnswer:", "doc_to_target": "{{answer}}",
            "metric_list": [gsm8kMatch],
            "generation_kwargs": [
                "until": ["Question:", "</s>", "<|im_end|>"], "do_sample": false, "temperature": 0.0,
            ],
            "repeats": 1, "num_fewshot": 5,
            "filter_list": [
                ["name": "strict-match", "filter": [gsm8kAnswer, ["function": "take_first"]]], gsm8kFlexible,
            ],
            "metadata": ["version": 3.0],
        ]
    )

    private static let gsm8kMatch: JSON = [
        "metric": "exact_match", "aggregation": "mean", "higher_is_better": true, "ignore_case": true,
        "ignore_punctuation": false, "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"],
    ]
    private static let gsm8kAnswer: JSON = ["function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"]

    private static let gsm8kFlexible: JSON = [
        "name": "flexible-extract",
        "filter": [
            ["function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"],
            ["function": "take_first"],
        ],
    ]

    /// Kojima et al. 2022: no examples, but the words that make a model reason first.
    static let gsm8kStepByStep: (String, JSONObject) = {
        var value = gsm8k.1
        value["task"] = "gsm8k_cot_zeroshot"
        value["doc_to_text"] = "Q: {{question}}\nA: Let's think step by step."
        value["generation_kwargs"] = ["until": ["Q:", "</s>", "<|im_end|>"], "do_sample": false]
        value["num_fewshot"] = 0
        value["filter_list"] = [
            [
                "name": "strict-match",
                "filter": [
                    ["function": "regex", "regex_pattern": "The answer is (\\-?[0-9\\.\\,]+)."],
                    ["function": "take_first"],
                ],
            ], gsm8kFlexible,
        ]
        return ("gsm8k_cot_zeroshot", value)
    }()

    /// Without a chain of thought: the examples give the number alone, and so few tokens are left that a model must too. Not
    /// a task of lm-evaluation-harness.
    static let gsm8kDirect: (String, JSONObject) = {
        var value = gsm8k.1
        value["task"] = "gsm8k_direct"
        value["doc_to_target"] = "{{answer.split('#### ')[-1]}}"
        value["generation_kwargs"] = [
            "until": ["Question:", "\n\n", "</s>", "<|im_end|>"], "max_gen_toks": 16, "do_sample": false,
            "temperature": 0.0,
        ]
        value["filter_list"] = [
            [
                "name": "first-number",
                "filter": [
                    ["function": "regex", "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"], ["function": "take_first"],
                ],
            ]
        ]
        value["metadata"] = ["version": 1.0]
        return ("gsm8k_direct", value)
    }()

    /// Wang et al. 2022: the answer that most of several drawn replies come to. Not a task of lm-evaluation-harness,
    /// whose variant has examples of its own.
    static let gsm8kSelfConsistency: (String, JSONObject) = {
        var value = gsm8k.1
        value["task"] = "gsm8k_self_consistency"
        value["tag"] = ["self_consistency"]
        value["repeats"] = 8
        value["generation_kwargs"] = [
            "until": ["Question:", "</s>", "<|im_end|>"], "do_sample": true, "temperature": 0.7,
        ]
        value["filter_list"] = [
            ["name": "score-first", "filter": [gsm8kAnswer, ["function": "take_first"]]],
            ["name": "maj@8", "filter": [gsm8kAnswer, ["function": "majority_vote"], ["function": "take_first"]]],
        ]
        value["metadata"] = ["version": 1.0]
        return ("gsm8k_self_consistency", value)
    }()

    private static func arc(_ name: String, _ dataset: String) -> (String, JSONObject) {
        (
            name,
            [
                "task": .string(name), "tag": ["ai2_arc"], "dataset_path": "allenai/ai2_arc",
                "dataset_name": .string(dataset), "output_type": "multiple_choice", "training_split": "train",
                "validation_split": "validation", "test_split": "test",
                "doc_to_text": "Question: {{question}}\nAnswer:",
                "doc_to_target": "{{choices.label.index(answerKey)}}", "doc_to_choice": "{{choices.text}}",
                "metric_list": bothAccuracies, "metadata": ["version": 1.0],
            ]
        )
    }

    /// Clark et al. 2018: science questions of schools.
    static let arcEasy = arc("arc_easy", "ARC-Easy")
    static let arcChallenge = arc("arc_challenge", "ARC-Challenge")

    /// Bisk et al. 2020: how things are done with things.
    static let piqa: (String, JSONObject) = (
        "piqa",
        [
            "task": "piqa", "dataset_path": "baber/piqa", "output_type": "multiple_choice", "training_split": "train",
            "validation_split": "validation", "doc_to_text": "Question: {{goal}}\nAnswer:", "doc_to_target": "label",
            "doc_to_choice": "{{[sol1, sol2]}}", "metric_list": bothAccuracies, "metadata": ["version": 1.0],
        ]
    )

    /// Clark et al. 2019: yes or no, by a passage.
    static let boolQ: (String, JSONObject) = (
        "boolq",
        [
            "task": "boolq", "tag": ["super-glue-lm-eval-v1"], "dataset_path": "aps/super_glue",
            "dataset_name": "boolq",
            "output_type": "multiple_choice", "training_split": "train", "validation_split": "validation",
            "doc_to_text": "{{passage}}\nQuestion: {{question}}?\nAnswer:", "doc_to_target": "label",
            "doc_to_choice": ["no", "yes"], "metric_list": accuracy, "metadata": ["version": 2.0],
        ]
    )

    /// Paperno et al. 2016: the last word of a passage.
    static let lambada: (String, JSONObject) = (
        "lambada_openai",
        [
            "task": "lambada_openai", "tag": ["lambada"], "dataset_path": "EleutherAI/lambada_openai",
            "dataset_name": "default", "output_type": "loglikelihood", "test_split": "test",
            "doc_to_text": "{{text.split(' ')[:-1]|join(' ')}}", "doc_to_target": "{{' '+text.split(' ')[-1]}}",
            "metric_list": [
                ["metric": "perplexity", "aggregation": "perplexity", "higher_is_better": false],
                ["metric": "acc", "aggregation": "mean", "higher_is_better": true],
            ],
            "metadata": ["version": 1.0],
        ]
    )
}

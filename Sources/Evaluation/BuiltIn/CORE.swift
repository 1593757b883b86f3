import MartletJSON

/// An average over tasks that differ in what guessing gives: the mean of (accuracy − baseline) / (1 − baseline), 0 for a
/// model that guesses and 1 for one that is always right, as CORE of DCLM (Li et al. 2024) averages. The tasks are the
/// built-in ones, so the number is not that of the paper's 22 tasks.
enum CORE {
    private static let baselines: [(task: String, baseline: Double)] = [
        ("arc_easy", 0.25), ("arc_challenge", 0.25), ("hellaswag", 0.25), ("piqa", 0.5), ("winogrande", 0.5),
        ("boolq", 0.62), ("lambada_openai", 0),
    ]

    static let group: (name: String, value: JSONObject) = (
        "core_like",
        [
            "group": "core_like", "task": .array(baselines.map { .string($0.task) }),
            "aggregate_metric_list": [
                [
                    "metric": "acc", "aggregation": "centered", "weight_by_size": false,
                    "baselines": .object(JSONObject(baselines.map { ($0.task, .number($0.baseline)) })),
                ]
            ],
            "metadata": ["version": 1],
        ]
    )
}

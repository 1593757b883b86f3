import MartletJSON

/// Hendrycks et al. 2021: 57 subjects, four choices each, five examples from the subject's own development set.
enum MMLU {
    private static let subjects: [(category: String, alias: String, names: [String])] = [
        (
            "mmlu_stem", "stem",
            [
                "abstract_algebra", "anatomy", "astronomy", "college_biology", "college_chemistry",
                "college_computer_science", "college_mathematics", "college_physics", "computer_security",
                "conceptual_physics", "electrical_engineering", "elementary_mathematics", "high_school_biology",
                "high_school_chemistry", "high_school_computer_science", "high_school_mathematics",
                "high_school_physics", "high_school_statistics", "machine_learning",
            ]
        ),
        (
            "mmlu_other", "other",
            [
                "business_ethics", "clinical_knowledge", "college_medicine", "global_facts", "human_aging",
                "management", "marketing", "medical_genetics", "miscellaneous", "nutrition", "professional_accounting",
                "professional_medicine", "virology",
            ]
        ),
        (
            "mmlu_social_sciences", "social sciences",
            [
                "econometrics", "high_school_geography", "high_school_government_and_politics",
                "high_school_macroeconomics", "high_school_microeconomics", "high_school_psychology",
                "human_sexuality", "professional_psychology", "public_relations", "security_studies", "sociology",
                "us_foreign_policy",
            ]
        ),
        (
            "mmlu_humanities", "humanities",
            [
                "formal_logic", "high_school_european_history", "high_school_us_history", "high_school_world_history",
                "international_law", "jurisprudence", "logical_fallacies", "moral_disputes", "moral_scenarios",
                "philosophy", "prehistory", "professional_law", "world_religions",
            ]
        ),
    ]

    private static let bySize: JSON = [["metric": "acc", "weight_by_size": true]]

    static let group: (String, JSONObject) = (
        "mmlu",
        [
            "group": "mmlu", "task": .array(subjects.map { .string($0.category) }), "aggregate_metric_list": bySize,
            "metadata": ["version": 2],
        ]
    )

    static let categories: [(name: String, value: JSONObject)] = subjects.map { entry in
        (
            entry.category,
            [
                "group": .string(entry.category), "group_alias": .string(entry.alias),
                "task": .array(entry.names.map { .string("mmlu_\($0)") }), "aggregate_metric_list": bySize,
                "metadata": ["version": 2],
            ]
        )
    }

    static let tasks: [(name: String, value: JSONObject)] = subjects.flatMap { entry in
        entry.names.map { name in
            let title = name.replacing(all: "_", with: " ")
            let value: JSONObject = [
                "task": .string("mmlu_\(name)"), "task_alias": .string(title), "dataset_path": "cais/mmlu",
                "dataset_name": .string(name), "test_split": "test", "fewshot_split": "dev",
                "fewshot_config": ["sampler": "first_n"], "output_type": "multiple_choice",
                "description": .string(
                    "The following are multiple choice questions (with answers) about \(title).\n\n"),
                "doc_to_text":
                    "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
                "doc_to_choice": ["A", "B", "C", "D"], "doc_to_target": "answer",
                "metric_list": BuiltInTasks.accuracy, "metadata": ["version": 1.0],
            ]
            return ("mmlu_\(name)", value)
        }
    }
}

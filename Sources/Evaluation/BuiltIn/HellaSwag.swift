import MartletJSON
import MartletSystem

/// Zellers et al. 2019: which ending follows.
enum HellaSwag {
    static let task: (String, JSONObject) = (
        "hellaswag",
        [
            "task": "hellaswag", "tag": ["multiple_choice"], "dataset_path": "Rowan/hellaswag",
            "output_type": "multiple_choice", "training_split": "train", "validation_split": "validation",
            "process_docs": ["!function": "utils.process_docs"], "doc_to_text": "{{query}}",
            "doc_to_target": "{{label}}", "doc_to_choice": "choices", "metric_list": BuiltInTasks.bothAccuracies,
            "metadata": ["version": 1.0],
        ]
    )

    /// Adds the question, the endings without marks of the source's layout, and the right one.
    @Sendable static func row(_ row: JSONObject) throws -> JSONObject {
        let first = row["ctx_a"]?.string ?? "", second = row["ctx_b"]?.string ?? ""
        let label = row["label"] ?? .null
        guard let endings = row["endings"]?.array, let activity = row["activity_label"]?.string,
            let gold = label.integer ?? label.string.flatMap({ Int($0) })
        else {
            throw EvaluationError(
                "hellaswag",
                "a row needs ctx_a, ctx_b, activity_label, endings and label; there are \(row.keys.joined(separator: ", "))"
            )
        }
        let capital = second.prefix(1).uppercased() + second.dropFirst().lowercased()
        return row.with("query", .string(try plain("\(activity): \(first) \(capital)")))
            .with("choices", .array(try endings.map { .string(try plain($0.string ?? "")) }))
            .with("gold", .integer(Int64(gold)))
    }

    private static func plain(_ text: String) throws -> String {
        let text = text.spaceTrimmed.replacing(all: " [title]", with: ". ")
        return try PythonRegex("\\[.*?\\]").replacing(in: text, with: "").replacing(all: "  ", with: " ")
    }
}

/// Sakaguchi et al. 2019: whom a sentence means. Both beginnings are scored by the ending they share.
enum WinoGrande {
    static let task: (String, JSONObject) = (
        "winogrande",
        [
            "task": "winogrande", "dataset_path": "allenai/winogrande", "dataset_name": "winogrande_xl",
            "output_type": "multiple_choice", "training_split": "train", "validation_split": "validation",
            "doc_to_text": ["!function": "preprocess_winogrande.doc_to_text"],
            "doc_to_target": ["!function": "preprocess_winogrande.doc_to_target"],
            "doc_to_choice": ["!function": "preprocess_winogrande.doc_to_choice"],
            "metric_list": BuiltInTasks.accuracy, "metadata": ["version": 1.0],
        ]
    )

    private static func parts(_ row: JSONObject) throws -> (before: String, after: String) {
        guard let sentence = row["sentence"]?.string, let blank = sentence.firstIndex(of: "_") else {
            throw EvaluationError("winogrande", field: "sentence", "there is no blank (_) in it")
        }
        return (String(sentence[..<blank]), String(sentence[sentence.index(after: blank)...]))
    }

    @Sendable static func answer(_ row: JSONObject) throws -> JSON {
        let answer = row["answer"]?.string ?? row["answer"]?.integer.map { String($0) }
        switch answer {
        case "1": return 0
        case "2": return 1
        default:
            throw EvaluationError("winogrande", field: "answer", "is \(answer?.quoted() ?? "missing"), expected 1 or 2")
        }
    }

    @Sendable static func ending(_ row: JSONObject) throws -> JSON { .string(try parts(row).after.spaceTrimmed) }

    @Sendable static func beginnings(_ row: JSONObject) throws -> JSON {
        let before = try parts(row).before
        return .array(["option1", "option2"].map { .string(before + (row[$0]?.string ?? "")) })
    }
}

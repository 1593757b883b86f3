import MartletFormats
import MartletJSON

/// Any text as a task: its perplexity by words and bytes, and bits per byte, which compare models of different tokenizers.
enum PlainText {
    static let dataset = "martlet/text"

    static func definition(_ path: String) -> JSONObject {
        let name = path.split(separator: "/").last?.split(separator: ".").first.map { String($0) } ?? "text"
        return [
            "task": .string(name), "dataset_path": .string(dataset),
            "dataset_kwargs": ["data_files": ["test": .string(path)]], "output_type": "loglikelihood_rolling",
            "test_split": "test", "doc_to_text": "", "doc_to_target": "{{text}}",
            "metric_list": [
                ["metric": "word_perplexity"], ["metric": "byte_perplexity"], ["metric": "bits_per_byte"],
            ],
            "metadata": ["version": 1.0],
        ]
    }

    static func rows(_ paths: [String]) throws -> [JSONObject] {
        try paths.map { path in
            let bytes = try Folder.read(path, limit: 1 << 30)
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw EvaluationError(path, "is not UTF-8")
            }
            guard !text.isEmpty else { throw EvaluationError(path, "is empty") }
            return ["text": .string(text)]
        }
    }
}

import MartletData
import MartletJSON
import MartletSystem

/// Where the files of published data sets lie in a folder of data, and what their rows look like there.
enum PublishedShape {
    private static let endings = ["jsonl", "json", "csv", "parquet", "jsonl.gz", "jsonl.zst"]

    /// Names to look for, the likeliest first: `gsm8k_test.jsonl`, `gsm8k/main/test.jsonl`, ….
    static func places(dataset: String, name: String?, split: String) -> [String] {
        let short = String(dataset.split(separator: "/").last ?? "")
        if isMMLU(dataset), let name {
            let file = split == "validation" ? "val" : split
            return ["mmlu/\(name)_\(file).csv", "mmlu/\(file)/\(name)_\(file).csv"]
                + ["mmlu/\(name)/\(split).jsonl", "mmlu/\(name)/\(split).parquet"]
        }
        var places: [String] = []
        if short.hasPrefix("wikitext") { places += ["wikitext2-\(split == "validation" ? "valid" : split).txt"] }
        // Names that the data sets' own pages use.
        switch short.lowercased() {
        case "boolq", "super_glue":
            places += split == "validation" ? ["boolq/dev.jsonl", "boolq/val.jsonl"] : ["boolq/\(split).jsonl"]
        case "winogrande":
            places += split == "validation" ? ["winogrande/dev.jsonl"] : ["winogrande/train_xl.jsonl"]
        case "hellaswag": places += ["hellaswag/hellaswag_\(split == "validation" ? "val" : split).jsonl"]
        case "piqa": places += ["piqa/\(split == "validation" ? "valid" : split).jsonl"]
        case "ai2_arc":
            if let name {
                places += [
                    "\(name)/\(name)-\(split == "validation" ? "Dev" : split == "train" ? "Train" : "Test").jsonl"
                ]
            }
        case "lambada_openai": places += ["lambada_test.jsonl", "lambada/lambada_test.jsonl"]
        case "truthful_qa", "truthfulqa": places += ["truthfulqa/mc_task.json"]
        case "competition_math": places += ["math/\(split).jsonl", "MATH/\(split).jsonl"]
        case "math-500": places += ["math_500/\(split).jsonl", "math500.jsonl"]
        case "ifeval": places += ["ifeval/input_data.jsonl", "ifeval.jsonl"]
        case "openai_humaneval": places += ["humaneval/HumanEval.jsonl", "HumanEval.jsonl", "HumanEval.jsonl.gz"]
        case "mbpp": places += ["mbpp/mbpp.jsonl", "mbpp.jsonl"]
        case "ceval-exam":
            if let name { places += ["ceval/\(split)/\(name)_\(split).csv", "ceval/\(name)_\(split).csv"] }
        case "cmmlu":
            if let name { places += ["cmmlu/\(split)/\(name).csv", "cmmlu/\(name)_\(split).csv"] }
        default: break
        }
        for ending in endings { places.append("\(short)_\(split).\(ending)") }
        for ending in endings {
            if let name { places += ["\(short)/\(name)/\(split).\(ending)", "\(name)_\(split).\(ending)"] }
            places.append("\(short)/\(split).\(ending)")
        }
        return places
    }

    private static func isMMLU(_ dataset: String) -> Bool {
        ["cais/mmlu", "hails/mmlu_no_train", "mmlu"].contains(dataset)
    }

    /// The rows of a file, in the columns that the task files of lm-evaluation-harness name.
    static func rows(_ file: String, dataset: String, columns: [String]?) throws -> [JSONObject] {
        if isMMLU(dataset), file.hasSuffix(".csv") { return try mmlu(file) }
        let short = String(dataset.split(separator: "/").last ?? "").lowercased()
        if short.hasPrefix("wikitext"), file.hasSuffix(".txt") { return try wikitext(file) }
        if short == "mbpp", file.hasSuffix("mbpp.jsonl") {
            // One file for all splits: problems 11 to 510 are the test.
            return try RecordFile.rows(file, columns: columns).filter { row in
                row["task_id"]?.integer.map { (11...510).contains($0) } ?? true
            }
        }
        return try RecordFile.rows(file, columns: columns).map { row in
            switch short {
            case "boolq", "super_glue":
                guard row["label"] == nil, let answer = row["answer"]?.bool else { return row }
                return row.with("label", .integer(answer ? 1 : 0))
            case "ai2_arc":
                // The published archive nests the question.
                guard let stem = row["question"]?["stem"], let choices = row["question"]?["choices"]?.array else {
                    return row
                }
                return row.with("question", stem).with(
                    "choices",
                    [
                        "text": .array(choices.map { $0["text"] ?? "" }),
                        "label": .array(choices.map { $0["label"] ?? "" }),
                    ])
            case "truthful_qa", "truthfulqa":
                return ["mc1_targets", "mc2_targets"].reduce(row) { row, key in
                    guard let targets = row[key]?.object, targets["choices"] == nil else { return row }
                    return row.with(
                        key,
                        ["choices": .array(targets.keys.map { .string($0) }), "labels": .array(targets.map(\.value))])
                }
            default: return row
            }
        }
    }

    /// Rows without a head: question, four choices, the letter of the right one.
    private static func mmlu(_ file: String) throws -> [JSONObject] {
        let columns = ["question", "A", "B", "C", "D", "letter"]
        let subject = String(file.split(separator: "/").last ?? "").split(separator: "_").dropLast().joined(
            separator: "_")
        return try RecordFile.rows(file, columns: columns).enumerated().map { index, row in
            guard let letter = row["letter"]?.string, let answer = ["A", "B", "C", "D"].firstIndex(of: letter) else {
                throw DataError(
                    .malformed, path: file, place: "row \(index + 1)",
                    "the last field is \(row["letter"]?.text() ?? ""), expected A, B, C or D")
            }
            return [
                "question": row["question"] ?? "", "subject": .string(subject),
                "choices": .array(["A", "B", "C", "D"].map { row[$0] ?? "" }), "answer": .integer(Int64(answer)),
            ]
        }
    }

    /// Articles, which begin with a line ` = Title = `, as rows with the column `page`.
    private static func wikitext(_ file: String) throws -> [JSONObject] {
        var pages: [[String]] = []
        for row in try RecordFile.rows(file) {
            let line = row["text"]?.string ?? ""
            let isTitle = line.hasPrefix(" = ") && !line.hasPrefix(" = = ") && line.spaceTrimmed.hasSuffix(" =")
            if isTitle || pages.isEmpty { pages.append([]) }
            pages[pages.count - 1].append(line)
        }
        return pages.filter { $0.contains { !$0.spaceTrimmed.isEmpty } }
            .map { ["page": .string($0.joined(separator: "\n"))] }
    }
}

extension JSONObject {
    func with(_ key: String, _ value: JSON) -> JSONObject {
        var copy = self
        copy[key] = value
        return copy
    }
}

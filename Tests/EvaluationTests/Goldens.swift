import Foundation
import MartletJSON
import Testing
import TinyModels

import MartletEvaluation

/// What the oracle's programs say: see Goldens/make_goldens.py.
enum Goldens {
    static let harness = read("harness.json")

    static func read(_ name: String, file: String = #filePath) -> JSON {
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent().path
        let bytes = FileManager.default.contents(atPath: "\(folder)/Goldens/\(name)") ?? Data()
        return (try? JSON(parsing: Array(bytes))) ?? .null
    }

    /// The rows of the oracle's tasks as files, and the definition with these files.
    static func definition(_ source: JSON, in scratch: Scratch) throws -> TaskDefinition {
        let rows = try #require(harness["rows"]?.array)
        for (split, part) in [("test", rows[..<12]), ("train", rows[12...])] {
            _ = try scratch.write("\(split).jsonl", part.map { $0.text() }.joined(separator: "\n") + "\n")
        }
        var merged = try #require(harness["base"]?.object)
        for (key, value) in source.object ?? [:] { merged[key] = value }
        merged["dataset_kwargs"] = ["data_files": ["test": "test.jsonl", "train": "train.jsonl"]]
        return try TaskDefinition(merged, from: scratch.file("task.yaml"), folder: scratch.path)
    }
}

func isNear(_ a: Double, _ b: Double, _ tolerance: Double = 1e-6) -> Bool {
    (a.isNaN && b.isNaN) || abs(a - b) <= tolerance * max(1, abs(b))
}

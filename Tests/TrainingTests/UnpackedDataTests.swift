import Foundation
import MartletTraining
import Testing

/// What is said to who trains on data that is not packed.
struct UnpackedDataTests {
    @Test func theNextStepIsNamed() throws {
        let folder = NSTemporaryDirectory() + "martlet-unpacked-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder + "/texts", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for name in ["a.txt", "b.jsonl", "c.shard", "d.pdf", "texts/a.txt"] {
            try Data("x".utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        }
        for (name, words) in [
            ("a.txt", "is text, not token shards; pack it first: martlet data pack \(folder)/a.txt --tokenizer"),
            ("b.jsonl", "is records, not token shards"), ("c.shard", "name the folder it lies in"),
            ("d.pdf", "is no folder of token shards"), ("texts", "files that are not packed (a.txt)"),
            ("absent", "is not there"),
        ] {
            #expect { try TrainingData(folder: "\(folder)/\(name)") } throws: { "\($0)".contains(words) }
        }
    }
}

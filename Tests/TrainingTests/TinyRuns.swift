import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletTraining
import Testing
import TinyModels

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Runs of a few steps on text that can be learnt.
protocol TinyRuns {}

extension TinyRuns {
    /// An empty folder of its own.
    func emptyFolder(_ name: String) throws -> String { try ProcessScratch.folder(name) }

    /// A folder of its own with a tiny model in `model`, whose context holds a short conversation.
    func modelFolder(_ name: String) throws -> String {
        let folder = try emptyFolder(name)
        var model = TinyModel()
        model.contextLength = 256
        mkdir(folder + "/model", 0o755)
        try model.write(folder: folder + "/model")
        return folder
    }

    /// The same with a tiny text encoder.
    func encoderFolder(_ name: String) throws -> String {
        let folder = try emptyFolder(name)
        mkdir(folder + "/model", 0o755)
        try TinyEncoder.write(folder: folder + "/model")
        return folder
    }

    /// Writes rows as lines of JSON, and gives the path.
    func write(_ rows: [JSON], _ path: String) throws -> String {
        try AtomicFile.write(path, bytes: Array((rows.map { $0.text() }.joined(separator: "\n") + "\n").utf8))
        return path
    }

    /// A folder of its own, with the tiny tokenizer and shards of text that can be learnt.
    func scratch(_ name: String, documents: Int = 60) throws -> String {
        let folder = try emptyFolder(name)
        mkdir(folder + "/data", 0o755)
        try TinyModel().write(folder: folder + "/data")
        let tokenizer = try ModelFiles(path: folder + "/data").tokenizer()
        let identity = VocabularyIdentity(tokenizer)
        for (prefix, seeds) in [("train", 0..<documents), ("validation", 1000..<1010)] {
            let writer = try TokenShardWriter(path: "\(folder)/data/\(prefix)-0.shard", vocabulary: identity)
            for seed in seeds {
                let text = (0..<20).map { "\($0 + seed % 7) is \($0 + 1 + seed % 7). " }.joined()
                try writer.append(tokenizer.encode(text, addSpecialTokens: false), sourceByteCount: text.utf8.count)
            }
            try writer.finish()
        }
        return folder
    }

    func options(_ more: [String: JSON] = [:]) throws -> TrainingOptions {
        var options = TrainingOptions()
        let usual: [String: JSON] = [
            "depth": 2, "hidden_size": 32, "heads": 4, "context_length": 32, "batch_rows": 4, "micro_batches": 2,
            "steps": 12, "warmup": 2, "save_every": 4, "evaluate_every": 6, "evaluation_rows": 4, "log_every": 1,
        ]
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, value) }
        return options
    }

    func weights(_ run: String) throws -> [UInt8] { try Folder.read(run + "/model.safetensors") }

    /// Trains with a stop after some steps, and goes on from there to the end.
    func trainInTwoGoes(
        stoppingAfter stop: Int, sourceLocation: SourceLocation = #_sourceLocation, _ trainer: () throws -> Trainer
    ) throws {
        var steps = 0
        let isDone = try trainer().train(isInterrupted: { steps == stop }) { if case .step = $0 { steps += 1 } }
        #expect(!isDone, sourceLocation: sourceLocation)
        let second = try trainer()
        #expect(try second.resume().checkpoint?.step == stop, sourceLocation: sourceLocation)
        #expect(try second.train { _ in }, sourceLocation: sourceLocation)
    }

    /// Trains `whole` at once, and `parts` in two goes with a stop after five steps: they must end with the same bits.
    /// - Parameters:
    ///   - data: the folder's own when left out.
    ///   - atResume: given the trainer that was stopped and the one that goes on, before it does.
    func expectSameBitsWhenResumed(
        _ folder: String, _ options: TrainingOptions, _ data: TrainingData? = nil,
        atResume: (Trainer, Trainer) throws -> Void = { _, _ in }
    ) throws {
        let data = try data ?? TrainingData(folder: folder + "/data")
        try Trainer(run: folder + "/whole", options: options, data: data).train { _ in }
        var steps = 0
        let first = try Trainer(run: folder + "/parts", options: options, data: data)
        let isDone = try first.train(isInterrupted: { steps == 5 }) { if case .step = $0 { steps += 1 } }
        #expect(!isDone && steps == 5)
        let second = try Trainer(run: folder + "/parts", options: options, data: data)
        #expect(try second.resume().checkpoint?.step == 5)
        try atResume(first, second)
        #expect(try second.train { _ in })
        #expect(try weights(folder + "/whole") == weights(folder + "/parts"))
    }

    /// What an error says; "" where there is none.
    func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return ""
        } catch {
            return "\(error)"
        }
    }
}

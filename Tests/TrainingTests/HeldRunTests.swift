import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletNN
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

/// The bits that short runs end with, held from one version to the next: XXH64 of weights and optimiser state, which are
/// the same on every machine.
struct HeldRunTests: TinyRuns {
    /// "model optimizer weights", as the newest checkpoint's manifest has them.
    private func hashes(_ run: String) throws -> [String] {
        let last = try #require(TrainingCheckpoint.list(run: run).usable.last)
        let manifest = try JSON(parsing: Folder.read(last.path + "/manifest.json"))
        return ["model", "optimizer", "weights"].compactMap {
            manifest["files"]?[$0 + ".safetensors"]?["xxh64"]?.string
        }
    }

    private static let runs: [(options: [String: JSON], hashes: [String])] = [
        ([:], ["43162a54cf5f1983", "0a8e96e9eeb29652"]),
        (
            ["optimizer": "muon", "ema": 0.9, "precision": "bf16", "dropout": 0.1, "attention_dropout": 0.1],
            ["197b68944841989a", "ef0742eb7dd3d5f3", "12b808f2193645b8"]
        ),
        (
            ["optimizer": "adafactor", "precision": "fp16", "z_loss": 1e-3, "label_smoothing": 0.1],
            ["1e7d5145afd58a20", "604b70377e9f5dd8", "a29756300a7d0ba5"]
        ),
        (
            ["optimizer": "lion", "layout": "packed", "schedule": "wsd", "clip": 0.1, "micro_batches": 3],
            ["43214829656aaa90", "eca64876d097ca66"]
        ),
    ]

    /// Layers that are computed again end with the same bits.
    @Test(arguments: 0..<runs.count, ["none", "layers"])
    func aRunEndsWithTheBitsItAlwaysHad(_ index: Int, recompute: String) throws {
        var (more, wanted) = Self.runs[index]
        more["recompute"] = .string(recompute)
        let folder = try scratch("held-\(index)-\(recompute)")
        let trainer = try Trainer(
            run: folder + "/run", options: options(more), data: TrainingData(folder: folder + "/data"))
        try trainer.train { _ in }
        #expect(try hashes(folder + "/run") == wanted)
    }

    /// Conversations, of which the replies alone are trained on.
    @Test func fineTuningEndsWithTheBitsItAlwaysHad() throws {
        let folder = try tinyModelFolder("held-sft")
        let model = try StartingModel(path: folder + "/model")
        let chats = (0..<32).map {
            """
            {"messages": [{"role": "user", "content": "say \($0 % 4)"}, {"role": "assistant", "content": "ok \($0 % 4)"}]}

            """
        }.joined()
        try AtomicFile.write(folder + "/chats.jsonl", bytes: Array(chats.utf8))
        var packing = PackOptions()
        packing.validation = 0.1
        packing.split = .documents
        let packer = CorpusPacker(
            try Corpus([folder + "/chats.jsonl"]), encoder: try model.chatEncoder().documentEncoder(separator: nil),
            options: packing)
        _ = try packer.pack(into: folder + "/shards", tokenizerFolder: folder + "/model")
        var options = TrainingOptions()
        for (key, value) in ["epochs": 2, "batch_rows": 2, "context_length": 128] as [String: JSON] {
            try options.set(key, value)
        }
        let trainer = try Trainer(
            run: folder + "/run", options: options, data: TrainingData(folder: folder + "/shards"), from: model)
        try trainer.train { _ in }
        #expect(try hashes(folder + "/run") == ["5e262f24da9b0d26", "956c5c538a5df8f2"])
    }

    /// Two steps of two updates each on replies that are given.
    @Test func learningFromRewardsEndsWithTheBitsItAlwaysHad() throws {
        let folder = try tinyModelFolder("held-policy")
        let model = try StartingModel(path: folder + "/model")
        var objective = GroupRelativePolicy(model.decoder)
        objective.temperature = 0.8
        let loop = try StepLoop(model.parameters) { OptimizerKind.adamw.make($0, OptimizerKind.Numbers(beta2: 0.95)) }
        for step in 0..<2 {
            let advantages = GroupRelativePolicy.advantages([0, 1, 0.5, 0], groupSize: 4)
            let samples = (0..<4).map { GroupRelativePolicy.Sample(replyOf(step, $0), advantage: advantages[$0]) }
            for _ in 0..<2 { _ = try loop.step(objective, number: step, rate: 1e-3) { [samples] } }
        }
        try SafetensorsWriter.write(
            model.parameters.map { ($0.name, $0.tensor.detach()) }, to: folder + "/weights.safetensors")
        let found = try hash(folder + "/weights.safetensors")
        #expect(found == "24d9a10cd379e667", "\(found)")
    }

    private func replyOf(_ step: Int, _ number: Int) -> Rollout {
        var tokens: [Int32] = [], chances: [Float] = []
        for place in 0..<6 {
            tokens.append(Int32(8 + (number * 5 + place * 3) % 20))
            chances.append(-3 - 0.25 * Float((number + place) % 5))
        }
        return Rollout(
            prompt: [Int32(5 + step), 6, 7], reply: tokens, logProbabilities: chances, isFinished: true)
    }

    private func hash(_ path: String) throws -> String {
        var hash = HashXX64()
        try Folder.read(path).withUnsafeBytes { hash.update($0) }
        return String(hash.value, radix: 16)
    }

    private func tinyModelFolder(_ name: String) throws -> String {
        let folder = try emptyFolder(name)
        var model = TinyModel()
        model.contextLength = 256
        mkdir(folder + "/model", 0o755)
        try model.write(folder: folder + "/model")
        return folder
    }
}

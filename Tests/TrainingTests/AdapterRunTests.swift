import MartletAdapters
import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTraining
import Testing
import TinyModels

/// Runs that train an adapter: what they hold, that they resume bit for bit, and that what they leave is read again.
struct AdapterRunTests: TinyRuns {
    private let chats = (0..<32).map {
        """
        {"messages": [{"role": "user", "content": "say \($0 % 4)"}, {"role": "assistant", "content": "ok \($0 % 4)"}]}

        """
    }.joined()

    /// A folder with the tiny model as GGUF file, and the conversations as shards.
    private func prepared(_ name: String) throws -> (folder: String, data: TrainingData) {
        let folder = try modelFolder(name)
        var tiny = TinyModel()
        tiny.contextLength = 256
        try tiny.write(gguf: folder + "/tiny.gguf")
        try AtomicFile.write(folder + "/chats.jsonl", bytes: Array(chats.utf8))
        var options = PackOptions()
        options.split = .documents
        let model = try StartingModel(path: folder + "/tiny.gguf")
        let packer = CorpusPacker(
            try Corpus([folder + "/chats.jsonl"]), encoder: try model.chatEncoder().documentEncoder(separator: nil),
            options: options)
        _ = try packer.pack(into: folder + "/shards", tokenizerFolder: folder + "/model")
        return (folder, try TrainingData(folder: folder + "/shards"))
    }

    private func options(_ method: String, _ more: [String: JSON] = [:]) throws -> TrainingOptions {
        var options = TrainingOptions(for: .tuning)
        let usual: [String: JSON] = [
            "adapter": .string(method), "rank": method == "none" ? 16 : 4, "batch_rows": 2, "context_length": 128,
            "steps": 8, "save_every": 4, "learning_rate": 0.01, "log_every": 1,
        ]
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, value) }
        return options
    }

    private func trainer(
        _ folder: String, _ data: TrainingData, _ options: TrainingOptions, run: String
    ) throws -> (Trainer, StartingModel) {
        let resolved = try ResolvedOptions(options, vocabularySize: 0)
        let model = try StartingModel(path: folder + "/tiny.gguf", adapter: resolved.adapter)
        return (try Trainer(run: folder + "/" + run, options: options, data: data, from: model), model)
    }

    private func logits(_ decoder: Decoder) throws -> [Float] {
        try noGrad {
            let ids: [Int32] = [5, 6, 7, 8, 40, 41, 42]
            return try decoder.logits(decoder.hiddenStates(ids, segments: [0..<7])).toArray()
        }
    }

    @Test(arguments: ["lora", "dora", "pissa", "prompt", "p-tuning", "bitfit", "freeze"])
    func aRunIsAnAdapterOfItsBase(_ method: String) throws {
        let (folder, data) = try prepared("adapter-\(method)")
        if method == "bitfit" {
            // The tiny Llama has no biases.
            #expect(throws: AdapterError.self) { try self.trainer(folder, data, options(method), run: "none") }
            return
        }
        let (trainer, model) = try self.trainer(
            folder, data, options(method, method == "freeze" ? ["adapter_layers": "1"] : [:]), run: "run")
        let adapter = try #require(model.adapter), stored = model.decoder.tree.storedTensors
        var losses: [Double] = []
        try trainer.train { if case .step(let report) = $0 { losses.append(report.loss) } }
        #expect(try #require(losses.last) < #require(losses.first), "\(losses)")
        // The base is not touched: its weights are still those of the file.
        if method != "freeze" {
            #expect(zip(stored, model.decoder.tree.storedTensors).allSatisfy { $0.storage === $1.storage })
        }
        let names = Set(Folder.files(folder + "/run/checkpoints/step-00000008"))
        #expect(names.isSuperset(of: ["adapter_config.json", "adapter_model.safetensors", "optimizer.safetensors"]))
        #expect(!names.contains("model.safetensors") && !names.contains("config.json"))
        let state = try SafetensorsFile(path: folder + "/run/checkpoints/step-00000008/optimizer.safetensors")
        #expect(state.names.count == 2 * adapter.parameters.count)
        // Read again, on the file of its base.
        #expect(PEFTFolder.isAdapter(folder + "/run"))
        let read = try PEFTFolder.read(folder + "/run")
        #expect(read.configuration.base == folder + "/tiny.gguf")
        #expect(try read.baseFingerprint == BaseFingerprint.of(Checkpoint(path: folder + "/model").decoder()))
        let files = try ModelFiles(path: folder + "/tiny.gguf", adapters: [AdapterReference(folder + "/run")])
        let again = try logits(files.decoder()), trained = try logits(model.decoder)
        #expect(zip(again, trained).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    @Test(arguments: ["lora", "dora", "pissa", "p-tuning"]) func aRunIsResumedBitForBit(_ method: String) throws {
        let (folder, data) = try prepared("resumed-\(method)")
        let more: [String: JSON] = method == "lora" ? ["adapter_dropout": 0.1, "neftune_alpha": 5] : [:]
        let (whole, model) = try trainer(folder, data, options(method, more), run: "whole")
        try whole.train { _ in }
        let (first, _) = try trainer(folder, data, options(method, more), run: "halves")
        var steps = 0
        _ = try first.train(isInterrupted: { steps == 4 }) { if case .step = $0 { steps += 1 } }
        let (second, other) = try trainer(folder, data, options(method, more), run: "halves")
        #expect(try second.resume().checkpoint?.step == 4)
        try second.train { _ in }
        for (one, two) in zip(try #require(model.adapter).parameters, try #require(other.adapter).parameters) {
            #expect(try one.tensor.detach().toArray(as: Float.self) == two.tensor.detach().toArray(), "\(one.name)")
        }
    }

    /// What a layer ends with is not computed a second time, and no bit depends on it, nor on what adapters drop.
    @Test(arguments: ["lora", "dora"], [0, 0.25])
    func layersComputedAgainLearnTheSame(_ method: String, _ dropout: Double) throws {
        let (folder, data) = try prepared("again-\(method)")
        var ends: [[[Float]]] = []
        for recompute in ["none", "layers"] {
            let (trainer, model) = try trainer(
                folder, data,
                options(method, ["recompute": .string(recompute), "steps": 3, "adapter_dropout": .number(dropout)]),
                run: recompute)
            try trainer.train { _ in }
            ends.append(try #require(model.adapter).parameters.map { try $0.tensor.detach().toArray() })
        }
        #expect(ends[0] == ends[1])
    }

    /// Optimisers that keep little state, and rates that fall from layer to layer.
    @Test(arguments: ["adamw8bit", "galore", "apollo"]) func smallStatesAreResumedBitForBit(_ optimizer: String) throws
    {
        let (folder, data) = try prepared("small-\(optimizer)")
        // All of the model, whose matrices are large enough for 8 bits.
        let more: [String: JSON] = [
            "optimizer": .string(optimizer), "projection_rank": 4, "projection_interval": 3, "layer_decay": 0.8,
            "adapter": "none", "learning_rate": 3e-3,
        ]
        func trainer(_ run: String) throws -> Trainer {
            try Trainer(
                run: folder + run, options: options("none", more), data: data,
                from: StartingModel(path: folder + "/tiny.gguf"))
        }
        var losses: [Double] = []
        try trainer("/whole").train { if case .step(let report) = $0 { losses.append(report.loss) } }
        #expect(losses[7] < losses[0], "\(losses)")
        var steps = 0
        #expect(try !trainer("/halves").train(isInterrupted: { steps == 5 }) { if case .step = $0 { steps += 1 } })
        let second = try trainer("/halves")
        #expect(try second.resume().checkpoint?.step == 5)
        #expect(try second.train { _ in })
        #expect(try weights(folder + "/whole") == weights(folder + "/halves"))
        let state = try SafetensorsFile(path: folder + "/whole/checkpoints/step-00000008/optimizer.safetensors")
        let kind = try #require(OptimizerKind(rawValue: optimizer))
        var numbers = OptimizerKind.Numbers()
        numbers.projection.rank = 4
        let model = try StartingModel(path: folder + "/tiny.gguf")
        let planned = model.parameters.reduce(0) {
            $0 + kind.stateBytes(of: $1.tensor.shape, isHidden: Muon.isHiddenMatrix($1), numbers)
        }
        let kept = try state.names.reduce(0) { try $0 + state.tensor($1).byteCount }
        #expect(kept == planned)
    }

    /// B's rate is a multiple of A's: after one step from B = 0 with Adam, B has moved that much further.
    @Test func theRatioOfLoRAPlusIsOfTheRates() throws {
        let (folder, data) = try prepared("plus")
        var moved: [Double] = []
        for ratio in [1.0, 16] {
            let more: [String: JSON] = ["lora_plus_ratio": .number(ratio), "steps": 1, "clip": 1e6]
            let (trainer, model) = try self.trainer(folder, data, options("lora", more), run: "ratio-\(ratio)")
            try trainer.train { _ in }
            let up = try #require(model.adapter).parameters.filter { $0.name.hasSuffix("lora_B.weight") }
            let sizes = try up.map { try $0.tensor.detach().abs().mean(axes: []).item(as: Double.self) }
            moved.append(sizes.reduce(0, +))
        }
        #expect(abs(moved[1] / moved[0] - 16) < 0.01, "\(moved)")
    }

    @Test func whatDoesNotGoTogetherIsRefused() throws {
        let (folder, data) = try prepared("refused")
        func refusal(_ method: String, _ more: [String: JSON]) -> String {
            do {
                _ = try trainer(folder, data, options(method, more), run: "x")
                return ""
            } catch { return "\(error)" }
        }
        #expect(refusal("lora", ["targets": "q_prj"]).contains("q_proj"))
        #expect(refusal("lora", ["rank_pattern": "v_proj"]).contains("name=number"))
        for rank in ["1e30", "2.5", "70000"] {
            #expect(
                refusal("lora", ["rank_pattern": .string("v_proj=\(rank)")]).contains("no whole number in 1...65536"))
        }
        #expect(refusal("lora", ["adapter_layers": "5-3"]).contains("0-3,7"))
        #expect(refusal("lora", ["adapter_layers": "17"]).contains("17"))
        #expect(refusal("ia3", ["feedforward_modules": "down_proj"]).contains("name those too"))
        #expect(refusal("freeze", [:]).contains("trained"))
        #expect(refusal("loftq", [:]).contains("original"))
        // All of the model would be trained.
        for (name, value) in [("rank", 8), ("targets", "q_proj"), ("lora_plus_ratio", 16)] as [(String, JSON)] {
            #expect(refusal("none", [name: value]).hasPrefix("\(name) is of an adapter, and adapter is none"))
        }
        #expect(refusal("lora", ["ema": 0.9]).contains("ema"))
        #expect(refusal("lora", ["adapter_from": .string(folder)]).contains("no adapter"))
        // Another base than that of the checkpoint.
        let (one, _) = try trainer(folder, data, options("lora"), run: "base")
        _ = try one.train(isInterrupted: { one.step == 4 }) { _ in }
        var other = TinyModel()
        (other.contextLength, other.seed) = (256, 99)
        try other.write(gguf: folder + "/tiny.gguf")
        let (two, _) = try trainer(folder, data, options("lora"), run: "base")
        #expect { try two.resume() } throws: { "\($0)".contains("another base") }
    }
}

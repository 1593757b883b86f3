import Foundation
import MartletAdapters
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Adapters on text encoders and classifiers: those that peft made, and new ones.
struct EncoderAdapterTests {
    static let goldens = PEFTTests.goldens + "encoders/"
    /// The golden of the base of each adapter of `make_encoder_adapters.py`.
    static let bases = [
        "lora-roberta": "roberta-classes", "lora-bert-words": "bert-tokens", "lora-albert": "albert-classes",
        "dora-albert": "albert-classes", "lora-modernbert": "modernbert-classes", "dora-deberta": "deberta-classes",
        "ia3-distilbert": "distilbert-classes", "oft-mpnet": "mpnet-classes", "lora-electra-states": "electra-factored",
        "lora-roberta-states": "roberta",
    ]
    static let names = bases.keys.sorted()

    /// A base and what it computes of the golden's ids.
    private struct Base {
        let model: AdapterBase
        let outputs: () throws -> Tensor

        init(_ golden: FamilyGolden, _ path: String) throws {
            let checkpoint = try Checkpoint(path: path), ids = golden.tokens
            if golden.kind == .encoder {
                let own = try checkpoint.embeddingModel()
                let encoder = try #require(own.encoder)
                model = try AdapterBase(own, of: checkpoint)
                outputs = { try encoder([ids]) }
            } else {
                let own = try checkpoint.anyClassifier()
                model = try AdapterBase(own, of: checkpoint)
                outputs = {
                    switch own {
                    case .texts(let model): try model([ids]).reshape([-1])
                    case .tokens(let model): try model([ids])
                    }
                }
            }
        }
    }

    private func withBase(_ name: String, _ body: (Base) throws -> Void) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { try body(Base(golden, $0)) }
    }

    private func difference(_ a: Tensor, _ b: Tensor) throws -> Double { try PEFTTests.difference(a, b) }

    /// Σ w · outputs, with w the sine of the element's number.
    private func loss(_ outputs: Tensor) throws -> Tensor {
        let weights = (0..<outputs.elementCount).map { sin(Float($0)) }
        return try (outputs * Tensor(weights, shape: outputs.shape)).sum()
    }

    @Test(arguments: names) func outputsAndGradientsAreThoseOfPEFT(_ name: String) throws {
        let expected = try SafetensorsFile(path: Self.goldens + name + "/expected.safetensors")
        let wanted = try expected.tensor("logits"), scale: Double = try wanted.abs().max(axes: []).to(.float64).item()
        try withBase(try #require(Self.bases[name])) { base in
            let stored = try PEFTFolder.read(Self.goldens + name)
            let adapter = try Adapter(stored, of: base.model, isTrained: true)
            let before = try noGrad { try base.outputs() }
            try adapter.attach()
            let outputs = try base.outputs()
            #expect(try difference(outputs, wanted) < 2e-5 * max(1, scale), "\(name)")
            #expect(try difference(before, wanted) > 1e-3 * scale, "the adapter changes something")
            let loss = try loss(outputs)
            let wantedLoss: Double = try expected.tensor("loss").reshape([]).to(.float64).item()
            #expect(try abs(loss.item(as: Double.self) - wantedLoss) < 2e-4 * max(1, scale))
            try loss.backward()
            var compared = 0
            for entry in adapter.tensors where expected.entry("grad." + entry.key) != nil {
                let parts = try entry.pieces.map { try #require($0.tensor.gradient, "\(entry.key)") }
                let golden = try expected.tensor("grad." + entry.key), found = try entry.joined(parts)
                let size: Double = try golden.abs().max(axes: []).to(.float64).item()
                #expect(try difference(found.reshape(golden.shape), golden) < 2e-4 * max(0.1, size), "\(entry.key)")
                compared += 1
            }
            #expect(compared >= expected.names.filter { $0.hasPrefix("grad.") && !$0.contains("pooler") }.count / 2)
            // Written again it has what peft needs, and nothing is named that has no adapter.
            let folder = try Scratch()
            try PEFTFolder.write(adapter, to: folder.path, base: "base")
            let again = try PEFTFolder.read(folder.path)
            #expect(Set(again.tensors.keys).isSubset(of: stored.tensors.keys))
            #expect(again.configuration.taskType == stored.configuration.taskType)
            try withBase(try #require(Self.bases[name])) { other in
                try Adapter(again, of: other.model).attach()
                #expect(try noGrad { try difference(other.outputs(), wanted) } < 2e-5 * max(1, scale))
                // In the weights it computes the same.
                try MergedModel.merge(into: other.model)
                #expect(other.model.tree.linears.allSatisfy { $0.adapters.isEmpty })
                #expect(try noGrad { try difference(other.outputs(), wanted) } < 5e-5 * max(1, scale), "\(name) merged")
            }
        }
    }

    /// A new adapter of each kind changes nothing, has the head with it, and one step lowers the loss.
    @Test(
        arguments: ["lora", "rslora", "dora", "pissa", "ia3", "oft", "bitfit", "freeze"],
        ["roberta-classes", "bert-tokens"])
    func aFreshAdapterChangesNothingAndLearns(_ kind: String, _ family: String) throws {
        try withBase(family) { base in
            var configuration = try AdapterConfiguration(named: kind)
            (configuration.rank, configuration.alpha, configuration.blockSize) = (4, 8, 8)
            if kind == "ia3" {
                configuration.targets = .names(["key", "value", "output.dense"])
                configuration.feedForwardModules = ["output.dense"]
            }
            if kind == "freeze" { (configuration.trainedPatterns, configuration.layers) = (["layers"], [1]) }
            configuration.savedModules = base.model.headModules
            #expect(base.model.headModules == ["classifier"])
            let before = try noGrad { try base.outputs() }
            let adapter = try Adapter(configuration, of: base.model)
            try adapter.attach()
            #expect(try difference(noGrad { try base.outputs() }, before) < 1e-4, "\(kind)")
            #expect(adapter.parameters.contains { $0.name.contains("classifier.") })
            let optimizer = AdamW([ParameterGroup(adapter.parameters)])
            let first = try loss(base.outputs()).item(as: Double.self)
            for _ in 0..<5 {
                try loss(base.outputs()).backward()
                try optimizer.step(learningRate: 1e-2)
                adapter.parameters.clearGradients()
            }
            #expect(try loss(base.outputs()).item(as: Double.self) < first - 0.01, "\(kind)")
        }
    }

    /// The targets that are written mean the modules with an adapter, and not the head.
    @Test func targetsAreNamedAsPEFTFindsThem() throws {
        func names(_ family: String, _ change: (inout AdapterConfiguration) -> Void) throws -> JSON {
            var found = JSON.null
            try withBase(family) { base in
                var configuration = AdapterConfiguration(.lora)
                change(&configuration)
                configuration.savedModules += base.model.headModules
                let adapter = try Adapter(configuration, of: base.model)
                let file = PEFTFolder.configurationFile(adapter, base: nil)
                found = try JSON(parsing: file.bytes)
            }
            return found
        }
        let all = try names("roberta-classes") { _ in }
        #expect(
            all["target_modules"] == ["query", "key", "value", "output.dense", "intermediate.dense"],
            "\(all["target_modules"] ?? .null)")
        #expect(all["modules_to_save"] == ["classifier"])
        // "dense" alone would be the head's as well.
        let dense = try names("roberta-classes") { $0.targets = .names(["dense"]) }
        #expect(dense["target_modules"] == ["output.dense", "intermediate.dense"])
        let states = try names("roberta") { $0.targets = .names(["dense"]) }
        #expect(states["target_modules"] == ["output.dense", "intermediate.dense"])
        let layers = try names("roberta") {
            ($0.targets, $0.layers) = (.names(["query"]), [1])
        }
        #expect(layers["target_modules"] == ["query"] && layers["layers_to_transform"] == [1])
        // transformers' class without a head calls its layers "layers.3", in which PEFT finds no number.
        let bare = try names("modernbert") { ($0.targets, $0.layers) = (.names(["Wqkv"]), [1, 3]) }
        #expect(bare["target_modules"] == ["1.attn.Wqkv", "3.attn.Wqkv"], "\(bare)")
        #expect(bare["layers_to_transform"]?.isNull ?? true)
    }

    @Test func whatDoesNotGoTogetherIsRefusedByName() throws {
        func said(_ family: String, _ change: (inout AdapterConfiguration) throws -> Void) throws -> String {
            var message = ""
            try withBase(family) { base in
                do {
                    var configuration = AdapterConfiguration(.lora)
                    try change(&configuration)
                    _ = try Adapter(configuration, of: base.model)
                } catch { message = "\(error)" }
            }
            return message
        }
        #expect(try said("roberta") { $0 = try AdapterConfiguration(named: "prefix") }.contains("learnt tokens"))
        #expect(try said("roberta") { $0 = try AdapterConfiguration(named: "loftq") }.contains("loftq"))
        #expect(try said("albert") { $0 = try AdapterConfiguration(named: "bitfit") }.contains("share their"))
        #expect(try said("albert") { $0.bias = .adapted }.contains("train_bias"))
        #expect(try said("roberta") { $0.targets = .names(["q_proj"]) }.contains("\"q_proj\""))
        // An adapter of a classifier on a model of vectors.
        let stored = try PEFTFolder.read(Self.goldens + "lora-roberta")
        try withBase("roberta") { base in
            #expect(throws: AdapterError.self) { try Adapter(stored, of: base.model) }
        }
        #expect(throws: AdapterError.self) {
            try withBase("roberta") { _ = try StoredAdapter.read("some.gguf", of: $0.model) }
        }
    }

    /// An adapter of a language model's class is one of its class without a head, and the other way round.
    @Test func namesWithAndWithoutAHeadAreOneModel() throws {
        let stored = try PEFTFolder.read(PEFTTests.goldens + "lora"), decoder = try PEFTTests.decoder("lora")
        var bare = stored
        bare.tensors = stored.tensors.reduce(into: [:]) {
            $0[$1.key.replacing("base_model.model.model.", with: "base_model.model.")] = $1.value
        }
        #expect(bare.tensors.keys.sorted() != stored.tensors.keys.sorted())
        try Adapter(bare, of: decoder).attach()
        let other = try PEFTTests.decoder("lora")
        try Adapter(stored, of: other).attach()
        #expect(try difference(AdapterTests.logits(decoder), AdapterTests.logits(other)) == 0)
    }
}

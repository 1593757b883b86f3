import MartletAdapters
import MartletFormats
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Adapters that begin anew, on bases in any stored form, and what is wrong with those that do not fit.
struct AdapterTests {
    static let models = PEFTTests.goldens.replacing("AdaptersTests", with: "ModelsTests")
    static let tokens: [Int32] = [5, 9, 30, 31, 7, 22, 12, 3]

    static func logits(_ decoder: Decoder) throws -> Tensor {
        try decoder.logits(decoder.hiddenStates(tokens, segments: [0..<tokens.count]))
    }

    private static func loss(_ decoder: Decoder) throws -> Tensor {
        let hidden = try decoder.hiddenStates(tokens, segments: [0..<tokens.count])
        let targets = Array(tokens.dropFirst()) + [-100]
        return try Fused.crossEntropy(
            hidden, decoder.headWeight, targets: targets, divisor: 7, CrossEntropyOptions(ignored: -100))
    }

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return ""
        } catch { return "\(error)" }
    }

    /// Every kind that begins as nothing leaves the logits as they are, and one step makes the loss smaller.
    @Test(arguments: ["lora", "rslora", "dora", "pissa", "ia3", "oft", "bitfit"], ["llama-untied", "gpt2"])
    func aFreshAdapterChangesNothingAndLearns(_ kind: String, _ family: String) throws {
        let decoder = try PEFTTests.decoder(family)
        let before = try Self.logits(decoder)
        var configuration = try AdapterConfiguration(named: kind)
        (configuration.rank, configuration.alpha, configuration.blockSize) = (4, 8, 4)
        let adapter = try Adapter(configuration, of: decoder)
        try adapter.attach()
        #expect(try PEFTTests.difference(Self.logits(decoder), before) < 3e-5, "\(kind)")
        if kind == "ia3" {
            // PEFT's own choice for these families.
            let isLlama = family != "gpt2"
            #expect(
                adapter.configuration.targets
                    == .names(
                        isLlama
                            ? ["self_attn.k_proj", "self_attn.v_proj", "mlp.down_proj"] : ["attn.c_attn", "mlp.c_proj"])
            )
            #expect(adapter.configuration.feedForwardModules == [isLlama ? "mlp.down_proj" : "mlp.c_proj"])
        }
        let optimizer = AdamW([ParameterGroup(adapter.parameters)])
        let first = try Self.loss(decoder).item(as: Double.self)
        for _ in 0..<5 {
            try Self.loss(decoder).backward()
            try optimizer.step(learningRate: 1e-2)
            adapter.parameters.clearGradients()
        }
        let last = try Self.loss(decoder).item(as: Double.self)
        #expect(last < first - 0.01, "\(kind): \(first) to \(last)")
        #expect(Set(decoder.tree.trained.map { ObjectIdentifier($0.tensor.storage) }).count == adapter.parameters.count)
        // Stored and read again it computes the same, whatever it began as.
        let folder = try Scratch()
        try PEFTFolder.write(adapter, to: folder.path, base: nil)
        let other = try PEFTTests.decoder(family)
        try Adapter(PEFTFolder.read(folder.path), of: other).attach()
        #expect(try PEFTTests.difference(Self.logits(other), Self.logits(decoder)) < 3e-5, "\(kind)")
    }

    /// What is not named as a target keeps its bits, and nothing frozen is copied: the weights are the file's own memory.
    @Test(arguments: ["llama-yarn", "qwen2", "phi3-partial", "gemma2", "qwen3"])
    func adaptersStandOnGGUFFiles(_ name: String) throws {
        let decoder = try Checkpoint(path: Self.models + "gguf/\(name).gguf").decoder()
        let stored = decoder.tree.storedTensors.map { ObjectIdentifier($0.storage) }
        var configuration = AdapterConfiguration(.lora)
        (configuration.rank, configuration.alpha) = (4, 8)
        let adapter = try Adapter(configuration, of: decoder)
        try adapter.attach()
        try Self.loss(decoder).backward()
        #expect(decoder.tree.storedTensors.map { ObjectIdentifier($0.storage) } == stored)
        #expect(adapter.parameters.allSatisfy { $0.tensor.gradient != nil })
    }

    /// An adapter of a Llama's folder on the GGUF file of the same model, whose queries and keys are interleaved, and the
    /// other way round.
    @Test(arguments: ["llama-yarn", "llama-tied-bias", "mistral"])
    func rowsOfGGUFFilesAreTurned(_ name: String) throws {
        let folder = try Checkpoint(path: Self.models + name).decoder()
        let file = try Checkpoint(path: Self.models + "gguf/\(name).gguf").decoder()
        #expect(file.configuration.attention.rotary?.layout == .interleaved)
        var configuration = AdapterConfiguration(.lora)
        (configuration.rank, configuration.alpha, configuration.usesMagnitude) = (3, 6, true)
        let adapter = try Adapter(configuration, of: folder)
        var random = RandomStream(seed: 4)
        for parameter in adapter.parameters {
            let noise = try Tensor.normal(parameter.tensor.shape, mean: 0, std: 0.2, using: &random)
            try noGrad { try parameter.tensor.copy(from: parameter.tensor.detach() + noise) }
        }
        try adapter.attach()
        let scratch = try Scratch()
        try PEFTFolder.write(adapter, to: scratch.path, base: nil)
        let other = try Adapter(PEFTFolder.read(scratch.path), of: file, isTrained: true)
        try other.attach()
        #expect(!other.isStoredAsTrained)
        let difference = try PEFTTests.difference(Self.logits(folder), Self.logits(file))
        #expect(difference < 1e-4, "\(difference)")
        // Written from there, the files are the same.
        let again = Dictionary(uniqueKeysWithValues: try other.published())
        for (key, tensor) in try adapter.published() {
            #expect(try PEFTTests.difference(#require(again[key]), tensor) == 0, "\(key)")
        }
    }

    /// Parameters of the model itself, too: trained on the file, read on the folder.
    @Test func trainedPartsOfAGGUFFileFitTheFolder() throws {
        let folder = try Checkpoint(path: Self.models + "llama-yarn").decoder()
        let file = try Checkpoint(path: Self.models + "gguf/llama-yarn.gguf").decoder()
        var configuration = try AdapterConfiguration(named: "freeze")
        (configuration.trainedPatterns, configuration.layers) = (["q_proj", "input_layernorm"], [1])
        let adapter = try Adapter(configuration, of: file)
        var random = RandomStream(seed: 12)
        for parameter in adapter.parameters {
            let noise = try Tensor.normal(parameter.tensor.shape, mean: 0, std: 0.2, using: &random)
            try noGrad { try parameter.tensor.copy(from: parameter.tensor.detach() + noise) }
        }
        try adapter.attach()
        let scratch = try Scratch()
        try PEFTFolder.write(adapter, to: scratch.path, base: nil)
        try Adapter(PEFTFolder.read(scratch.path), of: folder).attach()
        #expect(try PEFTTests.difference(Self.logits(folder), Self.logits(file)) < 1e-4)
    }

    /// Central differences through a base of 4-bit blocks: the gradient is that of the values the blocks stand for.
    @Test func gradientsThroughAQuantisedBaseAreExact() throws {
        let source = ModuleTree.Builder(Initializer(.normal(deviation: 0.3, layers: 1), seed: 2))
        let layer = Linear(source, "model.layers.0.mlp.up_proj", from: 64, to: 32)
        let blocks = Tensor(filling: [32, 64], dtype: .q4_1) { bytes in
            var random = RandomStream(seed: 5)
            for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
            for block in stride(from: 0, to: bytes.count, by: 20) {
                for place in [1, 3] { bytes[block + place] = bytes[block + place] & 0x83 | 0x24 }
            }
        }
        try layer.replaceMatrix(blocks)
        var random = RandomStream(seed: 6)
        func normal(_ shape: Shape) throws -> Tensor { try Tensor.normal(shape, mean: 0, std: 0.5, using: &random) }
        let down = try normal([3, 64]).requiringGrad(), up = try normal([32, 3]).requiringGrad()
        let x = try normal([5, 64]).requiringGrad(), weights = try normal([5, 32])
        layer.adapters = [try LowRankAdapter(of: layer, down: down, up: up, scale: 0.7)]
        try (layer(x).square() * weights).sum().backward()
        // The same in float64, with the blocks' values as a matrix.
        let dense = try blocks.float32Matrix().to(.float64)
        let leaves = try [x, down, up].map { try $0.detach().to(.float64).requiringGrad() }
        let product = try leaves[0].matmul(dense.transposed())
        let low = try leaves[0].matmul(leaves[1].transposed()).matmul(leaves[2].transposed()) * 0.7
        try ((product + low).square() * weights.to(.float64)).sum().backward()
        for (found, wanted) in zip([x, down, up], leaves) {
            let gradient = try #require(wanted.gradient), own = try #require(found.gradient)
            let scale: Double = try gradient.abs().max(axes: []).item()
            #expect(try PEFTTests.difference(own, gradient) < 1e-5 * scale)
        }
        #expect(layer.matrix.storedType == "Q4_1")
    }

    /// The best approximation of a known spectrum.
    @Test(arguments: [(40, 30, 4), (30, 64, 8), (12, 9, 9)]) func singularValuesAreFound(
        rows: Int, columns: Int, rank: Int
    ) throws {
        var random = RandomStream(seed: 8)
        let least = min(rows, columns)
        // D = Q₁ diag(2⁻ⁱ) Q₂ᵀ with orthogonal factors out of the method itself.
        let left = try LowRankApproximation(
            Tensor.normal([rows, rows], mean: 0, std: 1, using: &random), rank: least
        ).left
        let right = try LowRankApproximation(
            Tensor.normal([columns, columns], mean: 0, std: 1, using: &random), rank: least
        ).left
        let values = (0..<least).map { Float(1) / Float(1 << min($0, 20)) }
        let matrix = try (left * Tensor(values, shape: [1, least])).matmul(right.transposed())
        let found = try LowRankApproximation(matrix, rank: rank)
        for (value, wanted) in zip(found.values, values) { #expect(abs(value - Double(wanted)) < 1e-5) }
        let (down, up) = try found.factors(rank: rank)
        let error: Double = try (matrix - up.matmul(down)).square().sum().item()
        let rest = values[rank...].reduce(0.0) { $0 + Double($1 * $1) }
        #expect(abs(error.squareRoot() - rest.squareRoot()) < 1e-5)
    }

    /// What quantisation took away comes back through the adapter.
    @Test func loftQBringsBackWhatQuantisationTook() throws {
        let original = try PEFTTests.decoder("llama-untied"), rounded = try PEFTTests.decoder("llama-untied")
        for layer in rounded.tree.linears where layer.path != "lm_head" {
            let coarse = try (layer.matrix.float32Matrix().detach() * 4.0).round() * 0.25
            try layer.replaceMatrix(coarse.contiguous())
        }
        let before = try PEFTTests.difference(Self.logits(original), Self.logits(rounded))
        var configuration = try AdapterConfiguration(named: "loftq")
        (configuration.rank, configuration.alpha) = (16, 16)
        #expect(message { _ = try Adapter(configuration, of: rounded) }.contains("before it was quantised"))
        try Adapter(configuration, of: rounded, original: original).attach()
        let after = try PEFTTests.difference(Self.logits(original), Self.logits(rounded))
        #expect(after < before / 100, "\(before) to \(after)")
    }

    @Test func whatDoesNotFitIsNamed() throws {
        let decoder = try PEFTTests.decoder("llama")
        func refusal(_ change: (inout AdapterConfiguration) -> Void) -> String {
            var configuration = AdapterConfiguration(.lora)
            change(&configuration)
            return message { _ = try Adapter(configuration, of: decoder) }
        }
        #expect(refusal { $0.targets = .names(["q_prj"]) }.contains("no module of the model is called \"q_prj\""))
        #expect(refusal { $0.targets = .names(["q_prj"]) }.contains("\"q_proj\""))
        #expect(refusal { $0.targets = .names(["q_proj", "c_attn"]) }.contains("c_attn"))
        #expect(refusal { $0.targets = .expression("(") }.contains("cannot be read"))
        #expect(refusal { $0.savedModules = ["lm_hed"] }.contains("\"lm_head\""))
        #expect(refusal { $0.trainedTokens = [3, 99] }.contains("99"))
        #expect(refusal { $0.layers = [7] }.contains("7"))
        #expect(message { _ = try AdapterConfiguration(named: "lorra") }.contains("did you mean lora?"))
        // Of another base: the first tensor is named.
        let other = try PEFTFolder.read(PEFTTests.goldens + "lora-gpt2")
        #expect(message { _ = try Adapter(other, of: decoder) }.contains("c_attn"))
        var shapes = try PEFTFolder.read(PEFTTests.goldens + "lora")
        let key = "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"
        shapes.tensors[key] = try Tensor.zeros([25, 4])
        #expect(message { _ = try Adapter(shapes, of: decoder) }.contains("\(key) is F32 [25, 4]"))
        shapes = try PEFTFolder.read(PEFTTests.goldens + "lora")
        shapes.tensors["base_model.model.model.layers.2.mlp.up_proj.lora_B.weight"] = try Tensor.zeros([24, 4])
        #expect(message { _ = try Adapter(shapes, of: decoder) }.contains("layers.2.mlp.up_proj"))
        shapes.tensors[key] = nil
        #expect(message { _ = try Adapter(shapes, of: decoder) }.contains("lacks \(key)"))
    }

    @Test func foldersThatAreNoneAreRefused() throws {
        let folder = try Scratch()
        func refusal() -> String { message { _ = try PEFTFolder.read(folder.path) } }
        #expect(refusal().contains("there is no adapter_config.json"))
        func write(_ text: String) throws {
            try AtomicFile.write(folder.path + "/adapter_config.json", bytes: Array(text.utf8))
        }
        try write(#"{"peft_type": "LORA", "target_modules": ["q_proj"]}"#)
        #expect(refusal().contains("has no adapter_model.safetensors"))
        try AtomicFile.write(folder.path + "/adapter_model.bin", bytes: [0x80, 2])
        #expect(refusal().contains("python -c") && refusal().contains("adapter_model.safetensors"))
        try SafetensorsWriter.write([("x", Tensor.zeros([1]))], to: folder.path + "/adapter_model.safetensors")
        for (text, expected) in [
            (#"{"peft_type": "ADALORA"}"#, "peft_type is \"ADALORA\""), (#"{"peft_type": 3}"#, "expected a text"),
            (#"{"peft_type": "LORA", "target_modules": []}"#, "names no module"),
            (#"{"peft_type": "LORA", "target_modules": ["q"], "r": 0}"#, "\"r\" is 0"),
            (#"{"peft_type": "LORA", "target_modules": ["q"], "lora_bias": true}"#, "lora_bias"),
            (#"{"peft_type": "LORA", "target_modules": ["q"], "layer_replication": [[0, 1]]}"#, "layer_replication"),
            (#"{"peft_type": "LORA", "target_modules": ["q"], "init_lora_weights": "pissa"}"#, "pissa"),
            ("[", "adapter_config.json"),
        ] {
            try write(text)
            #expect(refusal().contains(expected), "\(text): \(refusal())")
        }
    }
}

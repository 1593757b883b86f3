import MartletAdapters
import MartletFormats
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Adapters that peft made and saved: the logits, gradients and merged logits that it has with them, and the files again.
struct PEFTTests {
    static let goldens = #filePath.replacing("PEFTTests.swift", with: "Goldens/")

    /// The base of each adapter of `make_goldens.py`.
    static let bases = [
        "lora": "llama", "lora-all-linear": "llama-untied", "lora-pattern": "llama", "lora-layers": "llama",
        "lora-saved": "llama-untied", "lora-embedding": "llama-untied", "lora-tokens": "llama", "lora-gpt2": "gpt2",
        "lora-phi3": "phi3", "dora": "llama-untied", "dora-gpt2": "gpt2", "ia3": "llama-untied", "ia3-gpt2": "gpt2",
        "lora-gptneox": "gptneox", "dora-gptneox": "gptneox", "lora-bloom": "bloom", "ia3-bloom": "bloom",
        "lora-falcon": "falcon", "lora-gptj": "gptj", "lora-biases-gptneox": "gptneox", "lora-biases-bloom": "bloom",
        "oft": "llama-untied", "oft-neumann": "llama", "prompt": "llama", "prefix": "llama", "p-tuning": "llama",
    ]
    static let names = bases.keys.sorted()
    /// Adapters that are read as others than they are written: experts that one tensor joins are adapted each for itself.
    static let readOnly = ["lora-experts": "qwen3moe", "lora-tied-embedding": "llama", "lora-tied-saved": "llama"]

    static func decoder(_ name: String) throws -> Decoder {
        try Checkpoint(path: goldens + "models/" + (bases[name] ?? readOnly[name] ?? name)).decoder()
    }

    struct Expected {
        let file: SafetensorsFile
        var tokens: [Int32] {
            get throws { try file.tensor("ids").to(.int32).reshape([-1]).toArray() }
        }
        let segments = [0..<7, 7..<14]

        init(_ name: String) throws {
            file = try SafetensorsFile(path: PEFTTests.goldens + name + "/logits.safetensors")
        }

        func logits(_ key: String = "logits") throws -> Tensor { try file.tensor(key).reshape([14, -1]) }
    }

    static func difference(_ a: Tensor, _ b: Tensor) throws -> Double {
        try (a.detach().to(.float64) - b.detach().to(.float64)).abs().max(axes: []).item()
    }

    private func logits(_ decoder: Decoder, _ expected: Expected) throws -> Tensor {
        try decoder.logits(decoder.hiddenStates(expected.tokens, segments: expected.segments))
    }

    @Test(arguments: names) func logitsAreThoseOfPEFT(_ name: String) throws {
        let decoder = try Self.decoder(name), expected = try Expected(name)
        let adapter = try Adapter(PEFTFolder.read(Self.goldens + name), of: decoder)
        let before = try logits(decoder, expected)
        try adapter.attach()
        let found = try logits(decoder, expected), wanted = try expected.logits()
        #expect(try Self.difference(found, wanted) < 2e-5, "\(name)")
        #expect(try Self.difference(before, wanted) > 1e-2, "the adapter changes something")
        // Prepared for inference, with a cache, token after token.
        try decoder.prepare(.exact)
        let tokens = Array(try expected.tokens[..<7])
        let first = try decoder(tokens)
        #expect(try Self.difference(first, wanted.narrow(0, from: 0, length: 7)) < 2e-5, "\(name) with a cache")
        if adapter.canBeSwitchedOff {
            adapter.isEnabled = false
            #expect(try Self.difference(logits(decoder, expected), before) == 0)
            adapter.isEnabled = true
        }
        try adapter.detach()
        #expect(try Self.difference(logits(decoder, expected), before) < 1e-6)
    }

    @Test(arguments: readOnly.keys.sorted()) func joinedExpertsAndTiedTablesAreRead(_ name: String) throws {
        let decoder = try Self.decoder(name), expected = try Expected(name), wanted = try expected.logits()
        let adapter = try Adapter(PEFTFolder.read(Self.goldens + name), of: decoder)
        let before = try logits(decoder, expected)
        try adapter.attach()
        #expect(try Self.difference(logits(decoder, expected), wanted) < 2e-5)
        #expect(try Self.difference(before, wanted) > 1e-2, "the adapter changes something")
        // Written again, and read by the usual names.
        let folder = try Scratch()
        try PEFTFolder.write(adapter, to: folder.path, base: nil)
        let other = try Self.decoder(name)
        try Adapter(PEFTFolder.read(folder.path), of: other).attach()
        #expect(try Self.difference(logits(other, expected), wanted) < 2e-5)
    }

    @Test func whatAnAdapterWithAHeadIsForIsTold() throws {
        var stored = try PEFTFolder.read(Self.goldens + "lora")
        stored.tensors["base_model.model.score.weight"] = try Tensor.zeros([1, 16])
        let decoder = try Self.decoder("lora")
        func said() -> String {
            (#expect(throws: AdapterError.self) { try Adapter(stored, of: decoder) })?.description ?? ""
        }
        #expect(said().contains("score.weight belongs to no module") && !said().contains("--reward"))
        stored.configuration.taskType = "SEQ_CLS"
        #expect(said().contains("score.weight belongs to no module") && said().contains("--reward"))
    }

    /// The rank says how many experts a joined tensor has.
    @Test func joinedExpertsOfAnotherBaseAreRefused() throws {
        var stored = try PEFTFolder.read(Self.goldens + "lora-experts")
        stored.configuration.rank = 5
        stored.configuration.rankPattern = []
        let decoder = try Self.decoder("lora-experts")
        let error = #expect(throws: AdapterError.self) { try Adapter(stored, of: decoder) }
        #expect(
            error?.description.contains("no whole number of experts at rank 5") ?? false, "\(error?.description ?? "")")
        let other = try Self.decoder("llama")
        let another = try PEFTFolder.read(Self.goldens + "lora-experts")
        #expect(throws: AdapterError.self) { try Adapter(another, of: other) }
    }

    @Test(arguments: names.filter { !["prompt", "prefix", "p-tuning"].contains($0) })
    func gradientsAreThoseOfPEFT(_ name: String) throws {
        let decoder = try Self.decoder(name), expected = try Expected(name)
        let adapter = try Adapter(PEFTFolder.read(Self.goldens + name), of: decoder, isTrained: true)
        try adapter.attach()
        #expect(Set(decoder.tree.trained.map(\.name)).count == decoder.tree.trained.count)
        let tokens = try expected.tokens
        var targets = Array(tokens.dropFirst()) + [-100]
        targets[6] = -100
        let hidden = try decoder.hiddenStates(tokens, segments: expected.segments)
        let head = try decoder.lossHead
        let loss = try Fused.crossEntropy(
            hidden, head.weight, bias: head.bias, targets: targets, divisor: 12, CrossEntropyOptions(ignored: -100))
        let wanted: Double = try expected.file.tensor("loss").reshape([]).item()
        #expect(abs(try loss.item(as: Double.self) - wanted) < 1e-5)
        try loss.backward()
        var compared = 0
        for entry in adapter.tensors {
            guard expected.file.entry("grad." + entry.key) != nil else { continue }
            let parts = try entry.pieces.map { try #require($0.tensor.gradient, "\(entry.key)") }
            let found = try entry.joined(parts)
            let gradient = try expected.file.tensor("grad." + entry.key).reshape(found.shape)
            let scale = max(1e-3, try gradient.abs().max(axes: []).item(as: Double.self))
            #expect(try Self.difference(found, gradient) < 2e-5 * max(1, scale), "\(name): \(entry.key)")
            compared += 1
        }
        #expect(compared > 0, "\(name)")
        #expect(decoder.tree.parameters.filter(\.isTrained).count == adapter.replaced.count, "all else is frozen")
    }

    @Test(arguments: names.filter { !["prompt", "prefix", "p-tuning"].contains($0) })
    func mergedModelsGiveTheSame(_ name: String) throws {
        let decoder = try Self.decoder(name), expected = try Expected(name)
        let adapter = try Adapter(PEFTFolder.read(Self.goldens + name), of: decoder)
        try adapter.attach()
        try MergedModel.merge(into: decoder)
        try adapter.detach()
        // What was merged stays; parts of the model itself were put back.
        guard adapter.replaced.isEmpty else { return }
        let found = try logits(decoder, expected)
        #expect(try Self.difference(found, expected.logits("merged")) < 5e-5, "\(name)")
    }

    @Test(arguments: names) func whatIsWrittenIsWhatPEFTWrote(_ name: String) throws {
        let decoder = try Self.decoder(name)
        let stored = try PEFTFolder.read(Self.goldens + name)
        let adapter = try Adapter(stored, of: decoder)
        let folder = try Scratch()
        try PEFTFolder.write(adapter, to: folder.path + "/copy", base: "base")
        let again = try PEFTFolder.read(folder.path + "/copy")
        for (key, tensor) in stored.tensors where !key.hasSuffix(".base_layer.weight") {
            let copy = try #require(again.tensors[key], "\(key)")
            #expect(copy.shape == tensor.shape, "\(key)")
            #expect(try Self.difference(copy, tensor) == 0, "\(key)")
        }
        let other = try Self.decoder(name), expected = try Expected(name)
        try Adapter(again, of: other).attach()
        #expect(try Self.difference(logits(other, expected), expected.logits()) < 2e-5)
        #expect(again.configuration.base == "base")
    }
}

/// A folder that goes away with the test.
final class Scratch {
    let path: String
    init() throws {
        path = "/tmp/martlet-adapters-\(UInt64.random(in: 0...(.max)))"
        _ = PEFTFolder.makeFolder(path)
    }
    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        for name in Folder.contents(path) {
            let inner = path + "/" + name
            if Folder.isFolder(inner) { remove(inner) } else { Folder.remove(inner) }
        }
        Folder.removeIfEmpty(path)
    }
}

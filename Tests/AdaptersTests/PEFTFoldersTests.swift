import MartletAdapters
import MartletFormats
import MartletModels
import MartletNN
import MartletTensor
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Folders for peft itself to load: with MARTLET_PEFT_OUT=DIR one of every kind is written there, with the logits that it has
/// here, and `Goldens/check_peft.py DIR` compares them with peft's.
struct PEFTFoldersTests {
    private static var out: String? { getenv("MARTLET_PEFT_OUT").map { String(cString: $0) } }

    struct Case: Sendable, CustomStringConvertible {
        let name, base: String
        let configuration: @Sendable () throws -> AdapterConfiguration
        /// Whether the base is rounded, and what it was before is what the adapter begins from.
        var isRounded = false
        var description: String { name }

        init(
            _ name: String, _ base: String, kind: String = "lora", isRounded: Bool = false,
            _ change: @escaping @Sendable (inout AdapterConfiguration) -> Void = { _ in }
        ) {
            (self.name, self.base, self.isRounded) = (name, base, isRounded)
            configuration = {
                var configuration = try AdapterConfiguration(named: kind)
                (configuration.rank, configuration.alpha) = (4, 8)
                (configuration.blockSize, configuration.virtualTokens) = (4, 3)
                change(&configuration)
                return configuration
            }
        }
    }

    static let cases =
        ["llama", "llama-untied", "gpt2", "phi3", "gptneox", "bloom", "falcon", "gptj"].map { Case("lora-" + $0, $0) }
        + [
            Case("rslora", "llama", kind: "rslora"), Case("dora", "llama-untied", kind: "dora"),
            Case("dora-gptneox", "gptneox", kind: "dora"), Case("pissa", "llama", kind: "pissa"),
            Case("loftq", "llama-untied", kind: "loftq", isRounded: true),
            Case("saved", "llama-untied") { $0.savedModules = ["lm_head", "input_layernorm"] },
            Case("pattern", "llama") {
                $0.rankPattern = [.init("v_proj", 2)]
                $0.alphaPattern = [.init("q_proj", 16)]
            },
            Case("tokens", "llama") { $0.trainedTokens = [3, 5, 38] },
            Case("biases", "llama-untied") { $0.bias = .adapted },
            Case("biases-gptneox", "gptneox") { $0.bias = .adapted },
            Case("biases-bloom", "bloom") { $0.bias = .all },
            Case("ia3", "llama", kind: "ia3") {
                $0.targets = .names(["k_proj", "v_proj", "down_proj"])
                $0.feedForwardModules = ["down_proj"]
            },
            Case("oft", "llama", kind: "oft"), Case("prompt", "llama", kind: "prompt"),
            Case("prefix", "llama", kind: "prefix"), Case("p-tuning", "llama", kind: "p-tuning"),
        ]

    @Test(.enabled(if: out != nil), arguments: cases) func aFolderOfEveryKindIsWritten(_ test: Case) throws {
        let folder = try #require(Self.out) + "/" + test.name, base = PEFTTests.goldens + "models/" + test.base
        let decoder = try Checkpoint(path: base).decoder()
        var original: Decoder?
        _ = PEFTFolder.makeFolder(folder)
        if test.isRounded {
            original = try Checkpoint(path: base).decoder()
            for layer in decoder.tree.linears where layer.path != "lm_head" {
                try layer.replaceMatrix(((layer.matrix.float32Matrix().detach() * 4.0).round() * 0.25).contiguous())
            }
            _ = PEFTFolder.makeFolder(folder + "/base")
            try SafetensorsWriter.write(
                PublishedModel.tensors(decoder), metadata: ["format": "pt"], to: folder + "/base/model.safetensors")
            try AtomicFile.write(folder + "/base/config.json", bytes: Folder.read(base + "/config.json"))
        }
        let adapter = try Adapter(test.configuration(), of: decoder, original: original)
        var random = RandomStream(seed: 21)
        for parameter in adapter.parameters {
            let noise = try Tensor.normal(
                parameter.tensor.shape, mean: 0, std: test.name == "oft" ? 0.05 : 0.2, using: &random)
            try noGrad { try parameter.tensor.copy(from: parameter.tensor.detach() + noise) }
        }
        try adapter.attach()
        let logits = try noGrad { try AdapterTests.logits(decoder) }.detach()
        try PEFTFolder.write(adapter, to: folder, base: test.isRounded ? folder + "/base" : base)
        try SafetensorsWriter.write(
            [("ids", Tensor(AdapterTests.tokens)), ("logits", logits)], metadata: ["format": "pt"],
            to: folder + "/logits.safetensors")
    }
}

import MartletAdapters
import MartletFormats
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// mlx-lm's folders and llama.cpp's files, from PEFT's and back.
struct OtherFormTests {
    @Test(arguments: ["lora", "lora-pattern", "dora", "lora-phi3"]) func mlxFoldersAreReadAndWritten(_ name: String)
        throws
    {
        let stored = try PEFTFolder.read(PEFTTests.goldens + name), folder = try Scratch()
        if name == "lora-pattern" {
            // Two scales, and mlx-lm has one.
            #expect(throws: AdapterError.self) { try MLXAdapter.write(stored, to: folder.path) }
            return
        }
        try MLXAdapter.write(stored, to: folder.path)
        let file = try SafetensorsFile(path: folder.path + "/adapters.safetensors")
        if name == "lora" {
            // [in, rank] and [rank, out], the other way round than PEFT's.
            #expect(file.entry("model.layers.0.mlp.up_proj.lora_a")?.shape == [16, 4])
            #expect(file.entry("model.layers.0.mlp.up_proj.lora_b")?.shape == [4, 24])
        }
        let again = try PEFTFolder.read(folder.path)
        #expect(again.form == .mlx)
        let one = try PEFTTests.decoder(name), other = try PEFTTests.decoder(name)
        try Adapter(stored, of: one).attach()
        try Adapter(again, of: other).attach()
        #expect(try PEFTTests.difference(AdapterTests.logits(one), AdapterTests.logits(other)) < 1e-6)
    }

    @Test(arguments: ["lora", "lora-pattern", "lora-gpt2", "lora-phi3", "lora-embedding"])
    func ggufFilesAreReadAndWritten(_ name: String) throws {
        let stored = try PEFTFolder.read(PEFTTests.goldens + name), folder = try Scratch()
        let one = try PEFTTests.decoder(name), other = try PEFTTests.decoder(name)
        let path = folder.path + "/adapter.gguf"
        try GGUFAdapter.write(stored, of: one, to: path)
        #expect(GGUFAdapter.isAdapter(path))
        let file = try GGUFFile(path: path)
        #expect(file.metadata["general.type"]?.string == "adapter")
        if name == "lora" {
            #expect(file.entry("blk.1.attn_q.weight.lora_a")?.shape == [4, 16])
            #expect(file.entry("blk.1.attn_q.weight.lora_b")?.shape == [16, 4])
            #expect(file.metadata["adapter.lora.alpha"]?.double == 8)
        }
        if name == "lora-embedding" {
            // As llama.cpp looks tokens up: a row of A for each.
            #expect(file.entry("token_embd.weight.lora_a")?.shape == [40, 2])
            #expect(file.entry("token_embd.weight.lora_b")?.shape == [16, 2])
        }
        let again = try GGUFAdapter.read(path, of: other)
        try Adapter(stored, of: one).attach()
        try Adapter(again, of: other).attach()
        #expect(try PEFTTests.difference(AdapterTests.logits(one), AdapterTests.logits(other)) < 1e-5)
    }

    @Test func whatGGUFHasNoFormForIsRefused() throws {
        let folder = try Scratch()
        for name in ["dora", "ia3", "lora-saved", "prompt"] {
            let stored = try PEFTFolder.read(PEFTTests.goldens + name), decoder = try PEFTTests.decoder(name)
            #expect(throws: AdapterError.self, "\(name)") {
                try GGUFAdapter.write(stored, of: decoder, to: folder.path + "/x.gguf")
            }
        }
    }
}

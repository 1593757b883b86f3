import Foundation
import MartletFormats
import MartletInference
import MartletModels
import MartletTensor
import MartletTokenizers
import Testing
import TinyModels

/// Models whose parts are fine and do not fit: refused before the first token, by name.
struct BadModelFileTests {
    private func failure(_ path: String) -> String {
        do {
            _ = try LanguageModel(path: path)
            return "loaded"
        } catch { return "\(error)" }
    }

    /// The error for a good folder after a change to one of its files.
    private func failure(changing name: String, _ change: (String) -> String?) throws -> String {
        let scratch = try Scratch()
        try TinyModel().write(folder: scratch.path)
        let url = URL(filePath: "\(scratch.path)/\(name)")
        if let text = change(try String(contentsOf: url, encoding: .utf8)) {
            try Data(text.utf8).write(to: url)
        } else {
            try FileManager.default.removeItem(at: url)
        }
        return failure(scratch.path)
    }

    /// The error for a good GGUF file after a change to what is written.
    private func failure(_ change: (inout GGUFWriter) -> Void) throws -> String {
        let scratch = try Scratch()
        let path = scratch.path + "/model.gguf"
        try TinyModel().write(gguf: path)
        let file = try GGUFFile(path: path)
        var writer = GGUFWriter()
        for (key, value) in file.metadata { writer.metadata[key] = value }
        for name in file.names { writer.add(name, try file.tensor(name)) }
        change(&writer)
        let changed = scratch.path + "/changed.gguf"
        try writer.write(to: changed)
        return failure(changed)
    }

    @Test func theUnchangedFilesLoad() throws {
        #expect(try failure(changing: "config.json") { $0 } == "loaded")
        #expect(try failure { _ in } == "loaded")
    }

    @Test func aTokenizerThatIsTooLargeIsRefusedWithBothCounts() throws {
        let more = (0..<9).map { #"{"id": \#(900 + $0), "content": "<\#($0)>", "special": true}"# }
        let message = try failure(changing: "tokenizer.json") {
            $0.replacing(#""added_tokens":["#, with: #""added_tokens":["# + more.joined(separator: ",") + ",")
        }
        let size = TinyTokenizer.tokens.count
        #expect(message.contains("909") && message.contains("\(size)") && message.contains("tokenizer"), "\(message)")
    }

    @Test func aTokenizerThatIsNoneNamesItsFile() throws {
        #expect(try failure(changing: "tokenizer.json") { _ in "{" }.contains("tokenizer.json"))
        #expect(try failure(changing: "tokenizer.json") { _ in nil }.contains("tokenizer"))
        let field = try failure(changing: "tokenizer.json") { $0.replacing(#""type":"BPE""#, with: #""type":"GRU""#) }
        #expect(field.contains("tokenizer.json") && field.contains("GRU") && field.contains("Unigram"), "\(field)")
        let template = try failure(changing: "tokenizer_config.json") {
            $0.replacing("{% endfor %}", with: "{% endfro %}")
        }
        #expect(template.contains("chat template") && template.contains("endfro"), "\(template)")
    }

    @Test func anEndTokenThatIsNoneIsNamed() throws {
        let message = try failure(changing: "config.json") {
            $0.replacing(#""eos_token_id": 2"#, with: #""eos_token_id": "two""#)
        }
        #expect(message.contains("eos_token_id") && message.contains("two"), "\(message)")
    }

    @Test func anUnknownGGUFArchitectureIsNamedWithTheKnownOnes() throws {
        let message = try failure { $0.metadata["general.architecture"] = .string("rwkv") }
        #expect(message.contains("rwkv") && message.contains("llama") && message.contains("gemma3"), "\(message)")
        #expect(try failure { $0.metadata["general.architecture"] = nil }.contains("general.architecture"))
    }

    @Test func allMissingGGUFTensorsAreNamed() throws {
        let message = try failure { $0.tensors.removeAll { $0.name.contains("ffn_up") } }
        #expect(message.contains("blk.0.ffn_up.weight") && message.contains("blk.1.ffn_up.weight"), "\(message)")
        #expect(try failure { $0.tensors.removeAll { $0.name == "token_embd.weight" } }.contains("token_embd.weight"))
    }

    @Test func wrongGGUFShapesAreNamedWithFoundAndExpected() throws {
        let message = try failure {
            for index in $0.tensors.indices where $0.tensors[index].name.contains("ffn_gate") {
                $0.tensors[index].tensor = Tensor(uninitialized: [40, 32])
            }
        }
        for part in ["blk.0.ffn_gate", "blk.1.ffn_gate", "[40, 32]", "[48, 32]"] { #expect(message.contains(part)) }
        let wrong = try failure { $0.metadata["llama.block_count"] = .string("two") }
        #expect(wrong.contains("num_hidden_layers") || wrong.contains("block_count"), "\(wrong)")
    }

    @Test func aGGUFFileWithoutTokenizerSaysSo() throws {
        let message = try failure { $0.metadata["tokenizer.ggml.model"] = nil }
        #expect(message.contains("tokenizer.ggml.model"), "\(message)")
    }
}

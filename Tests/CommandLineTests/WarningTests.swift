import Foundation
import MartletJSON
import Testing
import TinyModels

/// Whatever opens a model says what of its files is passed over and may matter.
struct WarningTests {
    let program: Program
    init() throws { program = try Program() }

    /// Adds a key that changes what a model of its family computes, if anybody read it.
    private func marked(_ path: String) throws -> String {
        let file = URL(fileURLWithPath: path + "/config.json")
        var config = try #require(JSON(parsing: [UInt8](Data(contentsOf: file))).object)
        config["unheard_of_scaling"] = 0.5
        try Data(JSON.object(config).bytes()).write(to: file)
        return path
    }

    @Test func everyVerbThatOpensAModelWarns() throws {
        let model = try marked(program.model()), encoder = try marked(program.encoder())
        let chat = program.home + "/chat.jsonl"
        let line = #"{"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "the inn"}]}"#
        try String(repeating: line + "\n", count: 8).write(toFile: chat, atomically: true, encoding: .utf8)
        let verbs: [[String]] = [
            ["show", model], ["run", model, "-n", "2", "hi"], ["embed", encoder, "--text", "hello"],
            ["bench", model], ["eval", model, "--task", "arithmetic", "--limit", "1", "--tokens", "2"],
            ["logits", model, "--ids", "1,2", "--out", "l.npy"],
            ["plan", model], ["sft", model, "--data", chat, "--out", "runs/sft", "--steps", "1"],
        ]
        for verb in verbs {
            let result = try program.run(verb)
            let said = result.error + result.output
            #expect(
                said.contains("warning: ") && said.contains("unheard_of_scaling"), "\(verb[0]): \(said.prefix(400))")
        }
        // A tokenizer is no model: nothing of the weights' configuration is used.
        #expect(try program.run("tokenize", model, "hi").code == 0)
    }
}

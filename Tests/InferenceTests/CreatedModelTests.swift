import Foundation
import MartletChat
import MartletFormats
import MartletInference
import MartletJSON
import Testing
import TinyModels

/// Models that `martlet create` makes of others.
struct CreatedModelTests {
    private func parse(_ text: String) throws -> CreatedModel {
        try Modelfile(text, file: "Modelfile").model { "/models/\($0)" }
    }

    @Test func aModelfileIsRead() throws {
        let made = try parse(
            """
            # A comment
            from smollm2
            PARAMETER temperature 0.1
            PARAMETER stop "\\n\\n"
            PARAMETER stop END
            parameter num_ctx 4096
            SYSTEM \"\"\"
            You are brief.
            Very.\"\"\"
            MESSAGE user What is "this"?
            MESSAGE assistant \"\"\"A
            test\"\"\"
            LICENSE Apache-2.0
            """)
        #expect(made.from == "smollm2" && made.path == "/models/smollm2")
        #expect(made.system == "\nYou are brief.\nVery." && made.licences == ["Apache-2.0"])
        #expect(made.messages.map(\.role) == ["user", "assistant"])
        #expect(made.messages.map(\.content) == ["What is \"this\"?", "A\ntest"])
        #expect(made.withoutEffect == ["num_ctx"])
        let options = try made.options(over: GenerationOptions())
        #expect(options.sampling.temperature == 0.1 && options.stopStrings == ["\n\n", "END"])
        // What it writes is read as the same.
        #expect(try parse(made.modelfile).json == made.json)
    }

    @Test(arguments: [
        ("SYSTEM x", "line 1", "FROM"), ("FROM a\nPARAMATER x 1", "line 2", "PARAMETER"),
        ("FROM a\nPARAMETER temprature 1", "line 2", "temperature"),
        ("FROM a\nPARAMETER temperature warm", "line 2", "a number"),
        ("FROM a\nSYSTEM \"\"\"\nno end", "line 2", "closes"),
        ("FROM a\nMESSAGE robot hi", "line 2", "user or assistant"),
        ("FROM a\nTEMPLATE {{ .Prompt }}", "line 2", "Jinja"), ("FROM a\nADAPTER b\nADAPTER c", "line 3", "twice"),
        ("FROM a\nFROM b", "line 2", "twice"),
    ]) func whatIsWrongIsToldWithItsLine(_ text: String, _ line: String, _ word: String) {
        #expect { try parse(text) } throws: { "\($0)".contains(line) && "\($0)".contains(word) }
    }

    @Test func itOpensAsAModelOfItsOwn() async throws {
        let scratch = try Scratch(), base = scratch.path + "/base", file = scratch.path + "/terse.martlet.json"
        try FileManager.default.createDirectory(atPath: base, withIntermediateDirectories: true)
        try TinyModel().write(folder: base)
        var made = CreatedModel(from: "base", path: base)
        made.system = "be brief"
        made.messages = [ChatMessage(role: "user", content: "a"), ChatMessage(role: "assistant", content: "b")]
        made.parameters = ["temperature": 0.7, "num_predict": 5, "seed": 9, "stop": ["zz"]]
        try Data(made.json.bytes()).write(to: URL(fileURLWithPath: file))
        let model = try LanguageModel(path: file), plain = try LanguageModel(path: base)
        #expect(model.recommendation.source == .modelfile && model.recommendation.sampling.temperature == 0.7)
        let options = model.defaultOptions
        #expect(options.maximumTokens == 5 && options.sampling.seed == 9 && options.stopStrings == ["zz"])
        let question = ChatMessage(role: "user", content: "the end?")
        let whole = [ChatMessage(role: "system", content: "be brief")] + made.messages + [question]
        #expect(try model.prompt([question]) == plain.prompt(whole))
        // A system message of the conversation takes the place of its own.
        let own = ChatMessage(role: "system", content: "be long")
        #expect(try model.prompt([own, question]) == plain.prompt([own] + made.messages + [question]))
        #expect(try await Said(model.chat([question])).tokens.count <= 5)
    }

    @Test func filesThatAreGoneAreNamed() throws {
        let scratch = try Scratch(), file = scratch.path + "/x.martlet.json"
        try Data(#"{"from": "smollm2", "path": "/none/smollm2"}"#.utf8).write(to: URL(fileURLWithPath: file))
        #expect { try ModelFiles(path: file) } throws: {
            "\($0)".contains("/none/smollm2") && "\($0)".contains("smollm2")
        }
        try Data(#"{"from": "a", "path": "/", "parameters": {"top_p": "x"}}"#.utf8)
            .write(to: URL(fileURLWithPath: file))
        #expect { try ModelFiles(path: file) } throws: { "\($0)".contains("top_p") }
    }
}

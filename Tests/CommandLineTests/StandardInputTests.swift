import Foundation
import MartletJSON
import Testing

/// What is piped in is read whole or refused, and what is printed is written whole or fails.
struct StandardInputTests {
    /// Runs with bytes on standard input and standard output going to a file of its own.
    private func run(_ program: Program, _ arguments: [String], input: [UInt8], output: String? = nil) throws -> (
        code: Int32, error: String
    ) {
        let process = program.process(arguments)
        let path = "\(program.home)/input-\(UUID().uuidString)"
        try Data(input).write(to: URL(fileURLWithPath: path))
        process.standardInput = FileHandle(forReadingAtPath: path)
        let error = program.error
        process.standardError = FileHandle(forWritingAtPath: error)
        process.standardOutput = output.flatMap { FileHandle(forWritingAtPath: $0) } ?? FileHandle.nullDevice
        try process.run()
        let code = process.exitCode(within: 60)
        return (code, String(decoding: try Data(contentsOf: URL(fileURLWithPath: error)), as: UTF8.self))
    }

    @Test func whatIsNoTextIsAnErrorThatNamesTheByte() throws {
        let program = try Program(), model = try program.model()
        let bytes = Array("caf".utf8) + [0xE9, 0x0A]
        for arguments in [
            ["tokenize", model], ["run", model], ["run", model, "a question"], ["embed", try program.encoder()],
        ] {
            let result = try run(program, arguments, input: bytes)
            #expect(result.code == 1, "\(arguments)")
            #expect(result.error.contains("byte 3 is 0xe9"), "\(result.error)")
        }
    }

    @Test func outputThatCannotBeWrittenIsAFailure() throws {
        guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
        let program = try Program(), model = try program.model()
        for arguments in [
            ["show", model], ["show", model, "--json"], ["tokenize", model, "a"], ["env"], ["--help"], ["manual"],
            ["run", model, "a", "-n", "2", "--quiet"],
        ] {
            let result = try run(program, arguments, input: [], output: "/dev/full")
            #expect(result.code == 1, "\(arguments)")
            #expect(result.error.contains("standard output cannot be written"), "\(arguments): \(result.error)")
            #expect(result.error.contains("a disk with room"), "\(arguments): \(result.error)")
        }
    }

    @Test func namesThatAreListedCanBeShown() throws {
        let program = try Program()
        let hub = program.home + "/hub/hub"
        func snapshot(_ repository: String, _ commit: String, ref: String?) throws -> String {
            let folder = "\(hub)/models--\(repository)", path = "\(folder)/snapshots/\(commit)"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            if let ref {
                let file = URL(fileURLWithPath: "\(folder)/refs/\(ref)")
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(commit.utf8).write(to: file)
            }
            return path
        }
        let model = try program.model(), file = try program.file()
        func copy(_ from: String, _ to: String) throws {
            if FileManager.default.fileExists(atPath: to) { try FileManager.default.removeItem(atPath: to) }
            try FileManager.default.copyItem(atPath: from, toPath: to)
        }
        try copy(model, try snapshot("gpt2", String(repeating: "a", count: 40), ref: "main"))
        try copy(model, try snapshot("org--x", String(repeating: "b", count: 40), ref: "refs/pr/1"))
        let several = try snapshot("org--y", String(repeating: "c", count: 40), ref: "main")
        for name in ["y-Q8_0.gguf", "y-F16.gguf"] { try copy(file, "\(several)/\(name)") }
        // No model is in it.
        let none = try snapshot("org--z", String(repeating: "d", count: 40), ref: "main")
        try Data("a".utf8).write(to: URL(fileURLWithPath: none + "/README.md"))

        let listed = try program.run("list", "--json").json().array ?? []
        let names = listed.compactMap { $0["name"]?.string }
        #expect(Set(names) == ["gpt2", "org/x@refs/pr/1", "org/y:y-F16.gguf", "org/y:y-Q8_0.gguf"])
        for name in names {
            let shown = try program.run("show", name, "--json")
            #expect(shown.code == 0, "\(name): \(shown.error)")
        }
        // Where none is named, one that memory has room for is taken.
        let chosen = try program.run("show", "org/y")
        #expect(chosen.code == 0)
        #expect(chosen.error.contains("2 quantisations are there: Q8_0 is taken"), "\(chosen.error)")
    }

    @Test func offlineFetchesNothing() throws {
        let program = try Program()
        let result = try program.run("run", "--offline", "org/none", "a")
        #expect(result.code == 1)
        #expect(result.error.contains("martlet pull org/none"))
    }
}

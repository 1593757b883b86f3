import Foundation
import Testing
import TinyModels

struct ExitCodeTests {
    let program: Program
    init() throws { program = try Program() }

    @Test func zeroAndTheReplyOnStandardOutput() throws {
        let model = try program.file()
        let result = try program.run("run", model, "-n", "12", "--seed", "3", "Is this the inn?")
        #expect(result.code == 0)
        #expect(result.output.hasSuffix("\n") && result.output.count > 12)
        #expect(result.error.contains("reply 12 tokens") && result.error.contains("cut at the token limit"))
        let quiet = try program.run("run", model, "-n", "12", "--seed", "3", "--quiet", "Is this the inn?")
        #expect(quiet.output == result.output && quiet.error.isEmpty)
        let other = try program.run("run", model, "-n", "12", "--seed", "4", "Is this the inn?")
        #expect(other.output != result.output)
    }

    @Test func whatIsPipedInIsPartOfThePrompt() throws {
        let model = try program.model()
        let arguments = ["run", model, "--raw", "--temp", "0", "-n", "8", "--quiet"]
        let piped = try program.run(arguments, input: "the end")
        #expect(piped.code == 0)
        #expect(try program.run(arguments + ["the end"]).output == piped.output)
        #expect(
            try program.run(arguments + ["the"], input: "end").output
                == program.run(arguments + ["the\n\nend"]).output)
    }

    @Test func stopStringsAndBeamsReachTheModel() throws {
        let model = try program.model()
        let free = try program.run("run", model, "--raw", "--temp", "0", "-n", "30", "--quiet", "the end").output
        let stop = String(free.dropFirst(6).prefix(3))
        let cut = try program.run(
            "run", model, "--raw", "--temp", "0", "-n", "30", "--quiet", "--stop", stop, "the end")
        #expect(cut.output == free.prefix(upTo: try #require(free.range(of: stop)).lowerBound) + "\n")
        let beams = try program.run("run", model, "--raw", "--beams", "3", "-n", "8", "the end")
        #expect(beams.code == 0 && beams.output.count > 8)
        #expect(try program.run("run", model, "--raw", "--beams", "3", "-n", "8", "the end").output == beams.output)
    }

    @Test(arguments: [
        [], ["show"], ["run", "x", "--seed", "y"], ["nonsense"], ["run", "--nonsense"],
        ["tokenize", "@", "--decode", "x"],
        ["logits", "@", "--out", "l.npy"], ["run", "@"], ["run", "@", "--top-p", "5", "hi"],
        ["run", "@", "--beams", "0", "hi"], ["run", "@", "--beams", "2", "--temp", "1", "hi"],
        ["run", "@", "--length-penalty", "1", "hi"], ["run", "@", "--logit-bias", "7", "hi"],
        ["run", "@", "--logit-bias", "9999=1", "hi"], ["bench", "@", "-p", "0"], ["run", "@", "-n", "-3", "hi"],
    ])
    func twoForWrongUsage(_ arguments: [String]) throws {
        let model = arguments.contains("@") ? try program.file() : ""
        let result = try program.run(arguments.map { $0 == "@" ? model : $0 })
        // Without a verb there is only help to give.
        #expect(result.code == (arguments.isEmpty ? 0 : 2), "\(result)")
        if !arguments.isEmpty { #expect(result.output.isEmpty && !result.error.isEmpty) }
    }

    /// The program with a reply under way that would take many minutes, and what it shows.
    private func talking() throws -> (process: Process, output: FileHandle) {
        let model = try program.model { $0.contextLength = 1_000_000 }
        let process = program.process(["run", model, "--raw", "-n", "900000", "the end"])
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle(forWritingAtPath: program.error)
        try process.run()
        #expect(!output.fileHandleForReading.availableData.isEmpty)
        return (process, output.fileHandleForReading)
    }

    @Test func oneHundredThirtyWhenInterruptedDuringAReply() throws {
        let (process, output) = try talking()
        process.interrupt()
        // What it still says has to be taken, or it could not end.
        let reader = Thread { _ = try? output.readToEnd() }
        reader.start()
        #expect(process.exitCode() == 130)
        #expect(try Data(contentsOf: URL(fileURLWithPath: program.error)).isEmpty)
    }

    @Test func aReaderThatGoesAwayEndsTheReply() throws {
        let (process, output) = try talking()
        try output.close()
        #expect(process.exitCode() < 128)
    }
}

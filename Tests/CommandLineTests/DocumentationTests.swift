import Foundation
import Testing
import TinyModels

/// The code blocks of README.md and docs/: each is checked, and those that can be are run, with tiny models under the
/// names of real ones.
struct DocumentationTests {
    private static let scripts =
        #filePath.replacing("Tests/CommandLineTests/DocumentationTests.swift", with: "scripts/")

    /// Runs Python to its end, on a thread that serves nobody else: other tests go on meanwhile.
    private func run(
        _ script: String, _ arguments: [String], _ environment: [String: String] = [:]
    ) async throws -> (code: Int32, output: String) {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try Self.finish(script, arguments, environment) })
            }
        }
    }

    private static func finish(
        _ script: String, _ arguments: [String], _ environment: [String: String]
    ) throws -> (code: Int32, output: String) {
        let process = Process(), path = NSTemporaryDirectory() + "martlet-docs-" + UUID().uuidString
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        defer { try? FileManager.default.removeItem(atPath: path) }
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", scripts + script] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(forWritingAtPath: path)
        process.standardError = process.standardOutput
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, try String(contentsOfFile: path, encoding: .utf8))
    }

    @Test(
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "python3 is not installed"),
        .timeLimit(.minutes(60)))
    func everyBlockIsRightAndRunsOrSaysWhyNot() async throws {
        let program = try Program()
        let models = program.home + "/martlet/models"
        for name in ["smollm2", "minilm"] {
            try FileManager.default.createDirectory(atPath: "\(models)/\(name)", withIntermediateDirectories: true)
        }
        var model = TinyModel()
        model.contextLength = 2048
        try model.write(gguf: models + "/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
        try TinyEncoder.write(folder: models + "/minilm")
        let build = URL(filePath: Program.path).deletingLastPathComponent().path
        // Blocks of Swift are run as well, linked with what the program was.
        let objects = build + "/martlet.product/Objects.LinkFileList"
        let link = FileManager.default.fileExists(atPath: objects) ? ["--link", objects] : []
        let (code, output) = try await run(
            "doc_blocks.py", ["--quick", "--martlet", Program.path, "--build", build] + link,
            [
                "HOME": program.home, "HF_HOME": program.home + "/hub", "HF_HUB_OFFLINE": "1",
                "MARTLET_HOME": program.home + "/martlet",
            ])
        #expect(code == 0, "\(output.split(separator: "\n").filter { !$0.hasPrefix("ok ") }.joined(separator: "\n"))")
        // How many ran, and why others did not.
        print(output.split(separator: "\n").drop { !$0.contains(" blocks: ") }.joined(separator: "\n"))
    }

    /// What the program says has its Chinese, in docs/zh as well.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "python3 is not installed"))
    func theReferencesAreThereInChinese() async throws {
        let (code, output) = try await run("chinese_reference.py", ["--check"])
        #expect(code == 0, "\(output)")
    }
}

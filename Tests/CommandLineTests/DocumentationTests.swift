import Foundation
import Testing

/// The code blocks of README.md and docs/: each language is known, and those that can be run are, where asked for.
@Suite struct DocumentationTests {
    private static let script = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../scripts/doc_blocks.py").standardized.path

    private func run(_ arguments: [String]) throws -> (code: Int32, output: String) {
        let process = Process(), path = NSTemporaryDirectory() + "martlet-docs-" + UUID().uuidString
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        defer { try? FileManager.default.removeItem(atPath: path) }
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", Self.script] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(forWritingAtPath: path)
        process.standardError = process.standardOutput
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, try String(contentsOfFile: path, encoding: .utf8))
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "python3 is not installed"))
    func everyBlockIsRunOrSaysWhyNot() throws {
        let (code, output) = try run(["--list"])
        #expect(code == 0)
        for line in output.split(separator: "\n") where !line.contains("README.md") {
            let language = line.split(separator: " ").dropFirst().first
            #expect(["sh", "swift", "-"].contains(language), "\(line)")
        }
    }

    /// Fetches nothing, but chats and trains: minutes.
    @Test(
        .enabled(
            if: ProcessInfo.processInfo.environment["MARTLET_TEST_DOCS"] != nil,
            "set MARTLET_TEST_DOCS, with smollm2 and minilm on this machine"))
    func blocksThatCanBeRunAre() throws {
        let (code, output) = try run(["--martlet", Program.path])
        #expect(code == 0, "\(output)")
    }
}

import Foundation
import MartletJSON
import Testing
import TinyModels

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The built `martlet`, run in a home of its own with no network.
final class Program {
    let home: String

    init() throws {
        home = NSTemporaryDirectory() + "martlet-program-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    }
    /// An empty file for what a process says on standard error.
    var error: String {
        let path = home + "/error"
        if !FileManager.default.fileExists(atPath: path) { FileManager.default.createFile(atPath: path, contents: nil) }
        return path
    }

    deinit { try? FileManager.default.removeItem(atPath: home) }

    /// Writes a file into the home.
    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: home + "/" + name))
    }

    struct Result {
        var code: Int32
        var output: String
        var error: String

        func json() throws -> JSON { try JSON(parsing: Array(output.utf8)) }
    }

    /// Beside the test program, where the build puts both.
    static let path: String = {
        if let given = ProcessInfo.processInfo.environment["MARTLET_PROGRAM"] { return given }
        let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return folder.appending(path: "martlet").path
    }()

    /// The small program of `./quickstart`, which is built beside the whole one.
    static let smallPath = URL(fileURLWithPath: path).deletingLastPathComponent().appending(path: "martlet-small").path

    /// What is run.
    var path = Program.path

    func process(_ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: home)
        process.environment = [
            "HOME": home, "HF_HOME": home + "/hub", "HF_HUB_OFFLINE": "1", "MARTLET_HOME": home + "/martlet",
            "PATH": "/usr/bin:/bin", "TERM": "xterm",
        ]
        process.standardInput = FileHandle.nullDevice
        return process
    }

    /// Runs to the end.
    func run(_ arguments: [String], input: String? = nil, environment: [String: String] = [:]) throws -> Result {
        let process = process(arguments)
        process.environment = process.environment?.merging(environment) { $1 }
        // Files, not pipes: nothing waits for whom.
        let names = ["out", "err", "in"].map { "\(home)/\(UUID().uuidString).\($0)" }
        for name in names { FileManager.default.createFile(atPath: name, contents: Data((input ?? "").utf8)) }
        let (output, error) = (FileHandle(forWritingAtPath: names[0]), FileHandle(forWritingAtPath: names[1]))
        try output?.truncate(atOffset: 0)
        try error?.truncate(atOffset: 0)
        process.standardOutput = output
        process.standardError = error
        if input != nil { process.standardInput = FileHandle(forReadingAtPath: names[2]) }
        try process.run()
        process.waitUntilExit()
        func text(_ name: String) throws -> String {
            defer { try? FileManager.default.removeItem(atPath: name) }
            return String(decoding: try Data(contentsOf: URL(fileURLWithPath: name)), as: UTF8.self)
        }
        return Result(code: process.exitCode, output: try text(names[0]), error: try text(names[1]))
    }

    func run(_ arguments: String..., input: String? = nil) throws -> Result { try run(arguments, input: input) }

    /// Runs what is to fail: nothing on standard output, and one sentence that has all the parts. What shows a line of
    /// a file and a caret below it has two lines more.
    func expect(
        _ code: Int32, _ arguments: [String], _ parts: [String], environment: [String: String] = [:],
        hasCaret: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let result = try run(arguments, environment: environment)
        let about = Comment(rawValue: "\(arguments): \(result)")
        #expect(result.code == code && result.output.isEmpty, about, sourceLocation: sourceLocation)
        #expect(result.error.hasPrefix("martlet: "), about, sourceLocation: sourceLocation)
        let lines = result.error.split(separator: "\n").count
        #expect(lines == (hasCaret ? 3 : 1), about, sourceLocation: sourceLocation)
        for part in parts { #expect(result.error.contains(part), about, sourceLocation: sourceLocation) }
    }

    // MARK: - Models

    func folder(_ name: String) throws -> String {
        let path = "\(home)/\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    /// A random model as a folder.
    func model(_ change: (inout TinyModel) -> Void = { _ in }) throws -> String {
        let path = try folder("model-\(UUID().uuidString)")
        var model = TinyModel()
        change(&model)
        try model.write(folder: path)
        return path
    }

    /// A random model as a GGUF file.
    func file(_ change: (inout TinyModel) -> Void = { _ in }) throws -> String {
        let path = "\(home)/\(UUID().uuidString).gguf"
        var model = TinyModel()
        change(&model)
        try model.write(gguf: path)
        return path
    }

    func encoder() throws -> String {
        let path = try folder("encoder")
        try TinyEncoder.write(folder: path)
        return path
    }
}

extension Process {
    /// The code a shell would show: 128 more than the signal that ended it.
    var exitCode: Int32 { terminationReason == .exit ? terminationStatus : 128 + terminationStatus }

    /// Waits for the end, and brings it about when it does not come for longer than a busy machine may need: a test that
    /// hangs would hold up all others.
    func exitCode(within seconds: Double = 300) -> Int32 {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while isRunning, Date() < deadline { usleep(10_000) }
        if isRunning { kill(processIdentifier, SIGKILL) }
        waitUntilExit()
        return exitCode
    }
}

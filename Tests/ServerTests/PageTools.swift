import Foundation

/// What the tests of the pages run, where it is installed.
enum PageTools {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "pages").path
    static let node = find(["node"])
    static let chromium =
        ProcessInfo.processInfo.environment["CHROMIUM"]
        ?? find(["chromium", "chromium-browser", "google-chrome"])
    static let noNode = "node is not installed"
    static let noBrowser = "node or chromium is not installed"
    static let noModel = "set MARTLET_TEST_MODELS to a folder with smollm2/, and install node and chromium"
    static let realModel = ProcessInfo.processInfo.environment["MARTLET_TEST_MODELS"].map {
        $0 + "/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    }

    private static func find(_ names: [String]) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        return names.lazy.flatMap { name in folders.lazy.map { "\($0)/\(name)" } }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Runs node to its end, on a thread that serves nobody else.
    static func run(_ arguments: [String]) async throws -> (code: Int32, output: String) {
        try await RawSocket.away {
            let process = Process(), path = NSTemporaryDirectory() + "martlet-node-" + UUID().uuidString
            _ = FileManager.default.createFile(atPath: path, contents: nil)
            defer { try? FileManager.default.removeItem(atPath: path) }
            process.executableURL = URL(filePath: node ?? "/usr/bin/node")
            process.arguments = arguments
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = FileHandle(forWritingAtPath: path)
            process.standardError = process.standardOutput
            try process.run()
            process.waitUntilExit()
            return (process.terminationStatus, try String(contentsOfFile: path, encoding: .utf8))
        }
    }
}

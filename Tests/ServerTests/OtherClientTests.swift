import Foundation
import MartletServer
import Testing

/// Other people's clients, where this machine has them.
struct OtherClientTests {
    private static let python = find("python3", or: "MARTLET_PYTHON") { run($0, ["-c", "import openai"]) == 0 }
    private static let curl = find("curl") { run($0, ["--version"]) == 0 }
    private static let openssl = find("openssl") { run($0, ["version"]) == 0 }

    /// What a variable of the environment names, or else the program where machines have it.
    private static func find(_ name: String, or variable: String? = nil, where works: (String) -> Bool) -> String? {
        let given = variable.flatMap { ProcessInfo.processInfo.environment[$0] }
        let all = [given, "/usr/bin/" + name, "/usr/local/bin/" + name].compactMap { $0 }
        return all.first { FileManager.default.isExecutableFile(atPath: $0) && works($0) }
    }

    private static func run(_ program: String, _ arguments: [String], output: String = "/dev/null") -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        // Whatever proxy is set, by the machine or by a test beside this one, the server is on this machine.
        process.environment = ProcessInfo.processInfo.environment
            .merging(["NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"]) { $1 }
        process.arguments = arguments
        let file = FileHandle(forWritingAtPath: output)
        process.standardOutput = file
        process.standardError = file
        guard (try? process.run()) != nil else { return -1 }
        process.waitUntilExit()
        return process.terminationStatus
    }

    @Test(.enabled(if: python != nil, "no Python with the openai package; MARTLET_PYTHON names one"))
    func theOpenAIClientWorksUnchanged() async throws {
        var settings = ServerSettings()
        settings.keys = [APIKey(secret: "sk-test-key")]
        try await RunningServer.with(["tiny", "encoder"], settings: settings) { running in
            let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
                path: "clients/openai_client.py"
            ).path
            let output = running.folder + "/output"
            _ = FileManager.default.createFile(atPath: output, contents: nil)
            let port = running.port
            let code = try await RawSocket.away {
                Self.run(
                    Self.python ?? "",
                    [script, "http://127.0.0.1:\(port)/v1", "sk-test-key", "tiny", "encoder", "--random"],
                    output: output)
            }
            let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
            #expect(code == 0, "\(text)")
        }
    }

    @Test(
        .enabled(if: curl != nil && openssl != nil, "no curl or openssl"),
        .enabled(if: ServerCertificate.isSupported, "built with MARTLET_TLS=0"))
    func replyOverTLS() async throws {
        let folder = try RunningServer.write([])
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let made = Self.run(
            Self.openssl ?? "",
            [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout",
                "\(folder)/key.pem", "-out", "\(folder)/cert.pem",
            ])
        #expect(made == 0)
        var settings = ServerSettings()
        settings.certificate = ServerCertificate(chain: "\(folder)/cert.pem", key: "\(folder)/key.pem")
        try await RunningServer.with(settings: settings) { running in
            let output = running.folder + "/output", port = running.port
            _ = FileManager.default.createFile(atPath: output, contents: nil)
            let code = try await RawSocket.away {
                Self.run(
                    Self.curl ?? "", ["-sS", "--cacert", "\(folder)/cert.pem", "https://localhost:\(port)/health"],
                    output: output)
            }
            let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
            #expect(code == 0 && text.contains("ok"), "\(text)")
        }
        settings.certificate?.key = "\(folder)/none.pem"
        let broken = settings
        await #expect(throws: ServerError.self) { try await RunningServer.with(settings: broken) { _ in } }
    }
}

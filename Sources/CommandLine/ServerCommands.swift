import ArgumentParser
import Martlet
import MartletLoad
import MartletSystem
import MartletVerbs

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Which server a verb asks.
struct ServerFlags: ParsableArguments {
    @Option(help: "The server; MARTLET_URL, or http://127.0.0.1:8080, when left out.") var url: String?
    @Option(help: "Its key; MARTLET_API_KEY when left out.") var apiKey: String?
}

extension ServerFlags {
    var calls: ServerCalls {
        func variable(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        return ServerCalls(
            url: url ?? variable("MARTLET_URL") ?? "http://127.0.0.1:8080",
            key: apiKey ?? variable("MARTLET_API_KEY"))
    }
}

/// `martlet ps`
struct RunningCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ps",
        abstract: "List the models that a running server holds in memory.",
        discussion: """
            Examples:
              martlet ps
              martlet ps --url http://127.0.0.1:9000 --json
            """)
    @OptionGroup var server: ServerFlags
    @Flag(help: "A JSON array.") var json = false

    func run() async throws {
        let models = try await server.calls.get("/api/ps")["models"]?.array ?? []
        if json { return print(JSON.array(models).text(indent: 2)) }
        guard !models.isEmpty else { return Terminal.note("the server holds no model in memory") }
        let names = models.map { Self.plain($0["name"]?.string ?? "?") }
        let width = max(20, (names.map(\.columns).max() ?? 0) + 2)
        print("NAME".padding(width) + "SIZE".padding(12) + "CONTEXT".padding(10) + "PARAMETERS")
        for (name, model) in zip(names, models) {
            print(
                name.padding(width) + Terminal.bytes(model["size"]?.integer ?? 0).padding(12)
                    + "\(model["context_length"]?.integer ?? 0)".padding(10)
                    + (model["details"]?["parameter_size"]?.string ?? ""))
        }
    }

    /// Without the tag ":latest".
    private static func plain(_ name: String) -> String { name.hasSuffix(":latest") ? String(name.dropLast(7)) : name }
}

/// `martlet stop`
struct StopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Take a model out of a running server's memory.",
        discussion: """
            The server goes on; whoever asks for the model next has it loaded again. A model in use is left there and said \
            to be.

            Example:
              martlet stop smollm2
            """)
    @Argument(help: "The model, as `martlet ps` shows it.", completion: .models) var model: String
    @OptionGroup var server: ServerFlags

    func run() async throws {
        let answer = try await server.calls.post("/admin/models/unload", ["model": .string(model)])
        let was = answer["unloaded"]?.bool ?? false
        Terminal.note(was ? "\(model) is out of memory" : "\(model) was not in memory")
    }
}

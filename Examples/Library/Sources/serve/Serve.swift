import Martlet
import MartletServer

/// Serves a model from a program of your own: serve [MODEL] [PORT].
@main
struct Serve {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let name = arguments.first ?? "smollm2"
        var settings = ServerSettings()
        settings.port = arguments.count > 1 ? Int(arguments[1]) ?? 8080 : 8080
        let models = try ModelRegistry([(name: name, aliases: [], path: ModelLocator.locate(name))])
        let server = try Server(settings, models)
        try await server.run(onRunning: { port in print("serving on http://127.0.0.1:\(port ?? 0)") })
    }
}

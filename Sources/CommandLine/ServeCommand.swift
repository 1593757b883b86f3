import ArgumentParser
import Logging
import Martlet
import MartletServer
import MartletSystem
import MartletVerbs

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve models over HTTP, as OpenAI's API and with pages for people.",
        discussion: """
            Each MODEL is a folder, a GGUF file, org/name or a short name; NAME=MODEL gives it another name for clients. \
            A folder that holds an adapter is its base with it; where the base is served too, they share it. \
            The first is loaded at once, the others when first asked for (--load-all: all at once).

            A key file has one key a line: a name, the key or sha256: and its digest, and what it may do, as in
              alice  sk-3f1c…  scopes=inference,metrics rpm=60 tokens-per-day=100000 concurrent=4

            The first SIGTERM or Ctrl-C lets requests under way end, the second stops at once.

            Examples:
              martlet serve smollm2
              martlet serve smollm2 minilm --api-key-file keys.txt --port 9000 --max-memory 4GiB
              martlet serve runs/id
              martlet serve smollm2 --adapter me=runs/id --adapter dpo=runs/dpo
              martlet serve smollm2 --runs runs --tune data
              martlet serve ./flan-t5-small                       # encoder-decoders: /v1/completions, /api/generate
              martlet serve ./glm-4.5-air.gguf --spec mtp
              martlet serve chat=./my-model --host 0.0.0.0 --api-key "$KEY" --tls-cert cert.pem --tls-key key.pem
            """)

    @Argument(help: "A model, or NAME=MODEL; several are told apart by \"model\" in a request.", completion: .models)
    var models: [String]
    @Option(help: "Address to listen on.") var host = "127.0.0.1"
    @Option(help: "Port to listen on; 0 lets the system choose.") var port = 8080
    @OptionGroup(title: "Who may use it") var access: ServeAccess
    @OptionGroup(title: "Models") var loading: ServeLoading
    @Option(
        name: .customLong("adapter"),
        help: "An adapter served as a model of its own, as NAME=ADAPTER; may be given several times.")
    var adapters: [String] = []
    @OptionGroup(title: "Limits") var bounds: ServeBounds
    @OptionGroup(title: "Training") var training: ServeTraining
    @Option(help: "Lines of the log for people or for programs: text or json.") var logFormat = "text"
    @Option(help: "debug, info, warning or error.") var logLevel = "info"

    func run() async throws {
        if let number = models.first(where: { UInt16($0) != nil && (try? ModelLocator.locate($0)) == nil }) {
            throw ValidationError("there is no model \"\(number)\"; the port is given as --port \(number)")
        }
        guard let format = LogFormat(rawValue: logFormat) else {
            throw ValidationError("--log-format is \"\(logFormat)\"; expected text or json")
        }
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw ValidationError("--log-level is \"\(logLevel)\"; expected debug, info, warning or error")
        }
        let logger = Logger(label: "martlet") { LineLog(label: $0, format: format, level: level) }
        guard (0...65_535).contains(port) else {
            throw ValidationError("--port is \(port); expected a number from 0 to 65535")
        }
        // One colon is a port's; an address of IPv6 has more.
        guard !host.contains("/"), host.filter({ $0 == ":" }).count != 1 else {
            throw ValidationError(
                "--host is \(host.quoted()); expected an address alone, as 127.0.0.1, without http:// and port")
        }
        var settings = ServerSettings()
        settings.host = host
        settings.port = port
        try access.apply(to: &settings)
        try bounds.apply(to: &settings)
        try training.apply(to: &settings)
        // Flags that contradict each other are wrong usage, and told before a model is looked for.
        do { try settings.check() } catch { throw ValidationError(error.description) }
        settings.pagesFolder = getenv("MARTLET_PAGES").map { String(cString: $0) }
        OpenFiles.raiseLimit(to: bounds.maxConnections.adding(clamped: 512))
        // Before anything is loaded.
        var loadingSettings = try loading.settings()
        loadingSettings.logger = logger
        let (whole, shared) = try Self.apart(models.map(Self.named))
        let added = try adapters.map(Self.adapter)
        let registry = try ModelRegistry(whole, loadingSettings)
        if loading.spec == .mtp, !registry.models.contains(where: { $0.model.predictionModules > 0 }) {
            throw ValidationError(
                "--spec mtp: no model here has modules for multi-token prediction (model.layers.N.eh_proj behind the last "
                    + "layer); leave it out, or give --prompt-lookup or --draft")
        }
        let server = try Server(settings, registry, logger: logger)
        try server.checkAddress()
        try await server.preload(all: loading.loadAll)
        for (name, path) in shared + added {
            guard let why = try await registry.serveAdapter(name, path: path) else { continue }
            Terminal.note("martlet: \(name) is served with a copy of its base of its own: \(why)")
        }
        let scheme = settings.certificate == nil ? "http" : "https"
        let address = settings.host.contains(":") ? "[\(settings.host)]" : settings.host
        try await server.run(
            onSecondSignal: { _exit(128 + $0) },
            onRunning: { [port = settings.port] in
                Terminal.note("serving on \(scheme)://\(address):\($0 ?? port)")
            })
    }

    private typealias Named = (name: String, aliases: [String], path: String)

    /// Adapters whose base is among the models apart from these.
    private static func apart(_ all: [Named]) throws -> (whole: [Named], shared: [(name: String, path: String)]) {
        let bases = Set(all.filter { !PEFTFolder.isAdapter($0.path) }.compactMap { Folder.real($0.path) })
        var whole: [Named] = [], shared: [(name: String, path: String)] = []
        for model in all {
            if PEFTFolder.isAdapter(model.path), let base = Folder.real(try ModelLocator.base(ofAdapter: model.path)),
                bases.contains(base)
            {
                shared.append((model.name, model.path))
            } else {
                whole.append(model)
            }
        }
        return (whole, shared)
    }

    /// "me=runs/id", or "runs/id" for one that is called "id".
    private static func adapter(_ text: String) throws -> (name: String, path: String) {
        let sides = text.split(separator: "=", maxSplits: 1).map(String.init)
        if sides.count == 2, !Folder.exists(text) { return (sides[0], try ModelLocator.locateAdapter(sides[1])) }
        let path = try ModelLocator.locateAdapter(text)
        return (String(path.split(separator: "/").last ?? "adapter"), path)
    }

    private static func named(_ text: String) throws -> (name: String, aliases: [String], path: String) {
        let sides = text.split(separator: "=", maxSplits: 1).map(String.init)
        // A path may have an equals sign, too.
        if sides.count == 2, !Folder.exists(text), !sides[0].contains("/") {
            return (sides[0], [], try ModelLocator.locate(sides[1]) { Terminal.note($0) })
        }
        let path = try ModelLocator.locate(text) { Terminal.note($0) }
        // A path is named after its file or folder; a name is used as given.
        let isPath = Folder.exists(text)
        let short = isPath ? nil : ShortName.find(text)
        var name = isPath ? String(path.split(separator: "/").last ?? "model") : short?.name ?? text
        if isPath, name.hasSuffix(".gguf") { name.removeLast(5) }
        return (name, short.map { [$0.repository] } ?? [], path)
    }
}

/// How many files and connections the process may have open.
private enum OpenFiles {
    /// Raises the soft limit on open files: many systems start with 1024, fewer than the connections a server accepts,
    /// and at the limit no client can connect.
    static func raiseLimit(to count: Int) {
        var limit = rlimit()
        #if canImport(Glibc)
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
        let kind = RLIMIT_NOFILE
        #endif
        guard getrlimit(kind, &limit) == 0, limit.rlim_cur < rlim_t(clamping: count) else { return }
        limit.rlim_cur = min(limit.rlim_max, rlim_t(clamping: count))
        _ = setrlimit(kind, &limit)
    }
}

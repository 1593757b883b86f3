import ArgumentParser
import Martlet
import MartletServer
import MartletSystem
import MartletVerbs

/// Flags of `martlet serve` about keys and sites.
struct ServeAccess: ParsableArguments {
    @Option(
        name: .customLong("api-key"),
        help:
            "A key that may do everything; may be given several times. Also MARTLET_API_KEY, which no list of processes shows."
    )
    var keys: [String] = []
    @Option(name: .customLong("api-key-file"), help: "A file of keys, one a line.") var keyFile: String?
    @Flag(help: "Serve whoever connects, from other machines too, without a key.") var allowAnonymous = false
    @Option(
        name: .customLong("allow-host"),
        help: "A host name under which browsers may reach a server without keys, or *; may be given several times.")
    var hosts: [String] = []
    @Option(
        name: .customLong("allow-origin"),
        help:
            "An origin whose pages may use the server (CORS), as https://example.org, or *; may be given several times."
    )
    var origins: [String] = []
    @Option(name: .customLong("tls-cert"), help: "A certificate chain (PEM), for https.") var certificate: String?
    @Option(name: .customLong("tls-key"), help: "Its private key (PEM).") var privateKey: String?

    func apply(to settings: inout ServerSettings) throws {
        var secrets = keys
        if let secret = getenv("MARTLET_API_KEY").map({ String(cString: $0) }), !secret.isEmpty {
            secrets.append(secret)
        }
        guard !secrets.contains("") else { throw ValidationError("--api-key is empty") }
        for (index, secret) in secrets.enumerated() {
            settings.keys.append(APIKey(name: index == 0 ? "owner" : "owner\(index + 1)", secret: secret))
        }
        if let keyFile { settings.keys += try KeyFile.read(keyFile) }
        settings.allowsAnonymous = allowAnonymous
        settings.allowedHosts = hosts
        settings.allowedOrigins = origins
        // What a browser sends as Origin: a scheme and an authority, without a path.
        if let wrong = origins.first(where: {
            !["*", "null"].contains($0) && $0.wholeMatch(of: /[a-z][a-z0-9+.\-]*:\/\/[^\/\s]+/) == nil
        }) {
            throw ValidationError(
                "--allow-origin is \(wrong.quoted()); expected an origin as https://example.org, without a path, or *")
        }
        switch (certificate, privateKey) {
        case (let chain?, let key?):
            // Before a model is loaded.
            for path in [chain, key]
            where !String(decoding: try Folder.read(path), as: UTF8.self).contains("-----BEGIN ") {
                throw ServerError(
                    "\(path) is no PEM file: expected -----BEGIN CERTIFICATE----- or a private key's begin")
            }
            settings.certificate = ServerCertificate(chain: chain, key: key)
        case (nil, nil): break
        default: throw ValidationError("--tls-cert and --tls-key go together")
        }
    }
}

/// Flags of `martlet serve` about memory and what stays in it.
struct ServeLoading: ParsableArguments {
    @Flag(help: "Load every model at the start, not only the first.") var loadAll = false
    @Flag(
        help:
            "Weights and the cache of keys and values in float32, sums in float64: nearer to float64 than a float32 reference, but slower and in more memory."
    )
    var exact = false
    @Flag(
        help: """
            Inputs of int8 matrices in eight bits too, token by token, as LLM.int8 and folders of int8 activations are \
            computed elsewhere; less exact. A model that writes and has no such matrices \
            is refused; vectors and scores do not follow it.
            """)
    var int8Inputs = false
    @Option(
        help: """
            Memory for all models and their adapters, as 4GiB or 500MB; else what the machine or its control group has.
            """)
    var maxMemory: ByteCount?
    @Option(
        help: """
            Memory of one model's key/value cache, with the prompts that are kept for requests that begin alike; those \
            used least recently are evicted. 1GiB, or what is left beside the weights; the log says it.
            """)
    var cacheMemory: ByteCount?
    @Option(help: "Keys and values of the cache as f16, q8 (0.53 of the memory for each token) or q4 (0.28).")
    var kvCache = KVCacheType.f16
    @Option(help: "Minutes after which an unused model is unloaded from memory.") var idleUnload: Double?
    @Option(help: "Requests of one model computed together at most: the batch size.") var maxRunning = 64
    @Option(
        help: "Requests of one model that may wait; the next are refused with 429. Half of --max-running when left out."
    )
    var maxQueue: Int?

    @Option(
        help: ArgumentHelp(
            "Speculative decoding from the text before: tokens ahead. Replies stay the same.", valueName: "tokens"))
    var promptLookup: Int?
    @Option(
        help: ArgumentHelp(
            "Speculative decoding by a smaller model of the same vocabulary. Replies stay the same.",
            valueName: "model"), completion: .models)
    var draft: String?
    @Option(help: "Tokens that the draft model guesses at a time; 4 when left out.") var draftTokens: Int?
    @Option(
        help: ArgumentHelp(
            "Speculative decoding by a model's own modules for multi-token prediction. Replies stay the same.",
            valueName: "mtp"))
    var spec: Drafts?
    @Option(help: "Tokens that those modules guess at a time; 2 when left out.") var specTokens: Int?

    enum Drafts: String, ExpressibleByArgument, CaseIterable { case none, mtp }

    private func speculation() throws -> EngineOptions.Speculation {
        try demand("--prompt-lookup", promptLookup, 1...64, "tokens")
        try demand("--draft-tokens", draftTokens, 1...64)
        guard draftTokens == nil || draft != nil else { throw ValidationError("--draft-tokens is for --draft MODEL") }
        if spec == .mtp {
            guard promptLookup == nil, draft == nil else {
                throw ValidationError("give --spec mtp, --prompt-lookup or --draft, not several")
            }
            try demand("--spec-tokens", specTokens, 1...64)
            return .predictions(tokens: specTokens ?? 2)
        }
        guard specTokens == nil else { throw ValidationError("--spec-tokens is for --spec mtp") }
        switch (promptLookup, draft) {
        case (nil, nil): return .none
        case (let tokens?, nil): return .promptLookup(tokens: tokens)
        case (nil, let draft?):
            return .draft(
                try LanguageModel(.opened(ModelLocator.locate(draft) { Terminal.note($0) })), tokens: draftTokens ?? 4)
        default: throw ValidationError("give --prompt-lookup or --draft, not both")
        }
    }

    func settings() throws -> ModelSettings {
        var settings = ModelSettings()
        settings.engine.speculation = try speculation()
        settings.engine.cacheType = kvCache
        for (option, memory) in [("--max-memory", maxMemory), ("--cache-memory", cacheMemory)] {
            guard let bytes = memory?.bytes, bytes < 1 << 20 else { continue }
            throw ValidationError("\(option) is \(bytes) bytes; expected 1MiB or more, with its unit, as 4GiB or 500MB")
        }
        settings.maximumMemory = maxMemory?.bytes
        guard !exact || !int8Inputs else { throw ValidationError("--exact and --int8-inputs exclude each other") }
        settings.precision = exact ? .exactSums : int8Inputs ? .int8Inputs : .fast
        if let cacheMemory { settings.cacheBytes = cacheMemory.bytes }
        if let idleUnload {
            try demand("--idle-unload", idleUnload, above: 0, to: 1e6, "minutes")
            settings.idleUnload = .seconds(idleUnload * 60)
        }
        try demand("--max-running", maxRunning, 1...4096)
        try demand("--max-queue", maxQueue, 1...1_000_000)
        settings.engine.maximumRunning = maxRunning
        settings.engine.maximumWaiting = maxQueue ?? max(maxRunning / 2, 1)
        return settings
    }
}

/// Flags of `martlet serve` about runs of training.
struct ServeTraining: ParsableArguments {
    @Option(help: "A folder of training runs to watch on the Runs page.") var runs: String?
    @Option(
        help: """
            A folder of data to learn from: turns on the Tune page, where who has the admin scope begins runs. They are \
            written to --runs, each by a process of its own that saves and ends when the server is told to stop.
            """)
    var tune: String?
    @Option(help: "Runs that may train at a time; 1 when left out.") var tuneRuns: Int?

    func apply(to settings: inout ServerSettings) throws {
        settings.runsFolder = runs
        if let runs, Folder.exists(runs), !Folder.isFolder(runs) {
            throw ValidationError("--runs \(runs) is a file; expected the folder of training runs")
        }
        guard let tune else {
            guard tuneRuns == nil else { throw ValidationError("--tune-runs is for --tune FOLDER") }
            return
        }
        try demand("--tune-runs", tuneRuns, 1...64)
        guard let program = Self.program else {
            throw ValidationError("--tune: the path of this program is not known; give its whole path when starting it")
        }
        var tuning = TuningSettings(program: program, dataFolder: tune)
        tuning.mostRuns = tuneRuns ?? 1
        settings.tuning = tuning
        // What it begins is listed before the folder holds anything.
        if let runs { try Folder.make(runs) }
    }

    /// The file of this program.
    private static var program: String? {
        if let path = Folder.real("/proc/self/exe") { return path }
        return CommandLine.arguments.first.flatMap { $0.contains("/") ? Folder.real($0) : nil }
    }
}

/// Flags of `martlet serve` that bound what one client takes.
struct ServeBounds: ParsableArguments {
    @Option(help: "Size of a request's body at most; 32MiB when left out.") var maxBody: ByteCount?
    @Option(
        help: "What the bodies of all requests under way may take together; 256MiB, or four bodies, when left out.")
    var maxBodyMemory: ByteCount?
    @Option(help: "Open connections; beyond them idle ones are closed for new ones.") var maxConnections = 1024
    @Option(
        help:
            "Seconds a client may take for the header of each of its requests, for a pause in its body, and for a pause in reading its reply."
    )
    var clientTimeout: Double = 30
    @Option(
        help: ArgumentHelp(
            "How long a token of a stream may wait for others to be sent with it; 0 sends each at once.",
            valueName: "milliseconds"))
    var streamInterval: Double = 16
    @Option(help: "Seconds that requests under way get when the server is told to stop.") var drain: Double = 30

    func apply(to settings: inout ServerSettings) throws {
        if let maxBody {
            settings.limits.body = maxBody.bytes
            settings.limits.bodies = max(settings.limits.bodies, maxBody.bytes.multiplied(clampedBy: 4))
        }
        if let maxBodyMemory { settings.limits.bodies = maxBodyMemory.bytes }
        try demand("--max-connections", maxConnections, 1...1_000_000)
        settings.limits.connections = maxConnections
        try demand("--client-timeout", clientTimeout, above: 0, to: 1e6, "seconds")
        try demand("--drain", drain, 0...1e6, "seconds")
        settings.limits.headerTime = min(settings.limits.headerTime, .seconds(clientTimeout))
        settings.limits.bodyTime = .seconds(clientTimeout)
        settings.limits.writeTime = .seconds(clientTimeout)
        try demand("--stream-interval", streamInterval, 0...1000, "milliseconds")
        settings.limits.delivery = .seconds(streamInterval / 1000)
        settings.drain = .seconds(drain)
    }
}

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

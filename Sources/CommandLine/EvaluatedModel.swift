import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A model that verbs of evaluation ask: of this machine, or behind a URL.
struct EvaluatedModelFlags: ParsableArguments {
    @OptionGroup var adapters: AdapterFlags
    @Flag(help: "Weights in float32, sums of products in float64, where the model is on this machine.") var exact =
        false
    @Option(name: .customLong("model"), help: "The model's name at a server, where a URL is given.") var name: String?
    @Option(help: "Requests to a server under way at a time.") var concurrency = 8
    @Option(help: "Seconds that a server may take for one request.") var timeout = 300.0

    func validate() throws {
        try demand("--timeout", timeout, above: 0, to: 1e6, "seconds")
        try demand("--concurrency", concurrency, 1...1024)
    }

    /// - Parameter others: models that the verb asks as well.
    func open(_ model: String, beside others: [String] = []) throws -> any EvaluationModel {
        guard TeacherConnection.isURL(model) else {
            let files = try files(model, others)
            return LocalModel(try load(files), name: model, fingerprint: files.fingerprint(adapters.adapters))
        }
        try check(model, beside: others)
        return try remote(model, name: name)
    }

    /// - Throws: `ValidationError` for flags that a server does not follow, or a name of a server's model where there is none.
    func check(_ model: String, beside others: [String] = []) throws {
        guard TeacherConnection.isURL(model) else {
            guard name == nil else {
                throw ValidationError("--model names a model of a server, and \(model) is sought on this machine")
            }
            let asksServer = others.contains(where: TeacherConnection.isURL)
            for (flag, isGiven) in [("--concurrency", concurrency != 8), ("--timeout", timeout != 300)]
            where isGiven && !asksServer {
                throw ValidationError("\(flag) is of the requests to a server, and \(model) is sought on this machine")
            }
            return
        }
        guard !exact, adapters.adapters.isEmpty else {
            throw ValidationError("--exact and --adapter need a model of this machine")
        }
    }

    /// A model beside the one that `--model` and `--adapter` speak of: of this machine, or the only one of a server.
    func openOther(_ model: String) throws -> any EvaluationModel {
        guard !TeacherConnection.isURL(model) else { return try remote(model, name: nil) }
        let files = try ModelFiles.opened(name: model)
        return LocalModel(try load(files), name: model, fingerprint: files.fingerprint())
    }

    private func remote(_ url: String, name: String?) throws -> RemoteModel {
        var options = RemoteOptions(url: url)
        options.model = name
        options.concurrency = concurrency
        options.timeout = .seconds(timeout)
        options.key = Self.key
        return try RemoteModel(options)
    }

    /// A model whose insides a verb needs.
    func load(_ model: String) throws -> LanguageModel {
        guard !TeacherConnection.isURL(model) else {
            throw ValidationError(
                "\(model) is the URL of a server, and this looks into the model: name one of this machine")
        }
        return try load(files(model, []))
    }

    private func load(_ files: ModelFiles) throws -> LanguageModel {
        try LanguageModel(files, precision: exact ? .exactSums : .fast)
    }

    private func files(_ model: String, _ others: [String]) throws -> ModelFiles {
        try check(model, beside: others)
        return try ModelFiles.opened(model, adapters)
    }

    /// The key for servers, from the environment: no list of processes shows it.
    static var key: String? {
        let names: [String] = ["OPENAI_API_KEY", "MARTLET_API_KEY"]
        for name in names {
            if let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty { return value }
        }
        return nil
    }
}

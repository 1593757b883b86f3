import Martlet
import MartletAPI
import MartletJSON

/// What a request to train comes to: the arguments of the program, all of them checked.
///
/// Paths come from the server's folders and models alone, options from the schema of the command. An option that may name a
/// file or a program, and a reward that is a program, are refused: whoever may begin a run may not thereby run or read anything else.
package struct TuningPlan: Sendable {
    package let command: RunCommand
    package let arguments: [String]

    /// A model that is trained, taught by or judged with.
    package struct Source: Sendable {
        package var path: String
        /// Where the model is one with an adapter, on which training goes on.
        package var adapter: String?

        package init(path: String, adapter: String? = nil) { (self.path, self.adapter) = (path, adapter) }
    }

    /// - Parameters:
    ///   - upload: the file that the request's rows are in.
    ///   - run: the folder of the run.
    ///   - locate: finds a model by its name, or throws.
    /// - Throws: `APIError` naming the member that cannot be.
    package init(
        _ request: TuningRequest, _ settings: TuningSettings, upload: String?, run: String,
        locate: (_ name: String, _ parameter: String) throws -> Source
    ) throws {
        let command = try Self.command(request.method)
        guard let name = request.model, !name.isEmpty else { throw APIError.invalid("model", "is missing") }
        let form = OptionForm(command), source = try locate(name, "model")
        var arguments = [command.name, source.path, "--out", run]
        var paths: [String] = []
        for (index, name) in request.data.enumerated() { paths.append(try settings.path(of: name, "data[\(index)]")) }
        if let upload { paths.append(upload) }
        if form.option("prompts") != nil, paths.count > 1 {
            throw APIError.invalid("data", "has \(paths.count) files; \(command.name) takes one")
        }
        let hasTask = request.options.contains { $0.key == "task" && !$0.value.isNull }
        guard !paths.isEmpty || hasTask else {
            throw APIError.invalid(
                "data", "is empty; name files of the server's folder, or upload rows", code: "data_missing")
        }
        for path in paths { arguments += ["--data", path] }
        var options = TrainingOptions(for: command)
        if let adapter = source.adapter { arguments += ["--set", "adapter_from=\(adapter)"] }
        for (key, value) in request.options where !value.isNull {
            let given = try Self.value(key, value, form, locate)
            do throws(TrainingError) { try options.set(key, given, from: "options") } catch {
                throw APIError("\(error)", parameter: "options.\(key.shown(limit: 80))", code: "invalid_option")
            }
            arguments += ["--set", "\(key)=\(given.string ?? given.text())"]
        }
        // What contradicts each other is told now, and not by a run that ends.
        do throws(TrainingError) { _ = try ResolvedOptions(options, vocabularySize: 0) } catch {
            throw APIError("\(error)", parameter: "options", code: "invalid_option")
        }
        if request.resumes { arguments += ["--resume", "auto"] }
        self.command = command
        self.arguments = arguments
    }

    private static func command(_ name: String?) throws(APIError) -> RunCommand {
        let all = OptionForm.ofTunedModels.map(\.command)
        guard let name else { throw .invalid("method", "is missing") }
        guard let command = all.first(where: { $0.name == name }) else {
            throw .invalid(
                "method",
                "is '\(name.shown(limit: 80))'; it must be one of \(all.map(\.name).joined(separator: ", "))")
        }
        return command
    }

    /// Options that name a model: the server's names stand for paths.
    private static let models: Set<String> = ["reference", "teacher"]
    /// Texts that name columns, layers, modules and losses. Another text may name a file, a program or a server.
    private static let texts: Set<String> = [
        "field", "map", "data_split", "subset", "targets", "adapter_layers", "rank_pattern", "alpha_pattern",
        "modules_to_save", "trained_tokens", "feedforward_modules", "trained", "loss",
    ]

    private static func isFree(_ option: OptionForm.Option) -> Bool {
        switch option.kind {
        case .path: false
        case .text: texts.contains(option.name)
        case .integer, .number, .flag, .choice: true
        }
    }

    /// Whether a page may ask for it.
    static func takes(_ option: OptionForm.Option) -> Bool {
        isFree(option) || models.contains(option.name) || option.name == "reward"
    }

    private static func value(
        _ key: String, _ value: JSON, _ form: OptionForm,
        _ locate: (_ name: String, _ parameter: String) throws -> Source
    ) throws -> JSON {
        let place = "options.\(key.shown(limit: 80))"
        // What is no option is told by the schema, with the nearest one.
        guard let option = form.option(key) else { return value }
        if key == "reward", let text = value.string { return .string(try reward(text, locate)) }
        if isFree(option) { return value }
        guard models.contains(key), let name = value.string else {
            throw APIError(
                "\(key) may name a file or program of the server and cannot be set from here; use the command line",
                parameter: place, code: "option_is_a_path")
        }
        let source = try locate(name, place)
        guard source.adapter == nil else {
            throw APIError.invalid(place, "is a model with an adapter; merge it first (martlet merge)")
        }
        return .string(source.path)
    }

    /// Rewards by name, or models of runs: a program would be run with the rights of the server.
    private static func reward(
        _ text: String, _ locate: (_ name: String, _ parameter: String) throws -> Source
    ) throws -> String {
        let place = "options.reward"
        let named: [(name: String, weight: Double)]
        do { named = try RewardSum.named(text) } catch let error as RewardError {
            throw APIError("\(error)", parameter: place, code: "invalid_option")
        }
        return try named.map { name, weight in
            var name = name
            if RewardSum.isOutside(name) {
                guard name.hasPrefix("runs/") else {
                    throw APIError.invalid(
                        place,
                        "has '\(name.shown(limit: 80))'; from here a reward is one of "
                            + "\(Reward.builtInNames.map(\.name).joined(separator: ", ")) or runs/NAME, a reward model")
                }
                name = try locate(name, place).path
                guard !name.contains(","), !name.contains("=") else {
                    throw APIError.invalid(place, "names a folder with a comma or an equals sign in its path")
                }
            } else {
                do { _ = try Reward.builtIn(name) } catch let error as RewardError {
                    throw APIError("\(error)", parameter: place, code: "invalid_option")
                }
            }
            return weight == 1 ? name : "\(name)=\(weight)"
        }.joined(separator: ",")
    }
}

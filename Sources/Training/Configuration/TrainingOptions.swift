import MartletFormats
import MartletJSON
import MartletSystem

/// Everything a training run is made of. `depth` is the one dial: what is left open follows from it, and
/// `ResolvedOptions` says every value and where it came from.
///
/// ```swift
/// var options = TrainingOptions()
/// try options.set("depth", 6)
/// try options.set(assignment: "learning_rate=3e-4")
/// let resolved = try ResolvedOptions(options, vocabularySize: 32_000)
/// for value in resolved.values { print(value.name, value.value.text(), value.origin) }
/// ```
public struct TrainingOptions: Sendable, Equatable {
    /// A value as given; what is not here is derived.
    private(set) var given: [String: JSON] = [:]
    /// Who gave it: "command line", "run.yaml, line 3".
    private(set) var origins: [String: String] = [:]

    /// The model to begin with, where a configuration file names one.
    public internal(set) var startingModel: String?

    /// Whose options they are.
    public let command: RunCommand

    public init(for command: RunCommand = .pretraining) { self.command = command }

    /// Later values take the place of earlier ones; null takes one back, to be derived again.
    /// - Throws: `TrainingError` for a key that does not exist (with the nearest one that does), a value of another
    ///   type or out of range, `epochs` beside `steps`.
    public mutating func set(_ key: String, _ value: JSON, from origin: String = "command line") throws(TrainingError) {
        let known = try self.key(key, origin)
        if value.isNull {
            given[key] = nil
            origins[key] = nil
            return
        }
        guard known.accepts(value) else {
            let nearest = value.string.map { String($0.prefix(100)) }.flatMap { given in
                known.choices.min { Spelling.distance($0, given) < Spelling.distance($1, given) }
            }
            throw TrainingError(
                .configuration,
                "\(origin): \"\(key)\" is \(value.text().prefix(200)); expected \(known.expected)"
                    + (nearest.map { "; did you mean \"\($0)\"?" } ?? ""))
        }
        try giveWay(to: key, from: origin)
        if case .folders = known.kind, let portions = DataPortion.all(value) {
            given[key] = portions.optionJSON
        } else {
            given[key] = value
        }
        origins[key] = origin
    }

    /// Epochs and steps say the same: what a file has gives way to the command line, where there may be one of them. A file
    /// may have both, as a run's own configuration does; its steps count.
    private mutating func giveWay(to key: String, from origin: String) throws(TrainingError) {
        func isWritten(_ origin: String) -> Bool { origin == "command line" || origin.hasPrefix("--") }
        guard let other = ["epochs": "steps", "steps": "epochs"][key], let before = origins[other], isWritten(origin)
        else { return }
        guard !isWritten(before) else {
            throw TrainingError(
                .configuration, "\(origin): epochs and steps both say how long training goes on; give one of them")
        }
        given[other] = nil
        origins[other] = nil
    }

    /// Epochs over problems as steps, once it is known how many problems are learnt from.
    /// - Parameter problems: nil where there is no end of them.
    /// - Throws: `TrainingError` for epochs of what has no end.
    public mutating func setSteps(problems: Int?) throws(TrainingError) {
        // Where both are said, steps count.
        guard let epochs = given["epochs"]?.double, given["steps"] == nil else { return }
        guard let problems else {
            throw TrainingError(
                .configuration, "epochs goes through a file of problems, and a task has no end of them: say steps")
        }
        let each = try ResolvedOptions(self, vocabularySize: 0).rollouts.problems
        let steps = max(1, (epochs * Double(problems) / Double(max(1, each))).rounded(.up))
        let origin = "\(OptionKey.plain(epochs)) × \(problems) problems / \(each) of a step"
        try set("steps", .integer(Int64(min(steps, 1e8))), from: origin)
    }

    /// A value as it is written in a YAML file or on a command line: what it is follows from the key, so that `1e-5`
    /// is a number and `no` a family's name or false as the key asks.
    public mutating func set(_ key: String, text: String, from origin: String = "command line") throws(TrainingError) {
        let known = try self.key(key, origin)
        try set(key, known.value(text), from: origin)
    }

    /// "name=value".
    public mutating func set(assignment: String, from origin: String = "command line") throws(TrainingError) {
        guard let cut = assignment.firstIndex(of: "=") else {
            throw TrainingError(.configuration, "\(origin): \(assignment.quoted()) is not name=value")
        }
        let text = String(assignment[assignment.index(after: cut)...])
        try set(String(assignment[..<cut]), text: text, from: origin)
    }

    /// All members of a JSON object, as a configuration file holds them. What a run's own
    /// `configuration.json` says besides, where its values came from, which were given and what it has from its model,
    /// sets nothing.
    public mutating func set(_ object: JSON, from origin: String) throws(TrainingError) {
        guard let members = object.object else {
            throw TrainingError(.configuration, "\(origin): expected keys and values, found \(object.kind)")
        }
        for member in members where !["origins", "inherited", "given"].contains(member.key) {
            try set(member.key, member.value, from: origin)
        }
    }

    /// A configuration file: one JSON object.
    public mutating func set(file: String) throws {
        let object: JSON
        do {
            object = try JSON(parsing: Folder.read(file))
        } catch let error as JSONError {
            throw TrainingError(.configuration, "\(file): \(error)")
        }
        try set(object, from: file)
    }

    /// Where a run reads and writes, before anything of it is known.
    public var portions: [DataPortion] { given["data"].flatMap(DataPortion.all) ?? [] }
    /// Files of conversations.
    public var paths: [String] { given["data"].flatMap([String].init(option:)) ?? [] }
    public var out: String? { given["out"]?.string }
    public var tokenizer: String? { given["tokenizer"]?.string }
    /// Problems to learn from, or the task that makes them.
    public var prompts: String? { given["prompts"]?.string }
    public var task: String? { given["task"]?.string }
    /// Refuses a reward that is neither built in nor the path of a program or a model, before anything is opened.
    /// - Throws: `TrainingError` with the names there are.
    package func demandKnownReward() throws(TrainingError) {
        guard let reward = given("reward") else { return }
        do { try RewardSum.demandKnown(reward) } catch {
            throw TrainingError(.configuration, "\(error)", option: "reward")
        }
    }
    /// An option's text as it was given, before anything of the run is known.
    public func given(_ name: String) -> String? { given[name]?.string }
    /// The model to learn from.
    public var teacher: String? { given["teacher"]?.string }
    /// Whether somebody said what replies are worth.
    package var givesReward: Bool { given["reward"] != nil }

    private func key(_ name: String, _ origin: String) throws(TrainingError) -> OptionKey {
        if let known = command.key(name) { return known }
        let others = RunCommand.all.filter { $0.key(name) != nil }.map { "martlet " + $0.name }
        guard others.isEmpty else {
            throw TrainingError(
                .configuration,
                "\(origin): \(name) is no option of martlet \(command.name), but of "
                    + others.joined(separator: " and "))
        }
        // What nobody can have meant is not suggested.
        let meant = OptionKey.probable(for: name, of: command).map { "did you mean \"\($0)\"?" }
        let next = meant ?? "`martlet help options \(command.name)` lists them all"
        throw TrainingError(.configuration, "\(origin): there is no option \(name.quoted()); \(next)")
    }
}

import MartletJSON
import MartletSystem

/// Takes keys of another program's file one after the other; what is left at the end is refused.
final class DialectReader {
    let dialect: ConfigurationDialect
    let command: RunCommand
    let path: String
    let isQuantized: () -> Bool
    private var lines: [String: Int]
    private var left: [String: JSON] = [:]
    /// Of the file, in its order.
    private var keys: [String]
    /// The key whose object a key is a member of.
    private var outer: [String: String] = [:]
    private var settings: [(name: String, value: JSON, origin: String)] = []
    private var idle: [String] = []
    private var problems: [(line: Int, text: String)] = []
    private var notes: [String] = []
    private var isForAnother = false
    var model: String?
    /// Whether a reward is one of each step of a reply.
    var isOfSteps = false
    /// Replies of a whole run, where it is counted so.
    var totalEpisodes: Int?
    /// What a pass and the passes of a step are to a command whose steps are of problems.
    var readRolloutBatch: ((_ each: Int, _ passes: Int, _ key: String) -> Void)?

    init(
        _ dialect: ConfigurationDialect, _ members: JSONObject, path: String, lines: [String: Int], command: RunCommand,
        isQuantized: @escaping () -> Bool
    ) {
        self.dialect = dialect
        self.command = command
        self.path = path
        self.lines = lines
        self.isQuantized = isQuantized
        keys = members.keys
        for (key, value) in members { left[key] = value }
    }

    // MARK: taking

    func has(_ key: String) -> Bool { left[key].map { !$0.isNull } ?? false }

    /// A text that is not read yet.
    func peek(_ key: String) -> String? { left[key]?.string }

    /// The value of a key, which counts as read; nil where it is missing or null.
    func take(_ key: String) -> JSON? {
        guard let value = left.removeValue(forKey: key), !value.isNull else { return nil }
        return value
    }

    func text(_ key: String) -> String? {
        guard let value = take(key) else { return nil }
        if let text = value.string { return text }
        if let number = value.integer { return String(number) }
        wrong(key, value, "a text")
        return nil
    }

    /// A number, also as a text: YAML reads 5e-5 as one.
    func number(_ key: String) -> Double? {
        guard let value = take(key) else { return nil }
        if let number = Self.number(value), number.isFinite { return number }
        wrong(key, value, "a number")
        return nil
    }

    /// A number inside of a value.
    static func number(_ value: JSON?) -> Double? { value?.double ?? value?.string.flatMap(Double.init) }

    func integer(_ key: String) -> Int? {
        guard let value = take(key) else { return nil }
        if let number = Self.number(value), let whole = Int(exactly: number) { return whole }
        wrong(key, value, "a whole number")
        return nil
    }

    func flag(_ key: String) -> Bool? {
        guard let value = take(key) else { return nil }
        switch value {
        case .bool(let flag): return flag
        case .string("true"), .string("True"), .string("yes"): return true
        case .string("false"), .string("False"), .string("no"): return false
        default:
            wrong(key, value, "true or false")
            return nil
        }
    }

    /// A list of texts, also one text with commas.
    func list(_ key: String) -> [String]? {
        guard let value = take(key) else { return nil }
        if let text = value.string {
            return text.split(separator: ",").map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
        }
        if let items = value.array, items.allSatisfy({ $0.string != nil }) { return items.compactMap(\.string) }
        wrong(key, value, "a text, or a list of texts")
        return nil
    }

    // MARK: giving

    /// Sets an option of ours.
    func set(_ option: String, _ value: JSON, by key: String) {
        guard command.key(option) != nil else {
            let others = RunCommand.all.filter { $0.key(option) != nil }.map { "martlet " + $0.name }
            return refuse(
                key, "martlet \(command.name) has no \(option), which \(others.joined(separator: " and ")) has")
        }
        settings.append((option, value, origin(key)))
    }

    func set(_ option: String, _ value: Double, by key: String) { set(option, .number(value), by: key) }
    func set(_ option: String, _ value: Int, by key: String) { set(option, .integer(Int64(value)), by: key) }
    func set(_ option: String, _ value: String, by key: String) { set(option, .string(value), by: key) }
    func set(_ option: String, _ value: Bool, by key: String) { set(option, .bool(value), by: key) }

    func number(_ key: String, as option: String) { if let value = number(key) { set(option, value, by: key) } }
    func integer(_ key: String, as option: String) { if let value = integer(key) { set(option, value, by: key) } }
    func text(_ key: String, as option: String) { if let value = text(key) { set(option, value, by: key) } }
    func flag(_ key: String, as option: String) { if let value = flag(key) { set(option, value, by: key) } }

    /// What the other program takes where its file says nothing; not of options that the command lacks.
    func usual(_ option: String, _ value: JSON) {
        guard command.key(option) != nil, !settings.contains(where: { $0.name == option }) else { return }
        settings.append((option, value, "default of \(dialect.rawValue)"))
    }

    /// What an option has been set to so far.
    func value(of option: String) -> JSON? { settings.last { $0.name == option }?.value }
    func isSet(_ option: String) -> Bool { value(of: option) != nil }

    // MARK: telling

    /// Keys that say how the other program computes, and change nothing here.
    func idle(_ keys: String...) { for key in keys where take(key) != nil { idle.append(shown(key)) } }

    /// All keys that begin so, of which a program has more with every version.
    func idle(prefixes: String...) {
        for key in keys where prefixes.contains(where: key.hasPrefix) && take(key) != nil { idle.append(shown(key)) }
    }

    /// Takes the members of a key's object as keys of the file.
    func open(_ key: String) {
        guard let value = take(key) else { return }
        guard let members = value.object else { return wrong(key, value, "keys and values") }
        for (name, member) in members {
            guard left[name] == nil else {
                refuse(key, "\(name.quoted()) stands in the file as well: leave one of them")
                continue
            }
            (left[name], outer[name], lines[name]) = (member, key, lines[key])
            keys.append(name)
        }
    }

    /// A flag that may stand at what is so anyway.
    func demand(_ key: String, _ value: Bool, else next: String) {
        if let given = flag(key), given != value { refuse(key, next) }
    }

    /// A key that may say what is so anyway, or one of the names of nothing.
    func demand(_ key: String, among values: [String], else next: String) {
        guard let value = take(key) else { return }
        let text = value.string ?? value.text()
        if !values.contains(where: { $0.lowercased() == text.lowercased() }) {
            refuse(key, "\(text.quoted()): \(next)")
        }
    }

    /// A key that has no counterpart, wherever it asks for something.
    func refuse(_ keys: String..., next: String) {
        for key in keys {
            guard let value = take(key) else { continue }
            switch value {
            case .bool(false), .string(""): idle.append(shown(key))
            default: refuse(key, next)
            }
        }
    }

    func refuse(_ key: String, _ next: String) {
        problems.append((lines[key] ?? 0, "\(lines[key].map { "line \($0): " } ?? "")\(shown(key)): \(next)"))
    }

    /// A key as the file has it: "trl.beta".
    private func shown(_ key: String) -> String { outer[key].map { "\($0).\(key)" } ?? key }

    func note(_ text: String) { if !notes.contains(text) { notes.append(text) } }

    func origin(_ key: String) -> String { "\(path)\(lines[key].map { ", line \($0)" } ?? ""): \(shown(key))" }

    private func wrong(_ key: String, _ value: JSON, _ expected: String) {
        refuse(key, "is \(value.text().prefix(100)), expected \(expected)")
    }

    /// A file for another verb than this one.
    func demand(verb: String, by key: String, _ value: String) {
        guard verb != command.name else { return }
        refuse(key, "\(value) is what `martlet \(verb)` does: martlet \(verb) MODEL --config \(path)")
        // What its other keys mean is that verb's to say.
        isForAnother = true
    }

    /// A file that cannot be followed as a whole, for which one key is enough to tell.
    func refuseFile(_ key: String, _ next: String) {
        refuse(key, next)
        isForAnother = true
    }

    // MARK: at the end

    func finished() throws(TrainingError) -> TranslatedConfiguration {
        if isForAnother, let first = problems.first {
            throw TrainingError(.configuration, "\(path) (\(dialect.rawValue)): \(first.text)")
        }
        for key in keys where left[key].map({ !$0.isNull }) ?? false {
            // What nobody can have meant is not suggested.
            let meant = OptionKey.probable(for: key, of: command).map { ", such as \($0)" } ?? ""
            refuse(
                key,
                "is not understood of \(dialect.rawValue)'s files; take it out, or say what it means by an option of "
                    + "`martlet help options \(command.name)`\(meant)")
        }
        guard problems.isEmpty else {
            let sorted = problems.sorted { $0.line < $1.line }.map(\.text)
            throw TrainingError(
                .configuration,
                "\(path) (\(dialect.rawValue)): "
                    + (sorted.count == 1
                        ? sorted[0]
                        : "\(sorted.count) keys cannot be followed:\n  " + sorted.prefix(20).joined(separator: "\n  "))
                    + (sorted.count > 20 ? "\n  … \(sorted.count - 20) more" : ""))
        }
        if !idle.isEmpty {
            notes.append("without effect here: " + idle.joined(separator: ", "))
        }
        return TranslatedConfiguration(dialect: dialect, model: model, settings: settings, notes: notes)
    }
}

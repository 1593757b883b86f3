/// An option as a flag of a command line: every option is one, by its name with hyphens.
package struct OptionFlag: Sendable {
    package enum Form: Sendable {
        /// `--name value`
        case value
        /// `--name value --name value`
        case list
        /// `--name` and `--no-name`, and `off` where it is another name.
        case turn(off: String?)
    }
    /// As files and `--set` call it.
    package let option: String
    /// Without the hyphens; the first is shown.
    package let names: [String]
    package let form: Form
    /// What it means, what it may be, and its default.
    package let help: String
    /// What a value may be, where these can be listed; for completions.
    package let choices: [String]
    package let isPath: Bool
    package let isShown: Bool
}

extension TrainingOptions {
    /// The options of the command as flags.
    package var flags: [OptionFlag] {
        let keys = command.keys
        let taken = Set(keys.flatMap(\.flags))
        let usual = OptionReference.defaults(of: command)
        return keys.map { key in
            let own = key.name.replacing("_", with: "-")
            let form: OptionFlag.Form
            switch key.kind {
            case .folders, .paths: form = .list
            case .flag: form = .turn(off: key.offFlag)
            default: form = .value
            }
            return OptionFlag(
                option: key.name, names: (taken.contains(own) ? [] : [own]) + key.flags, form: form,
                help: key.meaning + OptionReference.choices(key) + (usual[key.name].map { " (default: \($0))" } ?? ""),
                choices: key.choices, isPath: key.isPath, isShown: key.isShown)
        }
    }

    /// The flag of the option that other programs call by this name, or that shares a word with it: "--learning-rate"
    /// for "--lr". nil where it is only spelled like one.
    /// - Parameter verb: the name of the command: "train".
    package static func flag(meantBy name: String, of verb: String) -> String? {
        guard let command = RunCommand.all.first(where: { $0.name == verb }) else { return nil }
        let bare = String(name.drop { $0 == "-" })
        let meant = OptionKey.nearest(to: bare, of: command)
        guard let key = command.key(meant) else { return nil }
        let words = Set(bare.lowercased().split { "-_.".contains($0) }.map(String.init))
        let isKnown = key.others.contains(bare.lowercased().replacing("-", with: "_"))
        guard isKnown || !words.isDisjoint(with: key.name.split(separator: "_").map(String.init)) else { return nil }
        return (TrainingOptions(for: command).flags.first { $0.option == meant }?.names.first).map { "--" + $0 }
    }

    /// Whether an option takes several values, so that files write it as a list.
    package func takesList(_ name: String) -> Bool {
        switch command.key(name)?.kind {
        case .folders, .paths: true
        default: false
        }
    }
}

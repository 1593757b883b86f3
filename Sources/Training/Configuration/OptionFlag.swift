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

    /// Whether an option takes several values, so that files write it as a list.
    package func takesList(_ name: String) -> Bool {
        switch command.key(name)?.kind {
        case .folders, .paths: true
        default: false
        }
    }
}

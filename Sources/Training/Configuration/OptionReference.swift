import MartletJSON

/// Every option of every command as a page to read: `martlet help options`, and docs/options.md.
public enum OptionReference {
    /// The default of an option in words, for a command without a model or data to derive it from.
    static func defaults(of command: RunCommand) -> [String: String] {
        defaults(with: TrainingOptions(for: command)) ?? [:]
    }

    /// The same where some options are set; nil where they contradict each other.
    static func defaults(with options: TrainingOptions) -> [String: String]? {
        guard let resolved = try? ResolvedOptions(options, vocabularySize: 0) else { return nil }
        var all: [String: String] = [:]
        for value in resolved.values {
            let how = value.origin, isDefault = how.hasPrefix("default")
            // "64 × depth" says more than its value for the default depth.
            let isRule = !isDefault && (how.contains("×") || how.contains("/") || how == "none" || how == "heads")
            let text = value.value.string ?? value.value.double.map(OptionKey.plain) ?? value.value.text()
            all[value.name] = value.value.isNull || isRule ? how : isDefault ? text : "\(text) (\(how))"
        }
        return all
    }

    /// " One of a, b." for options with few values.
    static func choices(_ key: OptionKey) -> String {
        key.choices.isEmpty ? "" : " One of \(key.choices.joined(separator: ", "))."
    }

    /// - Parameter command: a single command; all if nil.
    /// - Returns: text for a terminal, an option to a paragraph.
    public static func text(_ command: String? = nil) throws(TrainingError) -> String {
        try commands(command).map { command in
            let usual = defaults(of: command)
            let flags = TrainingOptions(for: command).flags
            return "martlet \(command.name)\n"
                + command.parts.map { part in
                    "\n\(part.title)\n"
                        + part.keys.map { key in
                            let names = flags.first { $0.option == key.name }?.names ?? []
                            return "  \(key.name)  --\(names.joined(separator: " --"))\n      \(key.meaning) "
                                + "\(sentence(key.expected)) Default: \(usual[key.name] ?? "none").\(resume(key))\n"
                        }.joined()
                }.joined()
        }.joined(separator: "\n")
    }

    /// The page docs/options.md.
    public static var markdown: String {
        var page = """
            # Options of a run

            Written by `martlet help options --markdown`; `scripts/make_options.sh` writes it anew.

            Every option can be set in a file (`--config run.yaml`, `name: value`), by `--set name=value`, and by a flag of its
            own, its name with hyphens. Flags override the file. `--print-config` writes a file with all of them, and says where
            each value comes from. "on resume" says what another value does to a run that goes on with `--resume auto`: *same*
            must not differ, *told* may and is told, *free* may.

            """
        for command in RunCommand.all {
            page += "\n## martlet \(command.name)\n"
            let usual = defaults(of: command)
            let flags = TrainingOptions(for: command).flags
            for part in command.parts {
                page += "\n### \(part.title)\n\n| option | meaning | values | default | on resume |\n"
                page += "|---|---|---|---|---|\n"
                for key in part.keys {
                    let own = key.name.replacing("_", with: "-")
                    let names = (flags.first { $0.option == key.name }?.names ?? []).filter { $0 != own }
                        .map { " `--\($0)`" }
                    let cells = [
                        "`\(key.name)`" + names.joined(), key.meaning, key.expected, usual[key.name] ?? "none",
                        key.resume == .fixed && !key.isPath ? "same" : key.resume == .told ? "told" : "free",
                    ]
                    page += "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
                }
            }
        }
        page += "\n## Names that other programs have\n\nA name that is none of ours gets the one that means it.\n\n"
        page += "| option | elsewhere |\n|---|---|\n"
        var seen: Set<String> = []
        for key in RunCommand.all.flatMap(\.keys) where !key.others.isEmpty && seen.insert(key.name).inserted {
            page += "| `\(key.name)` | \(key.others.map { "`\($0)`" }.joined(separator: " ")) |\n"
        }
        return page
    }

    private static func commands(_ name: String?) throws(TrainingError) -> [RunCommand] {
        guard let name else { return RunCommand.all }
        let found = RunCommand.all.filter { $0.name == name }
        guard found.isEmpty else { return found }
        throw TrainingError(
            .configuration,
            "there is no command \(name.quoted()) with options of a run; there are "
                + RunCommand.all.map(\.name).joined(separator: ", "))
    }

    private static func sentence(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() + "." }

    private static func resume(_ key: OptionKey) -> String {
        switch key.resume {
        case _ where key.isPath: ""
        case .fixed: " The same when a run goes on."
        case .told: " May change when a run goes on, and is told."
        case .free: " May change when a run goes on."
        }
    }
}

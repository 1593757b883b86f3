import MartletJSON

/// Options in files, and their comparison when a run is resumed.
extension ResolvedOptions {
    /// A JSON object with the values only, without paths, as a checkpoint stores it.
    public var json: JSON {
        let known = Set(command.keys.lazy.filter { !$0.isPath }.map(\.name))
        return .object(
            JSONObject(values.filter { known.contains($0.name) && !$0.value.isNull }.map { ($0.name, $0.value) }))
    }

    /// A configuration file that gives the same run, with where each value came from and which were given:
    /// `configuration.json` of a run.
    public var document: JSON {
        let present = values.filter { !$0.value.isNull }
        let members = present.filter { command.key($0.name) != nil }.map { ($0.name, $0.value) }
        let origins: JSON = .object(JSONObject(present.map { ($0.name, .string($0.origin)) }))
        // Values that were not open to choice, for comparing the run with its parent.
        var inherited = present.filter { command.key($0.name) == nil }.map { ($0.name, $0.value) }
        if !command.beginsModel {
            // The initialisation of an existing model is not known.
            inherited += OptionPart.shape.keys.map(\.name).filter { name in !inherited.contains { $0.0 == name } }
                .map { ($0, .null) }
        }
        let given: JSON = .array(present.filter(\.isGiven).map { .string($0.name) })
        return .object(
            JSONObject(
                members + [("inherited", .object(JSONObject(inherited))), ("origins", origins), ("given", given)]))
    }

    /// The first option that would give other weights than `before`, the options of a checkpoint.
    func difference(from before: JSON) -> String? {
        command.keys.first { key in
            guard key.resume == .fixed, !key.isPath, let old = before[key.name] else { return false }
            return old != self[key.name]
        }?.name
    }

    /// The options that may differ from those of a checkpoint and do, with both values.
    func changes(from before: JSON) -> [String] {
        command.keys.filter { $0.resume == .told }.compactMap { key in
            let old = before[key.name] ?? .null, new = self[key.name]
            guard old != new, !before.isNull else { return nil }
            return "\(key.name) was \(old.isNull ? "not set" : old.text()) and is "
                + "\(new.isNull ? "not set" : new.text()) from here on"
        }
    }

    /// Whether the run should end elsewhere than the finished run whose options were `before`.
    func goesOn(beyond before: JSON, step: Int) -> Bool {
        ["epochs", "minutes", "patience"].contains { self[$0] != before[$0] ?? .null }
            || self["steps"] != before["steps"] ?? .null && run.schedule.steps > step
    }

    /// Every option with its meaning as a YAML file to start from. What was not given is commented out, so that it
    /// goes on following from the rest.
    public var yaml: String {
        var text = """
            # Options of a training run: martlet \(command.name) --config run.yaml
            # Flags override this file. Lines that begin with # show what follows by itself; to set one, take the # away.

            """
        for part in command.parts {
            text += "\n# \(part.title)\n"
            for key in part.keys {
                let value = values.first { $0.name == key.name }
                text += "\n# \(key.meaning) \(key.expected.prefix(1).uppercased())\(key.expected.dropFirst()).\n"
                let written = value.map { $0.value.isNull ? "" : " " + $0.value.text() } ?? ""
                let given = value?.isGiven ?? false
                text += "\(given ? "" : "# ")\(key.name):\(written)"
                text += value.map { "  # " + $0.origin } ?? ""
                text += "\n"
            }
        }
        return text
    }
}

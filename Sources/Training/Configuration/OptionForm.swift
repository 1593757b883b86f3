import MartletJSON

/// The options of a command as a form shows them: what `OptionKey` declares, without the fields it sets.
///
/// ```swift
/// let form = OptionForm(RunCommand.tuning)
/// form.option("learning_rate")?.usual       // "0.002 (…)"
/// OptionForm.ofTunedModels[0].option("learning_rate")?.usualByChoice["adapter"]?["lora"]
/// ```
public struct OptionForm: Sendable {
    public enum Kind: Sendable, Equatable {
        case integer(ClosedRange<Int>)
        case number(ClosedRange<Double>)
        case flag
        case choice([String])
        case text
        /// Of a file or folder.
        case path
    }

    public struct Option: Sendable {
        /// As files and `--set` call it.
        public let name: String
        /// The heading it stands under.
        public let part: String
        public let meaning: String
        public let kind: Kind
        /// What it is where nobody sets it, in words.
        public let usual: String?
        /// What it is instead where another option has a value that is not its default: by that option and value.
        public internal(set) var usualByChoice: [String: [String: String]] = [:]
        /// Shown by `--help`.
        public let isShown: Bool
    }

    public let command: RunCommand
    public private(set) var options: [Option]

    public init(_ command: RunCommand) {
        self.command = command
        let usual = OptionReference.defaults(of: command)
        options = command.parts.flatMap { part in
            part.keys.map { key in
                Option(
                    name: key.name, part: part.title, meaning: key.meaning, kind: Kind(key.kind),
                    usual: usual[key.name], isShown: key.isShown)
            }
        }
    }

    public func option(_ name: String) -> Option? { options.first { $0.name == name } }

    /// Every command that goes on from a language model.
    public static let ofTunedModels = RunCommand.all.filter { !$0.beginsModel && $0.tunesLanguageModels }.map {
        var form = OptionForm($0)
        form.findUsualByChoice()
        return form
    }

    /// Tries every value of every choice: what follows from what is in the schema alone.
    private mutating func findUsualByChoice() {
        let places = Dictionary(options.indices.map { (options[$0].name, $0) }) { first, _ in first }
        for key in command.keys {
            for value in key.choices {
                var set = TrainingOptions(for: command)
                guard (try? set.set(key.name, .string(value))) != nil, let found = OptionReference.defaults(with: set)
                else { continue }
                for (name, usual) in found where name != key.name {
                    guard let place = places[name], options[place].usual != usual else { continue }
                    options[place].usualByChoice[key.name, default: [:]][value] = usual
                }
            }
        }
    }
}

extension OptionForm.Kind {
    init(_ kind: OptionKey.Kind) {
        switch kind {
        case .integer(let range): self = .integer(range)
        case .number(let range): self = .number(range)
        case .flag: self = .flag
        case .choice(let names): self = .choice(names)
        case .text: self = .text
        case .path, .paths, .folders: self = .path
        }
    }

    /// As a page reads it.
    public var json: JSON {
        switch self {
        case .integer(let range):
            ["type": "integer", "low": .integer(Int64(range.lowerBound)), "high": .integer(Int64(range.upperBound))]
        case .number(let range):
            ["type": "number", "low": .number(range.lowerBound), "high": .number(range.upperBound)]
        case .flag: ["type": "flag"]
        case .choice(let names): ["type": "choice", "choices": .array(names.map { .string($0) })]
        case .text: ["type": "text"]
        case .path: ["type": "path"]
        }
    }
}

import ArgumentParser
import Martlet
import MartletVerbs

/// A command that trains, and whose options come from their schema.
protocol TrainingVerb {
    /// Options of the command, none of them set.
    static var emptyOptions: TrainingOptions { get }
}

/// Every option of a training command as a flag, made from the schema: ArgumentParser asks a group of arguments what it
/// holds through a mirror, and this one answers with what is declared there.
struct OptionFlags<Verb: TrainingVerb>: ParsableArguments, CustomReflectable {
    /// Options with what was written for them, as they stand in the schema.
    private(set) var given: [(flag: OptionFlag, texts: [String])] = []

    init() {}

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Swift.Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        for flag in Verb.emptyOptions.flags {
            func value<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
                try container.decode(type, forKey: Key(stringValue: name))
            }
            var texts: [String] = []
            switch flag.form {
            case .value: texts = try value(Option<String?>.self, flag.option).wrappedValue.map { [$0] } ?? []
            case .list: texts = try value(Option<[String]>.self, flag.option).wrappedValue
            case .turn(let off):
                let turned = try value(Flag<Bool?>.self, flag.option).wrappedValue
                texts = turned.map { [$0 ? "true" : "false"] } ?? []
                if off != nil, try value(Flag<Bool>.self, flag.option + "_off").wrappedValue { texts = ["false"] }
            }
            if !texts.isEmpty { given.append((flag, texts)) }
        }
    }

    /// Options that name a model.
    private static var models: Set<String> { ["teacher", "reference", "tokenizer", "reward_model"] }

    var customMirror: Mirror {
        var children: [Mirror.Child] = []
        for flag in Verb.emptyOptions.flags {
            let names = NameSpecification(flag.names.map { .customLong($0) })
            let help = ArgumentHelp(stringLiteral: flag.help).seen(flag.isShown)
            let completion: CompletionKind? =
                Self.models.contains(flag.option)
                ? .models : flag.isPath ? .file() : flag.choices.isEmpty ? nil : .list(flag.choices)
            switch flag.form {
            case .value:
                children.append((flag.option, Option<String?>(name: names, help: help, completion: completion)))
            case .list:
                let list = Option<[String]>(wrappedValue: [], name: names, help: help, completion: completion)
                children.append((flag.option, list))
            case .turn(let off):
                children.append((flag.option, Flag<Bool?>(name: names, inversion: .prefixedNo, help: help)))
                guard let off else { continue }
                children.append(
                    (
                        flag.option + "_off",
                        Flag<Bool>(
                            wrappedValue: false, name: .customLong(off),
                            help: ArgumentHelp("The same as --no-\(flag.names[0]).", visibility: .hidden))
                    ))
            }
        }
        return Mirror(self, children: children)
    }

    /// Puts what was written into the options.
    /// - Throws: `ValidationError` naming the flag.
    func set(_ options: inout TrainingOptions) throws {
        for (flag, texts) in given {
            let origin = "--" + flag.names[0]
            do throws(TrainingError) {
                if case .list = flag.form {
                    try options.set(flag.option, .array(texts.map { .string($0) }), from: origin)
                } else {
                    try options.set(flag.option, text: texts[0], from: origin)
                }
            } catch { throw ValidationError(error.description) }
        }
    }
}

extension ArgumentHelp {
    fileprivate func seen(_ isShown: Bool) -> ArgumentHelp {
        ArgumentHelp(abstract, visibility: isShown ? .default : .hidden)
    }
}

/// What every command that trains takes beside its options.
struct TrainingFlags<Verb: TrainingVerb>: ParsableArguments {
    @OptionGroup(title: "Options of the run")
    var flags: OptionFlags<Verb>
    @Option(
        help: """
            A YAML or JSON file of options; one of LLaMA-Factory, axolotl, mlx-lm or TRL is taken as it is, and a key that \
            cannot be followed is refused by name.
            """, completion: .file())
    var config: String?
    @Option(name: .customLong("set"), help: "Any option as name=value, as martlet help options lists them.")
    var settings: [String] = []
    @Option(
        help: """
            auto: go on from the newest whole checkpoint of the run, or begin; never: begin anew, even where the \
            checkpoints of a run are all damaged. Without it a folder that holds a run is refused.
            """)
    var resume: ResumeFlag?
    @Flag(help: "Write a configuration file with every option to standard output, and train nothing.")
    var printConfig = false
    @Flag(help: "One JSON line for every reported step on standard output.") var json = false
    @OptionGroup var memory: MemoryFlags

    /// The options: of the file, of flags over it, of `--set` over both.
    /// - Parameter model: that the command line names.
    func options(_ model: String? = nil) throws -> TrainingOptions {
        var options = Verb.emptyOptions
        if let config { try ConfigurationFile.read(config, into: &options, model: model) }
        try flags.set(&options)
        for setting in settings { try options.set(assignment: setting) }
        return options
    }

    /// Whether a configuration file was asked for, and is written.
    func printsConfig(_ options: TrainingOptions) throws -> Bool {
        if printConfig { Terminal.show(try ResolvedOptions(options, vocabularySize: 0).yaml) }
        return printConfig
    }
}

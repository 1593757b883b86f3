import Foundation
import MartletJSON
import MartletModels
import MartletTraining
import Testing

/// What is said once of an option reaches everything that comes from it.
struct OptionSchemaTests {
    private static let root = #filePath.replacing("Tests/TrainingTests/OptionSchemaTests.swift", with: "")

    /// A value that is no option's default.
    private func sample(_ flag: OptionFlag) -> [String] {
        if !flag.choices.isEmpty { return flag.choices }
        if case .turn = flag.form { return ["yes", "no"] }
        return ["3", "0.75", "2", "1", "17", "100", "512", "some/where", "hinge", "q_proj=8"]
    }

    @Test(arguments: RunCommand.all) func everyOptionReachesATypedField(_ command: RunCommand) throws {
        // Some options are of families whose layers slide, or are mixtures.
        let families = TrainingOptions(for: command).flags.first { $0.option == "family" }?.choices ?? [""]
        let parts = Dictionary(OptionForm(command).options.map { ($0.name, $0.part) }) { first, _ in first }
        func options(besides name: String, _ family: String) throws -> TrainingOptions {
            var options = TrainingOptions(for: command)
            if !family.isEmpty, name != "family" { try options.set("family", text: family) }
            // What holds an adapter near its base needs one.
            if name == "kl_weight", command == .tuning { try options.set("adapter", text: "lora") }
            if ["generator_size", "rtd_weight"].contains(name) {
                try options.set("objective", text: "rtd")
                try options.set("family", text: "electra")
            }
            if name == "qat_activations" { try options.set("qat", text: "int8") }
            if name.hasPrefix("fim") { try options.set("objective", text: "fim") }
            // Groups are of more than two experts.
            if name == "active_groups" { try options.set("expert_groups", 2) }
            if name == "mtp_weight" { try options.set("mtp_depth", 1) }
            if parts[name] == "Adapter", name != "adapter", name != "adapter_from" {
                try options.set("adapter", text: "lora")
            }
            // What no other loss, or no divergence, reads.
            let losses = [
                "simpo_margin": "simpo", "alphapo": "simpo", "discopop_tau": "discopop", "desirable_weight": "kto",
                "undesirable_weight": "kto",
            ]
            if let loss = losses[name], command == .preferences { try options.set("loss", text: loss) }
            // How replies are drawn, where some are.
            if ["maximum_tokens", "draw_temperature"].contains(name), command == .distillation {
                try options.set("on_policy", text: "1")
            }
            if name == "reference", command == .policy { try options.set("kl_weight", text: "0.1") }
            let companions = [
                "kl_horizon": ("kl_target", "1"), "text_weight": ("texts", "shards"), "text_rows": ("texts", "shards"),
                "reward_seconds": ("reward", "./judge"),
            ]
            if let (other, value) = companions[name], command == .policy || command == .proximal {
                try options.set(other, text: value)
            }
            // Of triplets alone.
            if name == "margin" || name == "distance", command == .embedding {
                try options.set("loss", text: "triplet")
            }
            return options
        }
        for flag in TrainingOptions(for: command).flags {
            let changes = families.contains { family in
                guard var options = try? options(besides: flag.option, family),
                    let plain = try? ResolvedOptions(options, vocabularySize: 512)
                else { return false }
                return sample(flag).contains { (text: String) in
                    guard (try? options.set(flag.option, text: text)) != nil,
                        let resolved = try? ResolvedOptions(options, vocabularySize: 512)
                    else { return false }
                    return resolved.run != plain.run && resolved[flag.option] != plain[flag.option]
                }
            }
            #expect(changes, "\(command.name): \(flag.option)")
        }
    }

    @Test(arguments: RunCommand.all) func namesAndFlagsAreToldApart(_ command: RunCommand) throws {
        let flags = TrainingOptions(for: command).flags
        let options = flags.map(\.option), names = flags.flatMap(\.names)
        #expect(Set(options).count == options.count)
        #expect(Set(names).count == names.count)
        // Those that every training command has for itself.
        #expect(Set(names).isDisjoint(with: ["config", "set", "resume", "print-config", "json", "help", "profile"]))
        #expect(flags.allSatisfy { !$0.names.isEmpty && $0.help.count > 10 })
        for name in command.ownDefaults { #expect(options.contains(name), "\(command.name) has no \(name)") }
    }

    @Test(arguments: RunCommand.all) func thePrintedFileOfEveryCommandHasAllOfItsOptions(_ command: RunCommand) throws {
        let text = try ResolvedOptions(TrainingOptions(for: command), vocabularySize: 0).yaml
        let lines = text.split(separator: "\n")
        #expect(lines.allSatisfy { $0.hasPrefix("#") } && text.contains("martlet \(command.name) --config"))
        for flag in TrainingOptions(for: command).flags {
            #expect(lines.contains { $0.hasPrefix("# \(flag.option):") }, "\(flag.option)")
        }
    }

    /// What follows from a model or from data that is not there is left open, not made up.
    /// What a page shows is what the schema declares: a value that its kind allows is taken.
    @Test(arguments: OptionForm.ofTunedModels.map(\.command)) func aFormHasEveryOptionOfItsCommand(
        _ command: RunCommand
    ) throws {
        let form = OptionForm(command), flags = TrainingOptions(for: command).flags
        #expect(form.options.map(\.name) == flags.map(\.option))
        for option in form.options {
            var options = TrainingOptions(for: command)
            #expect(!option.meaning.isEmpty && !option.part.isEmpty && option.kind.json["type"] != nil)
            switch option.kind {
            case .integer(let range):
                try options.set(option.name, .integer(Int64(range.lowerBound)))
                #expect(throws: TrainingError.self) {
                    try options.set(option.name, .integer(Int64(range.lowerBound) - 1))
                }
            case .number(let range):
                try options.set(option.name, .number(range.upperBound))
                #expect(throws: TrainingError.self) { try options.set(option.name, "many") }
            case .flag: try options.set(option.name, true)
            case .choice(let names):
                for name in names { try options.set(option.name, .string(name)) }
            case .text, .path: try options.set(option.name, "a")
            }
        }
    }

    /// A form shows what follows from what is chosen in it: the rate of an adapter is not that of the whole model.
    @Test func aFormHasTheDefaultsOfEveryChoice() throws {
        func option(_ command: RunCommand, _ name: String) throws -> OptionForm.Option {
            try #require(OptionForm.ofTunedModels.first { $0.command == command }?.option(name))
        }
        let rate = try option(.tuning, "learning_rate"), lora = rate.usualByChoice["adapter"]?["lora"]
        var options = TrainingOptions(for: .tuning)
        try options.set("adapter", "lora")
        let resolved = try ResolvedOptions(options, vocabularySize: 0)
        #expect(lora == resolved.values.first { $0.name == "learning_rate" }?.origin && lora != rate.usual)
        let clip = try option(.policy, "clip_high").usualByChoice["method"]
        #expect(clip?["dapo"]?.hasPrefix("0.28") ?? false, "\(clip ?? [:])")
        #expect(try option(.tuning, "seed").usualByChoice.isEmpty)
    }

    @Test func defaultsThatAreNotKnownYetAreLeftOpen() throws {
        let tuning = try ResolvedOptions(TrainingOptions(for: .tuning), vocabularySize: 0)
        for name in ["context_length", "batch_rows", "steps", "warmup", "learning_rate"] {
            #expect(tuning[name].isNull, "\(name)")
        }
        #expect(tuning["epochs"] == 2 && tuning["layout"] == "packed")
        let policy = try ResolvedOptions(TrainingOptions(for: .policy), vocabularySize: 0)
        #expect(policy["steps"] == 60 && policy["learning_rate"] == 3e-4 && policy["schedule"] == "constant")
    }

    @Test func clipIsTheRatiosWhereRepliesAreCompared() throws {
        func option(_ flag: String, _ command: RunCommand) -> String? {
            TrainingOptions(for: command).flags.first { $0.names.contains(flag) }?.option
        }
        #expect(option("clip", .policy) == "ratio_clip" && option("clip", .tuning) == "clip")
        #expect(RunCommand.all.allSatisfy { option("gradient-clip", $0) == "clip" })
        #expect(option("data", .policy) == "prompts" && option("group", .policy) == "group_size")
        #expect(option("rate", .policy) == "learning_rate" && option("tokens", .policy) == "maximum_tokens")
    }

    @Test func thePageOfReferenceIsUpToDate() throws {
        let page = try String(contentsOfFile: Self.root + "docs/options.md", encoding: .utf8)
        #expect(page == OptionReference.markdown, "scripts/make_options.sh writes docs/options.md anew")
        for command in RunCommand.all {
            let text = try OptionReference.text(command.name)
            for flag in TrainingOptions(for: command).flags {
                #expect(text.contains("  \(flag.option)  --") && page.contains("| `\(flag.option)`"))
            }
        }
        #expect(throws: TrainingError.self) { try OptionReference.text("serve") }
    }

    /// The pages and docs/zh/options.md show what is said of an option in Chinese.
    @Test func whatIsSaidOfAnOptionIsThereInChinese() throws {
        let table = try String(
            contentsOfFile: Self.root + "Sources/Server/Pages/js/i18n/options-zh.js", encoding: .utf8)
        let page = try String(contentsOfFile: Self.root + "docs/zh/options.md", encoding: .utf8)
        for option in RunCommand.all.flatMap({ OptionForm($0).options }) {
            for sentence in [option.meaning, option.part] {
                #expect(
                    table.contains(JSON.string(sentence).text() + ": "),
                    "write its Chinese into options-zh.js, then run scripts/make_options.sh")
            }
            #expect(page.contains("| `\(option.name)`"), "scripts/make_options.sh writes docs/zh/options.md anew")
        }
    }

    /// Of two translations of a sentence the last would win without a word, and who mends the first sees no change.
    @Test(arguments: ["options-zh", "zh", "en"]) func aSentenceStandsOnceInATable(table: String) throws {
        let text = try String(contentsOfFile: Self.root + "Sources/Server/Pages/js/i18n/\(table).js", encoding: .utf8)
        let key = #/  ("(?:[^"\\]|\\.)*"|\w+): /#
        let keys = text.split(separator: "\n").compactMap { $0.prefixMatch(of: key)?.1 }
        #expect(keys.count > 100)
        #expect(Dictionary(grouping: keys) { $0 }.filter { $1.count > 1 }.isEmpty)
    }

    private func lines(_ room: String, besides folder: String) -> [(path: String, line: String)] {
        let files = FileManager.default.enumerator(atPath: Self.root + "Sources/" + room)?.compactMap { $0 as? String }
        return (files ?? []).filter { $0.hasSuffix(".swift") && !$0.hasPrefix(folder) }.flatMap { path in
            let text = (try? String(contentsOfFile: Self.root + "Sources/\(room)/\(path)", encoding: .utf8)) ?? ""
            return text.split(separator: "\n").map { (path, String($0)) }
                .filter { !$0.1.drop { $0 == " " }.hasPrefix("//") }
        }
    }

    /// Strings stop where options become typed.
    @Test func noOptionIsLookedUpByNameBehindTheBorder() {
        let pattern = #/(options|resolved)\??\["/#
        for room in ["Training", "CommandLine", "Server", "Martlet"] {
            let all = lines(room, besides: "Configuration/")
            #expect(!all.isEmpty)
            for (path, line) in all { #expect(line.firstMatch(of: pattern) == nil, "\(room)/\(path): \(line)") }
        }
    }

    /// What a family does otherwise stands in its file alone.
    @Test func noFamilyIsAskedForByNameOutsideItsFile() {
        // Phi is also a letter of formulas.
        let rooms = [
            ("Models", "Families/"), ("Training", "Rewards/Math/"), ("Inference", "-"), ("CommandLine", "-"),
        ]
        for (room, folder) in rooms {
            for (path, line) in lines(room, besides: folder) {
                for name in Set(Family.supportedArchitectures) where line.contains("\"\(name)\"") {
                    Issue.record("\(room)/\(path) speaks of \(name): \(line)")
                }
            }
        }
    }
}

import ArgumentParser
import MartletCatalog

/// The verbs that fetch, run and look at models: what needs neither training nor a server.
package enum FirstVerbs {
    /// In the order of `--help`.
    /// - Parameters:
    ///   - bench: `martlet bench`, which in the whole program measures servers, too.
    ///   - others: verbs to stand between those that run models and those that keep them.
    package static func all(
        bench: any ParsableCommand.Type, others: [any ParsableCommand.Type] = []
    ) -> [any ParsableCommand.Type] {
        var verbs: [any ParsableCommand.Type] = [
            RunCommand.self, TranslateCommand.self, PullCommand.self, ListCommand.self, ShowCommand.self,
            EmbedCommand.self, ClassifyCommand.self, RerankCommand.self, TokenizeCommand.self, LogitsCommand.self,
        ]
        verbs += [bench, EnvironmentCommand.self]
        verbs += others
        verbs += [CreateCommand.self, CopyCommand.self, RemoveCommand.self]
        return verbs
    }

    /// The beginning of `martlet --help`.
    package static let discussion = """
        MODEL is a folder as published on a hub, a GGUF file, a repository as org/name, a name that `martlet create` \
        gave, or a short name: \(ShortName.all.map(\.name).joined(separator: ", ")).

        Results go to standard output, everything else to standard error.
        Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
        """
}

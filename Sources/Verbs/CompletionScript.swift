import ArgumentParser

extension CompletionKind {
    /// The models of this machine by name, as `martlet list` shows them; the scripts offer files and folders beside them.
    package static var models: CompletionKind {
        .custom { _, _, _ in
            let names = ((try? InstalledModel.all()) ?? []).map(\.name)
            // There a colon begins a description.
            return CompletionShell.requesting == .zsh ? names.map { $0.replacing(":", with: "\\:") } : names
        }
    }
}

/// What the parser writes for `--generate-completion-script`, with files where it knows nothing better (a model or a folder),
/// for which it offers nothing at all, and beside the names of models.
enum CompletionScript {
    static func offeringFiles(_ script: String) -> String {
        if script.contains("\ncomplete -o filenames -F ") { return bash(script) }
        return script.hasPrefix("#compdef") ? zsh(script) : fish(script)
    }

    private static func bash(_ script: String) -> String {
        script
            .replacing(
                "\ncomplete -o filenames -F ", with: "\ncomplete -o filenames -o bashdefault -o default -F "
            )
            // What begins with a tilde runs here as well, and a program that is not found says nothing over the line.
            .replacing("\"${COMP_WORDS[0]}\" \"${@}\"", with: "\"${COMP_WORDS[0]/#\\~/$HOME}\" \"${@}\" 2>/dev/null")
            .replacing(#/\n( *)(_*\w+_add_completions) -W "\$\(_*\w+_custom_complete [^\n]*/#) {
                "\($0.0)\n\($0.1)\($0.2) -f"
            }
    }

    private static func zsh(_ script: String) -> String {
        // ':model:' and '--adapter[…]:adapter:', whose last part says what is offered.
        script.replacing(#/:([^:'\[\]]+):'\n/#) { ":\($0.1):_files'\n" }
            .replacing("\"${command_name}\" \"${@}\"", with: "\"${command_name/#\\~/$HOME}\" \"${@}\" 2>/dev/null")
            .replacing(#/:\{(_*\w+_custom_complete [^\n]*)\}'\n/#) { ":{\($0.1); _files}'\n" }
    }

    /// There files are offered unless the script says otherwise, as it does for all words and for values of options.
    private static func fish(_ script: String) -> String {
        script.replacing(#/\ncomplete -c '[^']*' -f\n/#, with: "\n")
            .replacing(#/ -rfka ''\n/#, with: " -rF\n")
            .replacing(#/ -(r?)fka ('\(_*\w+_custom_completion )/#) { " -\($0.1)Fka \($0.2)" }
            .replacing("command $tokens[1] $argv $tokens", with: "command $tokens[1] $argv $tokens 2>/dev/null")
    }
}

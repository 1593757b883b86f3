/// What the parser writes for `--generate-completion-script`, with files where it knows nothing better: it leaves the place
/// of a model or a folder empty for bash and zsh, and then nothing at all is offered. fish offers files by itself.
enum CompletionScript {
    static func offeringFiles(_ script: String) -> String {
        if script.contains("\ncomplete -o filenames -F ") {
            return script.replacing(
                "\ncomplete -o filenames -F ", with: "\ncomplete -o filenames -o bashdefault -o default -F ")
        }
        guard script.hasPrefix("#compdef") else { return script }
        // ':model:' and '--adapter[…]:adapter:', whose last part says what is offered.
        return script.replacing(#/:([^:'\[\]]+):'\n/#) { ":\($0.1):_files'\n" }
    }
}

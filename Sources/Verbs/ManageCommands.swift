import ArgumentParser
import MartletCatalog
import MartletSystem

/// `martlet create`
struct CreateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a model of another: a system message, parameters, a template.",
        discussion: """
            A Modelfile, as ollama has it, says what the model is made of. FROM names a model of this machine: a path, a \
            short name, org/name, or one made before. PARAMETER, SYSTEM, TEMPLATE (Jinja), ADAPTER, MESSAGE and LICENSE follow. No \
            weights are copied. run, serve and the library honour what stands in it; what a request says itself counts \
            before it.

            Examples:
              martlet create terse -f Modelfile
              printf 'FROM smollm2\\nSYSTEM Answer in one sentence.\\nPARAMETER temperature 0' | martlet create terse -f -
              martlet run terse "Why is the sky blue?"
            """)
    @Argument(help: "The name it gets.") var name: String
    @Option(name: .shortAndLong, help: "The Modelfile; - reads standard input.") var file = "Modelfile"

    func run() throws {
        guard file != "Modelfile" || Folder.exists(file) else {
            throw ValidationError(
                "there is no Modelfile here; write one that begins with FROM MODEL, or name it with -f")
        }
        let text =
            file == "-"
            ? try StandardInput.read() ?? "" : try StandardInput.text(try Folder.read(file), named: file)
        let place = file == "-" ? "standard input" : file
        var model = try Modelfile(text, file: place).model { from in
            let path = try ModelLocator.locate(from) { Terminal.note($0) }
            return Folder.real(path) ?? path
        }
        if let adapter = model.adapter {
            guard let path = Folder.real(adapter) else {
                throw ModelError.notAModel(path: adapter, reason: "ADAPTER names a folder or file that is not there")
            }
            model.adapter = path
            // One of another base is told now.
            _ = try ModelFiles(path: model.path, adapters: [AdapterReference(path)]).decoder()
        }
        // What it is made of has to open, and the template has to be one, before anybody asks for it.
        let files = try ModelFiles.opened(model.path)
        if let template = model.template { _ = try ChatTemplate(source: template) }
        guard files.checkpoint.kind == .generates else { throw WrongKind(model.from, files) }
        let names = model.withoutEffect
        if !names.isEmpty {
            Terminal.note(
                "without effect here: \(names.joined(separator: ", ")); `martlet serve --help` has what a server decides"
            )
        }
        try ModelStore.keep(model, as: name)
        Terminal.note("made \(name) of \(model.from): martlet run \(name)")
    }
}

/// `martlet cp`
struct CopyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cp",
        abstract: "Give a model a second name.",
        discussion: """
            No weights are copied: the new name stands for the same files.

            Example:
              martlet cp smollm2 small
            """)
    @Argument(help: "A model of this machine.", completion: .models) var model: String
    @Argument(help: "The new name.") var name: String

    func run() throws {
        try ModelStore.copy(model, to: name)
        Terminal.note("\(name) is \(model) now")
    }
}

/// `martlet rm`
struct RemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Remove models from this machine.",
        discussion: """
            A model that was fetched goes with its files, a made one alone: what it is made of stays. Files and folders that \
            martlet did not fetch are left to you.

            Examples:
              martlet rm terse
              martlet rm org/name ; martlet rm org/name:Q4_K_M
            """)
    @Argument(help: "Names, as `martlet list` shows them.", completion: .models) var names: [String]

    func run() throws {
        for name in names {
            let freed = try ModelStore.remove(name)
            Terminal.note("removed \(name) (\(Terminal.bytes(freed)))")
        }
    }
}

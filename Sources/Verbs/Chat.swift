import MartletCatalog

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A conversation in the terminal.
struct Chat {
    let model: LanguageModel
    let name: String
    var options: GenerationOptions
    var messages: [ChatMessage] = []
    var system: String?
    let showsStatistics: Bool

    init(model: LanguageModel, name: String, options: GenerationOptions, system: String?, showsStatistics: Bool) {
        self.model = model
        self.name = name
        self.options = options
        self.system = system
        self.showsStatistics = showsStatistics
    }

    mutating func runLoop() async throws {
        Terminal.note("\(name), \(model.configuration.contextLength) tokens of context. /? for help, /bye to leave.")
        var editor = LineEditor()
        while let line = editor.read(prompt: ">>> ") {
            if line.hasPrefix("/"), !line.contains("\n") {
                if try obey(line) { continue } else { return }
            }
            guard let text = line.hasPrefix("\"\"\"") ? readBlock(line, &editor) : line else { continue }
            if text.allSatisfy(\.isWhitespace) { continue }
            await answer(text)
        }
        Terminal.note("")
    }

    func run() async throws {
        var copy = self
        try await copy.runLoop()
    }

    /// The lines up to the closing """, or nil if input is cancelled.
    private func readBlock(_ first: String, _ editor: inout LineEditor) -> String? {
        var lines = [String(first.dropFirst(3))]
        while !(lines.last ?? "").hasSuffix("\"\"\"") {
            guard let line = editor.read(prompt: "... ") else { return nil }
            lines.append(line)
        }
        // The quotes may be on lines of their own, which do not belong to the message.
        if lines.first == "" { lines.removeFirst() }
        if lines.last == "\"\"\"" { lines.removeLast() } else { lines[lines.count - 1].removeLast(3) }
        return lines.joined(separator: "\n")
    }

    private mutating func answer(_ text: String) async {
        messages.append(ChatMessage(role: "user", content: text))
        let stream =
            model.chatTemplate(with: options.adapter) == nil
            ? model.complete(text, options) : model.chat(conversation, options)
        do {
            let reply = try await Reply.show(stream)
            Terminal.show("\n")
            if reply.reason == .cancelled, reply.text.isEmpty {
                messages.removeLast()
                return Terminal.note("stopped before there was an answer")
            }
            messages.append(ChatMessage(role: "assistant", content: reply.text))
            if showsStatistics, let statistics = reply.statistics {
                Terminal.note(Reply.summary(statistics, reply.reason), isDim: true)
            }
        } catch {
            // A question whose reply failed is removed from the conversation.
            messages.removeLast()
            var hint = ""
            if case ModelError.contextExceeded = error { hint = "; /clear forgets the conversation" }
            Terminal.note("martlet: \(error)\(hint)")
        }
    }

    private var conversation: [ChatMessage] {
        (system.map { [ChatMessage(role: "system", content: $0)] } ?? []) + messages
    }

    /// Runs a command (a line starting with "/"); false to leave.
    private mutating func obey(_ line: String) throws -> Bool {
        let words = line.split(separator: " ", maxSplits: 3).map(String.init)
        switch words[0] {
        case "/bye", "/exit", "/quit": return false
        case "/?", "/help": Terminal.note(Self.help)
        case "/clear":
            messages = []
            Terminal.note("forgot the conversation")
        case "/set": set(Array(words.dropFirst()), line)
        case "/adapter": chooseAdapter(line.dropFirst("/adapter".count).drop { $0 == " " })
        case "/show": show(words.count > 1 ? words[1] : "info")
        case "/save", "/load":
            guard words.count > 1 else {
                Terminal.note("usage: \(words[0]) FILE")
                break
            }
            let file = line.dropFirst(words[0].count + 1).drop { $0 == " " }
            transfer(words[0] == "/save", String(file))
        default: Terminal.note("\(words[0]) is not known; /? lists what is")
        }
        return true
    }

    private mutating func set(_ words: [String], _ line: String) {
        do {
            switch words.first {
            case "system" where words.count > 1:
                system = words.dropFirst().joined(separator: " ")
                Terminal.note("system message set")
            case "parameter" where words.count == 3:
                options = try ChatParameter.set(
                    words[1], words[2], options, vocabularySize: model.configuration.vocabularySize)
                Terminal.note("\(words[1]) = \(words[2])")
            default:
                Terminal.note("usage: /set parameter NAME VALUE, or /set system TEXT; names: \(ChatParameter.names)")
            }
        } catch { Terminal.note("\(error)") }
    }

    /// Uses an adapter for the following replies, or none.
    private mutating func chooseAdapter(_ text: Substring) {
        guard !text.isEmpty else {
            let current = options.adapter.map { "\($0.name) (\($0.title))" } ?? "none"
            Terminal.note("adapter: \(current); /adapter PATH or PATH=0.5 takes another, /adapter off takes it away")
            return
        }
        guard text != "off" else {
            options.adapter = nil
            Terminal.note("without an adapter")
            return
        }
        do {
            let (name, strength) = try AdapterFlags.parse(String(text))
            let adapter = try model.loadAdapter(
                ModelLocator.locateAdapter(name), name: name, strength: strength)
            for note in adapter.notes { Terminal.note("warning: \(note)") }
            options.adapter = adapter
            Terminal.note("with \(name), \(adapter.title) of rank \(adapter.rank)")
        } catch { Terminal.note("\(error)") }
    }

    private func show(_ what: String) {
        switch what {
        case "parameters":
            let sampling = options.sampling
            Terminal.note(
                """
                temperature \(sampling.temperature)  top_k \(sampling.topK)  top_p \(sampling.topP)  min_p \(sampling.minP)
                repetition_penalty \(sampling.repetitionPenalty)  max_tokens \(options.maximumTokens.map(String.init) ?? "rest of context")
                seed \(sampling.seed.map(String.init) ?? "random")
                """)
        case "template":
            Terminal.note(model.chatTemplate(with: options.adapter)?.source ?? "this model has no chat template")
        case "system": Terminal.note(system ?? "no system message")
        default:
            let spec = model.configuration
            Terminal.note(
                "\(name): \(spec.family), \(spec.layerCount) layers, \(spec.hiddenSize) wide, vocabulary \(spec.vocabularySize), "
                    + "context \(spec.contextLength), \(messages.count) messages")
        }
    }

    private mutating func transfer(_ saves: Bool, _ file: String) {
        do {
            if saves {
                let json = JSON.object(["messages": .array(conversation.map(\.json))])
                try AtomicFile.write(file, bytes: json.bytes(indent: 2))
                Terminal.note("saved \(conversation.count) messages to \(file)")
            } else {
                let json = try JSON(parsing: Folder.read(file))
                guard let entries = json["messages"]?.array else {
                    Terminal.note("\(file): expected an object with a list \"messages\"")
                    return
                }
                let loaded = try entries.map { try ChatMessage($0) }
                system = loaded.first.flatMap { $0.role == "system" ? $0.content : nil }
                messages = system == nil ? loaded : Array(loaded.dropFirst())
                Terminal.note("loaded \(loaded.count) messages from \(file)")
            }
        } catch { Terminal.note("martlet: \(error)") }
    }

    static let help = """
        /set parameter NAME VALUE   \(ChatParameter.names)
        /set system TEXT            the system message
        /show info | parameters | system | template
        /adapter PATH | off         compute replies with an adapter, or without
        /save FILE, /load FILE      the conversation as JSON
        /clear                      forget the conversation
        /bye                        leave
        \"\"\" … \"\"\"                 a message of several lines; Alt-Enter and pasting work as well
        Ctrl-C stops a reply; what was said stays.
        """
}

/// The options that `/set parameter` knows.
enum ChatParameter {
    static let names =
        "temperature top_k top_p min_p typical_p repetition_penalty presence_penalty frequency_penalty seed max_tokens"

    static func set(_ name: String, _ value: String, _ options: GenerationOptions, vocabularySize: Int) throws
        -> GenerationOptions
    {
        var options = options
        func number() throws -> Float {
            guard let number = Float(value) else { throw OptionError(option: name, value: value, expected: "a number") }
            return number
        }
        func integer() throws -> Int {
            guard let integer = Int(value), integer >= 0 else {
                throw OptionError(option: name, value: value, expected: "an integer from 0")
            }
            return integer
        }
        switch name {
        case "temperature": options.sampling.temperature = try number()
        case "top_k": options.sampling.topK = try integer()
        case "top_p": options.sampling.topP = try number()
        case "min_p": options.sampling.minP = try number()
        case "typical_p": options.sampling.typicalP = try number()
        case "repetition_penalty", "repeat_penalty": options.sampling.repetitionPenalty = try number()
        case "presence_penalty": options.sampling.presencePenalty = try number()
        case "frequency_penalty": options.sampling.frequencyPenalty = try number()
        case "seed": options.sampling.seed = UInt64(try integer())
        case "max_tokens", "num_predict": options.maximumTokens = try integer()
        default: throw OptionError(option: "parameter", value: name, expected: "one of \(names)")
        }
        try options.sampling.validate(vocabularySize: vocabularySize)
        return options
    }
}

import ArgumentParser
import MartletCatalog

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Ask a model, or chat with it in the terminal.",
        discussion: """
            With a prompt, the answer is streamed to standard output. Without one, a chat opens; /? lists what it understands.
            Without sampling flags the model decides: its generation_config.json, Modelfile or GGUF metadata, else what suits \
            its kind and size; `martlet show MODEL` prints it. What is piped into standard input is appended to the prompt. \
            A repository that is not on this machine can be fetched first, as `martlet pull` does: a terminal is asked, \
            --yes says so, and without either it is an error.

            Examples:
              martlet run smollm2 "Why is the sky blue?"
              git diff | martlet run smollm2 "Write a commit message for this change:"
              martlet run smollm2 --beams 4 "Name three birds."
              martlet run runs/deepseek --spec mtp --raw "Once upon a time"
              martlet run ./my-model --temp 0 -n 64 --raw "Once upon a time"
              martlet run ./flan-t5 "Answer the question: what is the capital of France?"
            """)

    @OptionGroup var flags: ModelFlags
    @OptionGroup var cache: CacheFlags
    @Argument(help: "The question; without it a chat opens.") var prompt: [String] = []
    @OptionGroup var sampling: SamplingFlags
    @Option(help: "The system message.") var system: String?
    @Option(
        help: ArgumentHelp(
            "Draft tokens that the next step verifies: mtp by the model's own modules for multi-token prediction, lookup by "
                + "what followed the same tokens before. Replies stay the same."))
    var spec = Drafts.none
    @Option(help: "Tokens that --spec drafts at a time; 2 when left out.") var specTokens: Int?
    @Flag(help: "Continue the prompt as text, without the chat template.") var raw = false
    @Flag(help: "Fetch a repository that is not on this machine without asking.") var yes = false
    @Flag(help: "Fetch nothing: a repository that is not on this machine is an error.") var offline = false
    @Flag(help: "No statistics on standard error.") var quiet = false

    enum Drafts: String, ExpressibleByArgument, CaseIterable { case none, mtp, lookup }

    func validate() throws {
        try demand("--spec-tokens", specTokens, 1...64)
        guard specTokens != nil else { return }
        guard spec != .none else { throw ValidationError("--spec-tokens is for --spec mtp or --spec lookup") }
    }

    func run() async throws {
        var flags = flags
        flags.usesPredictions = spec == .mtp
        var question = prompt.joined(separator: " ")
        // If a question was given, the wait for standard input is short: a pipe may stay open without data.
        if !Terminal.inputIsTerminal, let piped = try StandardInput.read(patience: question.isEmpty ? nil : 10),
            !piped.isEmpty
        {
            question += question.isEmpty ? piped : "\n\n" + piped
        }
        if (try? ModelFiles.located(flags.model, adapters: []))?.checkpoint.kind == .translates {
            guard !question.isEmpty else { throw ValidationError("there is no prompt: give one, or pipe it in") }
            guard system == nil else { throw ValidationError("--system is for chats, which this model does not have") }
            guard spec == .none else {
                throw ValidationError("--spec is for decoders; an encoder-decoder drafts no tokens")
            }
            guard cache.kvCache == .f16 else {
                throw ValidationError("--kv-cache is for decoders; an encoder-decoder keeps its cache as computed")
            }
            try TranslateCommand.write(
                question, ModelFiles.opened(flags.model, flags.adapters), flags.precision, sampling.sequenceOptions(),
                showsStatistics: !quiet)
            return
        }
        let model = offline ? try flags.load(cache) : try await flags.loadOrFetch(cache, mayFetch: yes)
        guard system == nil || !raw && model.chatTemplate != nil else {
            throw ValidationError(
                raw
                    ? "--system is for chats: leave out --raw, or write it into the prompt"
                    : "--system is for chats, and this model has no chat template: write it into the prompt")
        }
        var options = try sampling.options(for: model)
        switch spec {
        case .none: break
        case .mtp: options.speculation = .predictions(tokens: specTokens ?? 2)
        case .lookup: options.speculation = .promptLookup(tokens: specTokens ?? 2)
        }
        let chats = !raw && model.chatTemplate != nil && options.beams == nil
        if sampling.stopLoops ?? chats { options.repetitionDetection = .chat }
        defer { Terminal.restoreInput() }
        guard !question.isEmpty else {
            guard Terminal.inputIsTerminal, !raw || model.chatTemplate == nil else {
                throw ValidationError("there is no prompt: give one, or pipe it in")
            }
            try await Chat(model: model, name: flags.model, options: options, system: system, showsStatistics: !quiet)
                .run()
            return
        }
        if options.sampling.seed == nil { options.sampling.seed = .random(in: 0...(.max)) }
        let stream: AsyncThrowingStream<GeneratedToken, any Error>
        if raw || model.chatTemplate == nil {
            stream = model.complete(question, options)
        } else {
            var messages: [ChatMessage] = []
            if let system { messages.append(ChatMessage(role: "system", content: system)) }
            messages.append(ChatMessage(role: "user", content: question))
            stream = model.chat(messages, options)
        }
        let reply = try await Reply.show(stream)
        Terminal.show("\n")
        if !quiet, let statistics = reply.statistics {
            Terminal.note(Reply.summary(statistics, reply.reason), isDim: true)
        }
        if reply.reason == .cancelled { throw ExitCode(130) }
    }
}

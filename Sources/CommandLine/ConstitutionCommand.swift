import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct ConstitutionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "constitution",
        abstract: "Write rows to learn from: replies that a model criticises and revises by principles.",
        discussion: """
            The model replies to each prompt, criticises its reply by a principle that is drawn, and revises it; then a judge, \
            the model itself or another, says which of the two keeps better to a principle, asked in both orders. Each row \
            has the prompt, the chosen and the rejected reply, with principles, critiques and the judge's probability: \
            martlet sft learns the chosen replies, martlet dpo the pairs.

            Principles are lines of a text file, or JSON with other wordings of the requests (principle, critique, revision, \
            preference). Ctrl-C stops; the same command goes on, to the same rows as if nothing had happened.

            A judge may be a server with OpenAI's interface: it is asked for the likeliest first tokens of its answer \
            (/v1/chat/completions with logprobs); of a server that gives none the letter it writes counts. Its key is read \
            from the variable that --judge-key-variable names.

            Examples:
              martlet constitution smollm2 --data prompts.jsonl --principles principles.txt --out rows.jsonl
              martlet constitution runs/sft --data prompts.jsonl --principles p.json --out rows.jsonl --rounds 2
              martlet constitution smollm2 --data prompts.jsonl --principles principles.txt --out rows.jsonl \\
                --judge http://host:8000/v1 --judge-name big
              martlet sft smollm2 --data rows.jsonl --adapter lora --out runs/revised
              martlet dpo runs/revised --data rows.jsonl
            """)

    @Argument(help: "The model that replies: folder, GGUF file, hub repository or short name.", completion: .models)
    var model: String
    @Option(help: "A file or folder of prompts; may be given several times.", completion: .file()) var data: [String] =
        []
    @Option(help: "A file of principles: a line each, or JSON.", completion: .file()) var principles: String
    @Option(name: .shortAndLong, help: "The file of rows to write (.jsonl).") var out: String
    @Option(help: "Critiques and revisions of a reply, one after the other.") var rounds = 1
    @Option(
        help: "The model, or the URL of a server, that compares replies; the one that writes them where left out.",
        completion: .models)
    var judge: String?
    @Option(help: "Of a URL: the model's name there.") var judgeName: String?
    @Option(help: "Of a URL: the environment variable that holds its key.") var judgeKeyVariable: String?
    @Option(help: "Of a URL: seconds that an answer may take; 120 when left out.") var judgeSeconds: Double?
    @Flag(inversion: .prefixedNo, help: "Have the two replies compared; without, the revision is the chosen one.")
    var labels = true
    @Option(help: "Leave out pairs whose probability is as near as this to a draw.") var undecided = 0.0
    @Option(name: .customLong("tokens"), help: "Tokens of a reply, a critique or a revision at most.")
    var maximumTokens = 256
    @Option(help: "That they are drawn at; 0 takes the likeliest token.") var temperature = 1.0
    @Option(help: "Of what is drawn.") var seed: UInt64 = 1
    @Option(help: "Columns of the prompts, as prompt=question.") var map: String?
    @Option(name: .customLong("max-records"), help: "The first so many prompts of each file.") var most: Int?

    func validate() throws {
        guard !data.isEmpty else { throw ValidationError("--data with prompts is needed") }
        try demand("--rounds", rounds, 1...16)
        try demand("--tokens", maximumTokens, 1...65_536)
        try demand("--temperature", temperature, 0...10)
        guard (0..<0.5).contains(undecided) else {
            throw ValidationError("--undecided is \(undecided); expected 0 to below 0.5")
        }
        try demand("--max-records", most, 1...)
        let asksServer = judgeName != nil || judgeKeyVariable != nil || judgeSeconds != nil
        guard judge.map(TeacherConnection.isURL) ?? false || !asksServer else {
            throw ValidationError(
                "--judge-name, --judge-key-variable and --judge-seconds are of a --judge that is a URL")
        }
        try demand("--judge-seconds", judgeSeconds, 0.1...86_400)
        guard labels || judge == nil else { throw ValidationError("--judge compares, which --no-labels leaves out") }
    }

    func run() throws {
        let constitution = try Constitution(path: principles)
        let prompts = try PromptList(data, map: map, most: most)
        for note in prompts.notes { Terminal.note("martlet: \(note)") }
        let writer = try LanguageModel(ModelFiles.opened(name: model))
        var options = ConstitutionOptions()
        options.rounds = rounds
        options.maximumTokens = maximumTokens
        options.temperature = temperature
        options.seed = seed
        options.compares = labels
        options.undecided = undecided
        let remote = try remoteJudge()
        let maker: ConstitutionRows
        if let remote {
            maker = try ConstitutionRows(writer, judge: remote, by: constitution, options)
        } else {
            let other = try judge.map { try LanguageModel(ModelFiles.opened(name: $0)) }
            maker = try ConstitutionRows(writer, judge: other, by: constitution, options)
        }
        let judging = [judge ?? "itself", judgeName].compactMap { $0 }.joined(separator: " ")
        let interrupted = StopRequest()
        var line = StatusLine()
        do {
            let tally = try maker.write(
                prompts.prompts, to: out, source: "\(prompts.fingerprint); \(model); \(judging)"
            ) { done, all in
                line.show("\(done) of \(all) prompts answered, criticised and revised", isDue: true)
                return !interrupted.isRequested
            }
            line.end()
            Terminal.note(
                "\(out): \(tally.rows) rows of \(prompts.prompts.count) prompts by \(constitution.fingerprint)")
            if tally.firstPreferred > 0 {
                Terminal.note("in \(tally.firstPreferred) of them the judge preferred the first reply to the revision")
            }
            for note in tally.notes { Terminal.note("left out: \(note)") }
            if let count = remote?.answersByLetter, count > 0 {
                Terminal.note(
                    "\(count) of the judge's answers came without probabilities: its letter counts as certain")
            }
        } catch is CancellationError {
            line.end()
            Terminal.note("stopped; the same command goes on from \(out).part")
            throw ExitCode(130)
        }
    }

    /// The judge behind a URL, or nil for a model on this machine.
    private func remoteJudge() throws -> RemoteJudge? {
        guard let judge, TeacherConnection.isURL(judge) else { return nil }
        var key: String?
        if let judgeKeyVariable {
            guard let value = environmentVariable(judgeKeyVariable), !value.isEmpty else {
                throw ValidationError("--judge-key-variable: \(judgeKeyVariable) is not set in the environment")
            }
            key = value
        }
        return RemoteJudge(
            try TeacherConnection(url: judge, key: key, seconds: judgeSeconds ?? 120, role: "judge"),
            name: judgeName ?? "default")
    }
}

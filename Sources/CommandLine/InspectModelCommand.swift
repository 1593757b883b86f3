import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct InspectModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Look inside a model while it reads a text: layers, heads, what its answer hangs on.",
        discussion: """
            Without a choice, --lens. The answer is the most probable next token and the wrong one what the model says \
            after the corrupted text, or its second choice; --answer and --wrong name others. --patch takes a text of as \
            many tokens that leads to another answer.

            Examples:
              martlet inspect smollm2 "The capital of France is" --lens --out page.html
              martlet inspect smollm2 "The capital of France is" --patch "The capital of Italy is" --heads --out page.html
              martlet inspect smollm2 "The capital of France is" --patch "The capital of Italy is" --paths
              martlet inspect smollm2 "The capital of France is" --tuned-lens lens.safetensors
              martlet inspect smollm2 "1 2 3 4" --keep 'blocks.*.hook_resid_post' --save activations.safetensors
            """)

    @Argument(help: "A folder, a GGUF file, org/name, or a short name.", completion: .models) var model: String
    @Argument(help: "The text.") var text: String
    @OptionGroup var adapters: AdapterFlags
    @Flag(help: "What each layer would say (logit lens).") var lens = false
    @Flag(help: "Where heads look, and attention rollout.") var heads = false
    @Flag(help: "What each head and layer adds to the answer (direct logit attribution).") var attribution = false
    @Flag(help: "How much each token matters (gradient × input, integrated gradients).") var gradients = false
    @Flag(help: "Induction heads, on random tokens written twice, and the loss without them.") var induction = false
    @Option(help: "A corrupted text to put activations of the first into (activation patching).") var patch: String?
    @Flag(help: "With --patch: what goes from each head to the logits past all other heads (path patching).")
    var paths = false
    @Option(help: "The maps of `martlet lens`, for the lens.") var tunedLens: String?
    @Option(help: "The token that is asked about, with its space.") var answer: String?
    @Option(help: "The token it is compared with.") var wrong: String?
    @Option(
        help: "Activations to save, by our names or TransformerLens's, separated by commas; * stands for every layer.")
    var keep: String?
    @Option(help: "The safetensors file for --keep.") var save: String?
    @Flag(help: "Weights in float32, sums of products in float64.") var exact = false
    @Option(name: .shortAndLong, help: "A page (HTML) to write.") var out: String?
    @Flag(help: "Print everything as JSON.") var json = false

    func validate() throws {
        guard (keep == nil) == (save == nil) else { throw ValidationError("--keep and --save go together") }
        guard !text.isEmpty else { throw ValidationError("the text is empty") }
        guard !paths || patch != nil else { throw ValidationError("--paths needs --patch, the text to compare with") }
    }

    func run() throws {
        let loaded = try LanguageModel(ModelFiles.opened(model, adapters), precision: exact ? .exactSums : .fast)
        if let keep, let save {
            let tokens = try loaded.tokenizer.encode(text)
            let pass = try ModelProbe(loaded).run(tokens, keeping: keep.split(separator: ",").map { String($0) })
            try ActivationFile.write(pass, to: save, usesAliases: keep.contains("hook_"))
            Terminal.note("martlet: \(save): \(pass.activations.count) activations of \(tokens.count) tokens")
        }
        var questions = ModelStudy.Questions()
        (questions.lens, questions.heads, questions.attribution) = (lens, heads, attribution)
        (questions.gradients, questions.induction, questions.corrupted) = (gradients, induction, patch)
        (questions.answer, questions.wrong) = (answer, wrong)
        (questions.paths, questions.tunedLens) = (paths, tunedLens)
        if tunedLens != nil { questions.lens = true }
        let asksNothing = !(questions.lens || heads || attribution || gradients || induction) && patch == nil
        guard !(asksNothing && keep != nil && out == nil && !json) else { return }
        if asksNothing { questions.lens = true }
        let interrupted = StopRequest()
        var line = StatusLine()
        let study: ModelStudy
        do {
            study = try ModelStudy(loaded, text, questions, isCancelled: { interrupted.isRequested }) {
                name, done, total in
                line.show("\(name): \(done) of \(total) passes", isDue: done % 50 == 0)
            }
        } catch is CancellationError {
            line.end()
            throw ExitCode(130)
        }
        line.end()
        if let out {
            try AtomicFile.write(out, bytes: Array(study.html.utf8))
            Terminal.note("martlet: \(out)")
        }
        if json { return Terminal.show(study.json.text(indent: 2) + "\n") ? () : () }
        tell(study)
    }

    private func tell(_ study: ModelStudy) {
        Terminal.show("\(study.answer.quoted()) against \(study.wrong.quoted())\n")
        if let lens = study.lens {
            for (layer, rows) in lens.guesses.enumerated() {
                let best = (rows.last ?? []).prefix(3).map {
                    "\(study.shown($0.token).quoted()) \(Terminal.fixed(100 * $0.probability, 1)) %"
                }
                Terminal.show("\(layer == 0 ? "embedding" : "layer \(layer - 1)")  \(best.joined(separator: "  "))\n")
            }
        }
        if let attribution = study.attribution {
            Terminal.show("logit difference \(Terminal.fixed(attribution.difference, 3)), of it\n")
            for part in attribution.contributions.sorted(by: { abs($0.value) > abs($1.value) }).prefix(10) {
                Terminal.show("  \(part.part)  \(Terminal.fixed(part.value, 3))\n")
            }
        }
        if let gradients = study.gradients {
            for (token, value) in zip(study.tokens, gradients.integrated) {
                Terminal.show("  \(token.quoted())  \(Terminal.fixed(value, 3))\n")
            }
            let last = gradients.convergence.last?.steps ?? 0
            Terminal.show(
                "  \(last) steps miss \(Terminal.fixed(gradients.gap, 3)) of \(Terminal.fixed(gradients.value - gradients.baseline, 3))"
                    + (gradients.isConverged == false ? ": not converged\n" : "\n"))
        }
        if let patching = study.patching {
            let places = patching.residuals.enumerated().flatMap { layer, row in
                row.enumerated().map { (layer, $0.offset, $0.element) }
            }
            for (layer, place, value) in places.sorted(by: { $0.2 > $1.2 }).prefix(10) {
                Terminal.show(
                    "  layer \(layer) at \(study.tokens[place].quoted()) brings back \(Terminal.fixed(100 * value, 1)) %\n"
                )
            }
        }
        if let paths = study.paths {
            let all = paths.effects.enumerated().flatMap { layer, row in
                row.enumerated().map { (layer, $0.offset, $0.element) }
            }
            for (layer, head, value) in all.sorted(by: { abs($0.2) > abs($1.2) }).prefix(10) {
                Terminal.show("  path \(layer).\(head) → logits carries \(Terminal.fixed(100 * value, 1)) %\n")
            }
        }
        if let induction = study.induction {
            let names = induction.best.map {
                "\($0.layer).\($0.head) (\(Terminal.fixed(induction.scores[$0.layer][$0.head], 2)))"
            }
            Terminal.show(
                "induction heads \(names.joined(separator: ", ")): loss \(Terminal.fixed(induction.loss, 3)), without them "
                    + "\(Terminal.fixed(induction.lossWithout, 3)), without others \(Terminal.fixed(induction.lossWithoutOthers, 3))\n"
            )
        }
        if study.rollout != nil, out == nil {
            Terminal.note("martlet: heads and rollout are in --json and on the page (--out)")
        }
    }
}

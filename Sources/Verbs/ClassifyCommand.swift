import ArgumentParser
import MartletCatalog

struct ClassifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "classify",
        abstract: "Classify texts or their words, or find an answer in a text.",
        discussion: """
            What is printed follows from the model: the classes of each text with their probabilities, or its number; the names \
            and other spans that it marks; or, with --question, the answer to it. Without a text each line of standard input is one.

            With --label, labels of your own: a model of entailment says how much the text entails a sentence about each \
            (zero-shot classification).

            Examples:
              martlet classify ./distilbert-sst2 "A wonderful film."
              martlet classify runs/cls "It never arrived."       # what martlet classify-train made
              martlet classify minilm --adapter runs/cls "It never arrived."      # where it made an adapter
              martlet classify ./bert-ner "Ada Lovelace lived in London."
              martlet classify ./bert-squad --question "Where did she live?" "Ada Lovelace lived in London."
              martlet classify ./roberta-mnli "It rains." --pair "It is dry."
              martlet classify ./bart-large-mnli "The match ended 2 to 1." --label sport --label politics
            """)
    @OptionGroup var flags: ModelFlags
    @Argument(help: "The text; without it each line of standard input is one.") var text: [String] = []
    @Option(help: "A second text, for models of pairs such as entailment.") var pair: String?
    @Option(help: "A question that the text answers.") var question: String?
    @Option(
        name: .customLong("label"),
        help:
            "A label of your own in place of the model's classes, by a model of entailment; may be given several times."
    )
    var labels: [String] = []
    @Option(help: "The sentence about each label, which stands in place of {}. (default: This example is {}.)")
    var hypothesis: String?
    @Flag(help: "A text may be of several labels: the probability of each by itself.") var severalLabels = false
    @Option(help: "Only the most probable classes.") var top: Int?
    @Flag(help: "One JSON object a text.") var json = false

    func run() throws {
        if let top, top < 1 { throw ValidationError("--top is \(top); expected 1 or more") }
        try checkLabels()
        var inputs = text.isEmpty ? [] : [text.joined(separator: " ")]
        if inputs.isEmpty {
            inputs = (try StandardInput.read() ?? "").split { $0 == "\n" || $0 == "\r\n" }.map(String.init)
        }
        guard !inputs.isEmpty else { throw ValidationError("there is no text: give one, or pipe it in") }
        let files = try ModelFiles.opened(flags.model, flags.adapters)
        let model = try TextClassifier(files, precision: flags.precision)
        for note in model.adapterNotes { Terminal.note("warning: \(note)") }
        guard (question != nil) == model.answersQuestions else {
            throw ValidationError(
                model.answersQuestions
                    ? "this model answers questions: give one with --question"
                    : "--question is for models that answer questions; this one classifies")
        }
        if top != nil, model.isOverTokens || question != nil {
            throw ValidationError("--top is for the classes of whole texts")
        }
        if pair != nil, model.isOverTokens || question != nil {
            throw ValidationError("--pair is for classes of whole texts")
        }
        if !labels.isEmpty, model.isOverTokens || !model.isOfEntailment {
            throw ValidationError(
                "--label is for models of entailment, one of whose classes is called entailment (bart-large-mnli); this one's "
                    + "are \(model.labels.joined(separator: ", "))")
        }
        for input in inputs {
            let found: [(label: String, probability: Float, text: String?)]
            if let question {
                let answer = try model.answer(to: question, in: input)
                found = [(answer.label, answer.probability, answer.text)]
            } else if model.isOverTokens {
                found = try model.spans(of: input).map { ($0.label, $0.probability, $0.text) }
            } else {
                let classes =
                    labels.isEmpty
                    ? try model.classes(of: input, with: pair)
                    : try model.classes(
                        of: input, among: labels, hypothesis: hypothesis ?? TextClassifier.hypothesis,
                        isMultiLabel: severalLabels)
                found = classes.prefix(top ?? .max).map { ($0.label, $0.probability, nil) }
            }
            if json {
                Terminal.show(Self.object(input, found, model.isRegression ? "value" : "probability").text() + "\n")
            } else if question != nil {
                Terminal.show("\(found[0].text ?? "")\n")
            } else {
                for one in found {
                    let share = Terminal.fixed(Double(one.probability), 4)
                    Terminal.show("\(share)  \(one.label)\(one.text.map { "  \($0)" } ?? "")\n")
                }
                if found.isEmpty { Terminal.note("nothing is marked in this text", isDim: true) }
            }
        }
    }

    private func checkLabels() throws {
        guard labels.isEmpty else {
            if pair != nil || question != nil {
                throw ValidationError("--label is for classes of whole texts, without --pair and --question")
            }
            guard hypothesis?.contains("{}") ?? true else {
                throw ValidationError("--hypothesis has no {}, where the label is put: \"This text is about {}.\"")
            }
            return
        }
        if hypothesis != nil || severalLabels {
            throw ValidationError(
                "\(severalLabels ? "--several-labels" : "--hypothesis") is for labels of your own: give --label")
        }
    }

    private static func object(
        _ input: String, _ found: [(label: String, probability: Float, text: String?)], _ name: String
    ) -> JSON {
        let list = found.map { one -> JSON in
            var members: JSONObject = [
                "label": .string(one.label), name: .number(Double("\(one.probability)") ?? 0),
            ]
            if let text = one.text { members["text"] = .string(text) }
            return .object(members)
        }
        return ["text": .string(input), "found": .array(list)]
    }
}

struct RerankCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rerank",
        abstract: "Order texts by how well they match a query, with a cross-encoder.",
        discussion: """
            The best text first, each with its score. Without --text each line of standard input is one. --yes-no asks a language \
            model whether a text fits: Qwen3-Reranker as Qwen publishes it, whose files say nothing of scores.

            Examples:
              martlet rerank ./ms-marco-MiniLM "where do cats sleep" --text "Cats sleep in the sun." --text "Dogs bark."
              martlet rerank ./bge-reranker "how to bake bread" --top 5 < passages.txt
              martlet rerank Qwen/Qwen3-Reranker-0.6B "how to bake bread" --yes-no < passages.txt
            """)
    @Argument(help: "A folder or a GGUF file of a cross-encoder, org/name, or a short name.", completion: .models)
    var model: String
    @Argument(help: "The query.") var query: String
    @Option(
        name: .customLong("text"),
        help: "A text; may be given several times. Without it each line of standard input is one.")
    var texts: [String] = []
    @Flag(help: "Ask a language model whether each text fits, and score its answer, yes or no (Qwen3-Reranker).")
    var yesNo = false
    @Option(help: "With --yes-no, what a text is to do for the query.") var instruction: String?
    @Option(help: "Only the best texts.") var top: Int?
    @Flag(help: "One JSON object a text.") var json = false

    func run() throws {
        if let top, top < 1 { throw ValidationError("--top is \(top); expected 1 or more") }
        if instruction != nil, !yesNo {
            throw ValidationError("--instruction goes with --yes-no: models with a head are asked nothing")
        }
        var inputs = texts
        if inputs.isEmpty {
            inputs = (try StandardInput.read() ?? "").split { $0 == "\n" || $0 == "\r\n" }.map(String.init)
        }
        guard !inputs.isEmpty else { throw ValidationError("there are no texts: give --text, or pipe them in") }
        let files = try ModelFiles.opened(name: model)
        let scorer =
            yesNo
            ? try TextScorer(asking: files, instruction: instruction ?? TextScorer.usualInstruction)
            : try TextScorer(files)
        let scores = try scorer.scores(query, inputs)
        let order = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
        for index in order.prefix(top ?? .max) {
            if json {
                let object: JSON = [
                    "index": .integer(Int64(index)), "score": .number(Double("\(scores[index])") ?? 0),
                    "text": .string(inputs[index]),
                ]
                Terminal.show(object.text() + "\n")
            } else {
                Terminal.show("\(Terminal.fixed(Double(scores[index]), 4))  \(inputs[index])\n")
            }
        }
    }
}

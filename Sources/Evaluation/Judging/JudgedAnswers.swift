import MartletData
import MartletFormats
import MartletJSON
import MartletSystem

/// The answers of several models to the same questions, in the files of AlpacaEval and MT-Bench.
///
/// - AlpacaEval: a JSON list of `{"instruction", "output", "generator"}`, one file for each model. An `input`, as Alpaca's own
///   data have it, is a second paragraph of the question.
/// - MT-Bench: lines of `{"question_id", "model_id", "choices": [{"turns": […]}]}`, and the questions as lines of
///   `{"question_id", "category", "turns": […], "reference": […]}`.
public struct JudgedAnswers: Sendable {
    public struct Question: Sendable, Hashable {
        public var key: String
        public var turns: [String]
        public var reference: [String] = []
        public var category = ""
    }

    public var questions: [Question]
    /// By model and question's key: the turns of the answer.
    public var answers: [String: [String: [String]]]
    /// Answers without a question, and questions that a model did not answer: told, and left out.
    public var notes: [String] = []

    /// The questions of a file: MT-Bench's lines, or AlpacaEval's list (`instruction`), each once.
    /// - Throws: `EvaluationError` naming a record that is neither.
    public static func questions(_ path: String) throws -> [Question] {
        var keys: Set<String> = [], questions: [Question] = []
        for (index, row) in try RecordFile.rows(path).enumerated() {
            var question: Question
            if let key = row["question_id"].map(\.pythonText), let turns = row["turns"]?.array?.compactMap(\.string),
                !turns.isEmpty
            {
                question = Question(key: key, turns: turns)
                question.reference = row["reference"]?.array?.compactMap(\.string) ?? []
                question.category = row["category"]?.string ?? ""
            } else if let own = instruction(row) {
                question = own
            } else {
                throw EvaluationError(
                    path, place: "record \(index + 1)",
                    "needs question_id and turns (MT-Bench), or instruction (AlpacaEval)")
            }
            guard keys.insert(question.key).inserted else { continue }
            questions.append(question)
        }
        return questions
    }

    private static func instruction(_ row: JSONObject) -> Question? {
        guard let text = row["instruction"]?.string, !text.isEmpty else { return nil }
        let input = row["input"]?.string ?? "", whole = input.isEmpty ? text : text + "\n\n" + input
        return Question(key: whole, turns: [whole], category: row["dataset"]?.string ?? "")
    }

    /// - Parameter questions: MT-Bench's questions; AlpacaEval's files bring theirs.
    public init(files: [String], questions: String? = nil) throws {
        var known: [String: Question] = [:], order: [String] = [], answers: [String: [String: [String]]] = [:]
        for question in try questions.map(Self.questions) ?? [] {
            known[question.key] = question
            order.append(question.key)
        }
        var strangers = 0
        for file in files {
            for (index, row) in try RecordFile.rows(file).enumerated() {
                if let question = Self.instruction(row), let output = row["output"]?.string {
                    let model = row["generator"]?.string ?? Self.name(file)
                    if known[question.key] == nil {
                        known[question.key] = question
                        order.append(question.key)
                    }
                    answers[model, default: [:]][question.key] = [output]
                } else if let key = row["question_id"].map(\.pythonText),
                    let turns = row["choices"]?.array?.first?["turns"]?.array?.compactMap(\.string), !turns.isEmpty
                {
                    guard known[key] != nil else {
                        strangers += 1
                        continue
                    }
                    answers[row["model_id"]?.string ?? Self.name(file), default: [:]][key] = turns
                } else {
                    throw EvaluationError(
                        file, place: "record \(index + 1)",
                        "is neither AlpacaEval's (instruction, output, generator) nor MT-Bench's (question_id, choices)"
                    )
                }
            }
        }
        guard !answers.isEmpty else {
            throw EvaluationError(
                files.joined(separator: ", "),
                strangers > 0
                    ? "the answers are MT-Bench's: give their questions with --questions" : "there are no answers")
        }
        self.questions = order.compactMap { known[$0] }
        self.answers = answers
        if strangers > 0 { notes.append("\(strangers) answers are to questions that are not there, left out") }
        for (model, own) in answers.sorted(by: { $0.key < $1.key }) where own.count < order.count {
            notes.append("\(model) answered \(own.count) of \(order.count) questions")
        }
    }

    public var models: [String] { answers.keys.sorted() }

    private static func name(_ file: String) -> String {
        let name = file.split(separator: "/").last.map { String($0) } ?? file
        return name.split(separator: ".").first.map { String($0) } ?? name
    }
}

import Foundation
import MartletChat
import MartletJSON
import Testing
import TinyModels

import MartletEvaluation

struct JudgeTests {
    private static func judge(_ decide: @escaping (String) -> String) -> RuleModel { RuleModel(reply: decide) }

    /// Where the answers stand in what the judge reads.
    private static func answers(_ prompt: String) -> (String, String) {
        func part(_ title: String) -> String {
            let start = prompt.components(separatedBy: "[\(title)]\n").last ?? ""
            return start.components(separatedBy: "\n[End of").first ?? ""
        }
        return (part("Answer A"), part("Answer B"))
    }

    private static func data(_ scratch: Scratch) throws -> JudgedAnswers {
        let rows = (0..<8).map { index in
            #"{"instruction": "Question \#(index)?", "output": "good \#(index)", "generator": "left"}"#
        }
        let others = (0..<8).map { index in
            let word = index < 6 ? "bad" : "good"
            return
                #"{"instruction": "Question \#(index)?", "output": "\#(word) and long \#(index)", "generator": "right"}"#
        }
        let first = try scratch.write("left.json", "[" + rows.joined(separator: ",") + "]")
        let second = try scratch.write("right.json", "[" + others.joined(separator: ",") + "]")
        return try JudgedAnswers(files: [first, second])
    }

    @Test func pairsAreJudgedInBothOrders() throws {
        let data = try Self.data(Scratch())
        #expect(data.models == ["left", "right"] && data.questions.count == 8)
        let fair = Self.judge { prompt in
            let (a, b) = Self.answers(prompt)
            let scores = (a.hasPrefix("good") ? 1 : 0, b.hasPrefix("good") ? 1 : 0)
            return scores.0 > scores.1 ? "So [[A]]" : scores.0 < scores.1 ? "First [[A]], but no: [[B]]" : "[[C]]"
        }
        let report = try JudgeReport(Judge(fair).compare(data, "left", "right"))
        #expect((report.wins, report.losses, report.ties, report.turned) == (6, 0, 2, 0))
        #expect(report.winRate == 7.0 / 8 && report.firstPlaceShare == 0.5)
        let biased = try JudgeReport(Judge(Self.judge { _ in "[[A]]" }).compare(data, "left", "right"))
        #expect((biased.wins, biased.ties, biased.turned) == (0, 8, 8))
        #expect(biased.winRate == 0.5 && biased.firstPlaceShare == 1)
        var turn = 0
        let odd = try JudgeReport(
            Judge(
                Self.judge { _ in
                    turn += 1
                    return turn % 4 < 2 ? "I cannot say" : "[[A]]"
                }
            ).compare(data, "left", "right"))
        #expect(odd.nonsense > 0 && odd.leftOut == 0 || odd.leftOut > 0)
        // The likeliest verdict where none is written.
        var likeliest = Judge(RuleModel { $1 == "B]]" && $0.hasSuffix("[[") ? -1 : -2 })
        likeliest.takesLikeliest = true
        let second = try JudgeReport(likeliest.compare(data, "left", "right"))
        #expect((second.ties, second.turned, second.nonsense, second.firstPlaceShare) == (8, 8, 0, 0))
        #expect(throws: EvaluationError.self) {
            try JudgeReport(Judge(Self.judge { _ in "none" }).compare(data, "left", "right"))
        }
    }

    /// Two models answer a file of questions, and what was asked once is in the folder.
    @Test func modelsAnswerTheQuestionsThatAreJudged() throws {
        let scratch = try Scratch()
        let file = try scratch.write(
            "questions.json",
            #"[{"instruction": "Double it.", "input": "21", "dataset": "sums"}, {"instruction": "Hi"}, {"instruction": "Hi"}]"#
        )
        let questions = try JudgedAnswers.questions(file)
        #expect(questions.map(\.turns) == [["Double it.\n\n21"], ["Hi"]] && questions[0].category == "sums")
        var asked = 0
        let model = RuleModel { prompt in
            asked += 1
            return "Re: " + prompt
        }
        func cache() throws -> AnswerCache {
            try AnswerCache(path: scratch.file("asked.jsonl"), identity: model.identity)
        }
        let answered = try AnsweredQuestions(questions, model, name: "left", cache: cache())
        #expect(answered.turns == [["Re: Double it.\n\n21"], ["Re: Hi"]] && asked == 2)
        var shown: [Int] = []
        let again = try AnsweredQuestions(
            questions, model, name: "right", cache: cache(), progress: { done, _ in shown.append(done) })
        #expect(again.turns == answered.turns && asked == 2 && shown.last == 2)
        try answered.write(to: scratch.file("left.json"))
        try again.write(to: scratch.file("right.json"))
        let data = try JudgedAnswers(files: ["left", "right"].map { scratch.file($0 + ".json") }, questions: file)
        #expect(data.models == ["left", "right"] && data.questions == questions && data.notes.isEmpty)
        // The judge's replies are kept beside its verdicts, and asked for once: equal answers make equal requests.
        var judge = Judge(
            RuleModel { _ in
                asked += 1
                return "[[C]]"
            })
        judge.cache = try AnswerCache(path: scratch.file("judged.jsonl"), identity: [:])
        let found = try judge.compare(data, "left", "right")
        #expect(found.map(\.outcome) == [0.5, 0.5] && found[0].replies == ["[[C]]", "[[C]]"] && asked == 4)
        _ = try judge.compare(data, "left", "right")
        #expect(asked == 4)
        // Several turns, with the model's own answers between them.
        let list = try scratch.write("question.jsonl", #"{"question_id": 81, "turns": ["Write.", "Shorter."]}"#)
        let long = try AnsweredQuestions(JudgedAnswers.questions(list), RuleModel { "<" + $0 + ">" }, name: "m")
        try long.write(to: scratch.file("m.jsonl"))
        #expect(long.turns == [["<Write.>", "<Shorter.>"]])
        let read = try JudgedAnswers(files: [scratch.file("m.jsonl")], questions: list)
        #expect(read.answers["m"] == ["81": long.turns[0]])
        // A base model has no template.
        let plain = AnsweredQuestions.plain([
            ChatMessage(role: "user", content: "Write."), ChatMessage(role: "assistant", content: "Long."),
            ChatMessage(role: "user", content: "Shorter."),
        ])
        #expect(plain == "Question: Write.\nAnswer: Long.\nQuestion: Shorter.\nAnswer:" && !long.isPlain)
        let odd = try scratch.write("odd.jsonl", #"{"prompt": "x"}"#)
        #expect(throws: EvaluationError.self) { try JudgedAnswers.questions(odd) }
    }

    @Test func lengthIsTakenOutOfTheWinRate() {
        // The longer answer wins four times of five, whoever wrote it; one model writes the long ones.
        let pairs = (0..<200).map { index in
            let isLonger = index % 4 != 0, place = isLonger ? index : index / 4
            return (outcome: (place % 5 == 0) != isLonger ? 1.0 : 0, difference: isLonger ? 100.0 : -100)
        }
        let raw = pairs.reduce(0) { $0 + $1.outcome } / 200
        let controlled = JudgeReport.lengthControlled(pairs)
        #expect(raw > 0.6 && abs(controlled - 0.5) < 0.03, "\(raw) \(controlled)")
        let even = (0..<100).map { (outcome: $0 % 10 < 7 ? 1.0 : 0, difference: $0 % 2 == 0 ? 50.0 : -50) }
        #expect(abs(JudgeReport.lengthControlled(even) - 0.7) < 0.02)
    }

    @Test func answersOfMTBenchNeedTheirQuestions() throws {
        let scratch = try Scratch()
        let questions = try scratch.write(
            "question.jsonl",
            #"{"question_id": 81, "category": "writing", "turns": ["Write.", "Shorter."], "reference": ["A", "B"]}"#)
        let answers = try scratch.write(
            "model.jsonl",
            #"{"question_id": 81, "model_id": "m", "choices": [{"index": 0, "turns": ["Long.", "Short."]}]}"#)
        let data = try JudgedAnswers(files: [answers], questions: questions)
        var seen = ""
        let judge = Judge(
            Self.judge {
                seen = $0
                return "Fine. [[8]]"
            })
        #expect(try judge.rate(data, "m").map(\.rating) == [8])
        #expect(seen.contains("Shorter.") && seen.contains("[Reference answer]\nA") && seen.contains("[next turn]"))
        #expect(throws: EvaluationError.self) { try JudgedAnswers(files: [answers]) }
        #expect(Judge.rating("[[11]]") == nil && Judge.rating("[[3]] or [[4.5]]") == 4.5)
        #expect(Judge.verdict("[[D]]") == nil)
    }
}

import Foundation
import MartletChat
import MartletJSON
import Testing
import TinyModels

import MartletEvaluation

/// Built-in tasks on tiny samples in the shapes of their published files.
struct BuiltInTaskTests {
    /// Says what it is told, whatever it is asked.
    final class Speaker: EvaluationModel {
        let replies: [String]
        init(_ replies: [String]) { self.replies = replies }
        var identity: JSONObject { ["model": "speaker"] }
        var name: String { "speaker" }
        var chatTemplate: String? { nil }
        var notes: [String] { [] }
        func render(_ messages: [ChatMessage], opensReply: Bool) throws -> String { "" }
        func answer(
            _ requests: [EvaluationRequest], isCancelled: () -> Bool, receive: (Int, RequestAnswer) throws -> Void
        ) throws {
            for (place, request) in requests.enumerated() {
                switch request {
                case .generate: try receive(place, .reply(replies[place % replies.count]))
                // The shorter, the likelier.
                case .logLikelihood(_, let text): try receive(place, .score(-Double(text.count), isGreedy: false))
                case .rolling(let text): try receive(place, .total(-Double(text.utf8.count)))
                }
            }
        }
    }

    private static func run(
        _ name: String, _ files: [String: String], _ replies: [String] = [""]
    ) throws -> [TaskResult] {
        let scratch = try Scratch()
        for (file, text) in files {
            let folder = file.split(separator: "/").dropLast().joined(separator: "/")
            try FileManager.default.createDirectory(
                atPath: scratch.file(folder), withIntermediateDirectories: true)
            _ = try scratch.write(file, text)
        }
        let tree = try TaskLibrary { _ in .null }.tasks([name.hasPrefix("/") ? scratch.file(name) : name])
        var options = HarnessOptions()
        options.dataFolder = scratch.path
        return try Evaluator(Speaker(replies), options).run(tree)
    }

    private static func score(_ results: [TaskResult], _ metric: String) -> Double? {
        results.first?.scores.first { $0.metric == metric }?.value
    }

    @Test func formulasAreComparedByTheirValue() throws {
        let rows = #"""
            {"problem": "Half of one?", "solution": "It is $\\boxed{\\frac{1}{2}}$.", "level": "Level 1", "type": "Algebra"}
            {"problem": "Two and two?", "solution": "So \\boxed{4}."}
            {"problem": "Root?", "solution": "\\boxed{\\sqrt{8}}"}
            """#
        let results = try Self.run(
            "math", ["competition_math_test.jsonl": rows],
            ["\\boxed{0.5}", "I think \\boxed{5}", "\\boxed{2\\sqrt{2}}"])
        #expect(isNear(Self.score(results, "exact_match") ?? .nan, 2.0 / 3))
    }

    @Test func truthfulQAIsReadInBothShapes() throws {
        let rows = #"""
            [{"question": "Q?", "mc1_targets": {"no": 0, "yes indeed": 1}, "mc2_targets": {"true": 1, "so true": 1, "false!": 0}}]
            """#
        let results = try Self.run("truthfulqa", ["truthfulqa_mc.json": rows, "truthful_qa_validation.json": rows])
        #expect(results.map(\.name) == ["truthfulqa_mc1", "truthfulqa_mc2"])
        #expect(Self.score(results, "acc") == 1)
        // exp(−5), exp(−8) and exp(−7) with the space before each.
        let powers = [-5.0, -8, -7].map { exp($0) }
        let share = (powers[0] + powers[1]) / powers.reduce(0, +)
        #expect(isNear(Self.score(Array(results.dropFirst()), "acc") ?? .nan, share))
    }

    @Test func instructionsAreCheckedAsTheHarnessDoes() throws {
        let golden = Goldens.read("ifeval.json")
        let replies = (golden["replies"]?.array ?? []).compactMap(\.string)
        let strict = Array(golden["strict"]?.string ?? ""), loose = Array(golden["loose"]?.string ?? "")
        var place = 0
        for entry in golden["checks"]?.array ?? [] {
            let name = entry.array?[0] ?? .null, settings = entry.array?[1] ?? .null
            let row: JSONObject = [
                "prompt": "Write a poem.", "instruction_id_list": [name], "kwargs": [settings],
            ]
            for reply in replies {
                let found = try IFEval.judge(row, [.reply(reply)])
                let values: [MetricValue] = [
                    .number(strict[place] == "1" ? 1 : 0), .number(loose[place] == "1" ? 1 : 0),
                ]
                #expect([found[0].value, found[2].value] == values, "\(name.text()) \(settings.text()): \(reply)")
                place += 1
            }
        }
        #expect(place == strict.count && place > 500)
    }

    @Test func languagesSentencesAndCapitalsAreTold() throws {
        func follows(_ name: String, _ settings: JSONObject, _ reply: String) throws -> Bool {
            try InstructionCheck(name, settings, prompt: "").isFollowed(by: reply)
        }
        let texts = [
            "en": "This is the answer that you asked for.", "de": "Das ist die Antwort und nicht mehr.",
            "ru": "Это ответ на вопрос.", "uk": "Це відповідь, що її чекали.", "hi": "यह सवाल का जवाब है।",
            "ja": "これは答えです。", "ar": "هذا هو الجواب في النهاية", "fa": "این پاسخ است که می‌خواستید", "ko": "이것은 답입니다.",
            "fr": "Voici la réponse que vous attendez pour le texte.",
            "es": "Esta es la respuesta que buscas para el texto.",
        ]
        for (language, text) in texts {
            #expect(try follows("language:response_language", ["language": .string(language)], text), "\(language)")
        }
        #expect(try !follows("language:response_language", ["language": "de"], texts["en"] ?? ""))
        let three = "Dr. Who came at 3.5 p.m. He left! Did he?"
        #expect(
            try follows("length_constraints:number_sentences", ["relation": "at least", "num_sentences": 3], three))
        #expect(
            try follows("length_constraints:number_sentences", ["relation": "less than", "num_sentences": 5], three))
        #expect(
            try follows(
                "change_case:capital_word_frequency", ["capital_relation": "at least", "capital_frequency": 2],
                "I said NO"))
        #expect(try follows("change_case:english_capital", [:], "THIS IS THE END"))
        #expect(try !follows("change_case:english_lowercase", [:], "This is the end"))
        #expect(throws: EvaluationError.self) { try InstructionCheck("keywords:existance", [:], prompt: "") }
    }

    /// Sums in words, whose answers are told in four ways.
    @Test func sumsInWordsAreReadWithAndWithoutReasoning() throws {
        let examples = (1...6).map { #"{"question": "\#($0) and one?", "answer": "Add one.\n#### \#($0 + 1)"}"# }
        let files = [
            "gsm8k_test.jsonl": #"{"question": "Five pens and two more?", "answer": "5 + 2 = 7\n#### 7"}"#,
            "gsm8k_train.jsonl": examples.joined(separator: "\n"),
        ]
        let right = [
            "gsm8k": ["5 + 2 = 7\n#### 7"], "gsm8k_cot_zeroshot": [" There are 5 and 2. The answer is 7."],
            "gsm8k_direct": [" 7"], "gsm8k_self_consistency": ["#### 7", "#### 7", "#### 6"],
        ]
        for (name, replies) in right {
            let results = try Self.run(name, files, replies)
            #expect(results[0].scores.allSatisfy { $0.value == 1 }, "\(name)")
            let wrong = try Self.run(name, files, ["#### 6. The answer is 6."])
            #expect(wrong[0].scores.allSatisfy { $0.value == 0 }, "\(name)")
            #expect(results[0].publishedRowCount == 1319)
        }
        // Examples without reasoning are what tells the direct task from the others.
        let scratch = try Scratch()
        for (file, text) in files { _ = try scratch.write(file, text) }
        var options = HarnessOptions()
        options.dataFolder = scratch.path
        for (name, reasons) in [("gsm8k", true), ("gsm8k_direct", false)] {
            let task = try TaskLibrary { _ in .null }.tasks([name]).tasks[0]
            let prompt = try PreparedTask(task, options, render: nil).prompts[0][0].arguments[0].string ?? ""
            #expect(prompt.contains("Add one.") == reasons && prompt.contains("and one?"), "\(prompt)")
        }
    }

    /// One row of each in the shape and under the name of its published file; the speaker takes the shortest choice.
    @Test func publishedShapesAreRead() throws {
        func arc(_ name: String) -> String {
            #"{"id": "\#(name)", "question": {"stem": "What is cold?", "choices": [{"text": "a fire", "label": "A"}, {"text": "ice", "label": "B"}]}, "answerKey": "B"}"#
        }
        let samples: [(task: String, file: String, row: String, metric: String, expected: Double)] = [
            ("arc_easy", "ARC-Easy/ARC-Easy-Test.jsonl", arc("easy"), "acc", 1),
            ("arc_challenge", "ARC-Challenge/ARC-Challenge-Test.jsonl", arc("hard"), "acc", 1),
            (
                "hellaswag", "hellaswag/hellaswag_val.jsonl",
                #"{"ind": 1, "activity_label": "Cooking", "ctx_a": "A man cuts bread.", "ctx_b": "he", "ctx": "A man cuts bread. he", "endings": ["paints the wall of a house.", "eats it.", "sings to the trees outside.", "counts all of the stars."], "label": 1}"#,
                "acc", 1
            ),
            (
                "piqa", "piqa/valid.jsonl",
                #"{"goal": "cool tea", "sol1": "blow on it", "sol2": "wait", "label": 1}"#, "acc", 1
            ),
            (
                "winogrande", "winogrande/dev.jsonl",
                #"{"sentence": "The cup did not fit into the box since the _ was big.", "option1": "cup", "option2": "box", "answer": "1"}"#,
                "acc", 1
            ),
            (
                "boolq", "boolq/dev.jsonl",
                #"{"question": "is ice warm", "passage": "Ice is frozen.", "answer": false, "title": "Ice"}"#, "acc", 1
            ),
            // −log p of " room" is five here.
            ("lambada_openai", "lambada_test.jsonl", #"{"text": "she went into the room"}"#, "perplexity", exp(5)),
            ("wikitext", "wikitext2-test.txt", "Ann sat on the mat", "bits_per_byte", 1 / log(2)),
            ("cmmlu_anatomy", "cmmlu/test/anatomy.csv", ",Question,A,B,C,D,Answer\n0,人有几只手?,二,三,四,五,A\n", "acc", 1),
        ]
        for sample in samples {
            let results = try Self.run(sample.task, [sample.file: sample.row])
            let found = Self.score(results, sample.metric) ?? .nan
            #expect(isNear(found, sample.expected), "\(sample.task): \(found)")
        }
        let formula = #"{"problem": "Half of one?", "solution": "\\boxed{\\frac{1}{2}}", "answer": "\\frac{1}{2}"}"#
        let results = try Self.run("math_500", ["math500.jsonl": formula], ["\\boxed{0.5}"])
        #expect(Self.score(results, "exact_match") == 1)
    }

    private static let examinations = [
        ("mmlu", 57, 14_042, "mmlu/#_test.csv", "One and one?,1,2,3,4,B\n"),
        ("ceval-valid", 52, 1346, "ceval/val/#_val.csv", "id,question,A,B,C,D,answer\n0,问题,甲,乙,丙,丁,A\n"),
        ("cmmlu", 67, 11_582, "cmmlu/test/#.csv", ",Question,A,B,C,D,Answer\n0,问题,甲,乙,丙,丁,A\n"),
    ]

    @Test(arguments: examinations)
    func rowsOfPublishedDataAreKnown(
        group: String, subjects: Int, rows: Int, place: String, file: String
    ) throws {
        let scratch = try Scratch()
        let folder = scratch.file(String(place.prefix { $0 != "#" }))
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let tree = try TaskLibrary { _ in .null }.tasks([group])
        for task in tree.tasks {
            let subject = String(task.name.dropFirst(group.count + 1))
            _ = try scratch.write(place.replacing("#", with: subject), file)
        }
        var options = HarnessOptions()
        (options.dataFolder, options.bootstrapSamples) = (scratch.path, 0)
        let results = try Evaluator(Speaker([""]), options).run(tree).filter { !$0.isGroup }
        #expect(results.count == subjects && results.allSatisfy { $0.totalRowCount == 1 })
        #expect(results.reduce(0) { $0 + ($1.publishedRowCount ?? 0) } == rows)
    }

    @Test func everyTaskWithPublishedDataKnowsItsRows() throws {
        let tasks = try TaskLibrary { _ in .null }.tasks(TaskLibrary.builtIn).tasks.map(\.name)
        // Texts that are made here, not read.
        let isMade = { (name: String) in ["needle_", "long_recall_"].contains { name.hasPrefix($0) } }
        #expect(Set(tasks.filter { !isMade($0) }) == Set(BuiltInTasks.publishedRows.keys))
    }

    @Test func chineseExamsAndPlainTextsAreRead() throws {
        let head = "id,question,A,B,C,D,answer\n"
        let results = try Self.run(
            "ceval-valid_law",
            [
                "law_val.csv": head + "0,问题一,甲,乙,丙,丁,A\n1,问题二,甲,乙,丙,丁,C\n",
                "law_dev.csv": head + "0,例题,甲,乙,丙,丁,B\n",
            ])
        #expect(Self.score(results, "acc") == 0.5)
        let scratch = try Scratch()
        let path = try scratch.write("story.txt", "four words are here")
        let tree = try TaskLibrary { _ in .null }.tasks([path])
        let found = try Evaluator(Speaker([""])).run(tree)
        #expect(isNear(Self.score(found, "bits_per_byte") ?? .nan, 1 / log(2)))
    }

    @Test func longTextsHoldTheirAnswers() throws {
        let tree = try TaskLibrary { _ in .null }.tasks(["needle_256", "long_recall_256"])
        for task in tree.tasks {
            let prepared = try PreparedTask(task, .init(), render: nil)
            #expect(prepared.requests.count == 11)
            var answers: [String] = []
            for (row, requests) in zip(prepared.rows, prepared.requests) {
                guard case .generate(let prompt, _, _)? = requests.first else { continue }
                let answer = row["answer"]?.string ?? ""
                #expect(prompt.contains(answer + ".") && prompt.split(separator: " ").count > 250)
                answers.append(" The number is \(answer).")
            }
            var one = TaskTree()
            (one.tasks, one.roots) = ([task], [.task(task.name)])
            #expect(Self.score(try Evaluator(Speaker(answers)).run(one), "exact_match") == 1)
        }
    }

    @Test func averagesAreCentredOnGuessing() throws {
        let scratch = try Scratch()
        let row = #"{"q": "?", "choices": ["a", "bb"], "gold": 0}"#
        _ = try scratch.write("rows.jsonl", row + "\n" + row.replacing("\"gold\": 0", with: "\"gold\": 1") + "\n" + row)
        func task(_ name: String) -> JSON {
            [
                "task": .string(name), "dataset_path": "json",
                "dataset_kwargs": ["data_files": ["test": "rows.jsonl"]], "test_split": "test",
                "output_type": "multiple_choice", "doc_to_text": "{{q}}", "doc_to_choice": "choices",
                "doc_to_target": "gold", "metric_list": [["metric": "acc"]],
            ]
        }
        let group: JSON = [
            "group": "both", "task": [task("x"), task("y")],
            "aggregate_metric_list": [
                [
                    "metric": "acc", "aggregation": "centered", "weight_by_size": false,
                    "baselines": ["x": 0.5, "y": 0.0],
                ]
            ],
        ]
        let path = try scratch.write("group.json", group.text())
        let tree = try TaskLibrary { _ in group }.tasks([path])
        let results = try Evaluator(Speaker([""])).run(tree)
        // The mean of (2/3 − 1/2) / (1/2) = 1/3 and of 2/3.
        #expect(isNear(Self.score(results, "centered_acc") ?? .nan, 0.5))
    }

    @Test func programsRunInASandboxOrNotAtAll() throws {
        let sandbox: CodeSandbox
        do { sandbox = try CodeSandbox() } catch let error as EvaluationError {
            #expect(error.description.contains("namespaces"))
            return
        }
        var patient = sandbox, quick = sandbox
        (patient.seconds, quick.seconds) = (60, 4)
        #expect(try patient.run("assert 1 + 1 == 2") == .passed)
        if case .failed(let reason) = try patient.run("assert 1 + 1 == 3") {
            #expect(reason.contains("AssertionError"))
        } else {
            Issue.record("a wrong program passed")
        }
        #expect(try patient.run("import os\nos._exit(0)") == .failed(""))
        #expect(try quick.run("while True: pass") == .timedOut)
        #expect(try quick.run("import os\nwhile True: os.fork()") != .passed)
        #expect(try patient.run("x = bytearray(1 << 31)") != .passed)
        #expect(try patient.run("open('/usr/x', 'w')") != .passed)
        #expect(try patient.run("import socket\nsocket.create_connection(('192.0.2.1', 80), 1)") != .passed)
    }

    @Test func functionsAreRunWithTheirTests() throws {
        guard (try? CodeSandbox()) != nil else { return }
        let rows = #"""
            {"task_id": "a", "prompt": "def twice(x):\n", "entry_point": "twice", "test": "def check(f):\n    assert f(2) == 4\n"}
            {"task_id": "b", "prompt": "def thrice(x):\n", "entry_point": "thrice", "test": "def check(f):\n    assert f(2) == 6\n"}
            """#
        let results = try Self.run("humaneval", ["HumanEval.jsonl": rows], ["    return 2 * x", "    return x"])
        #expect(Self.score(results, "pass@1") == 0.5)
        let problem =
            #"{"task_id": 11, "text": "Add.", "code": "", "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0", "assert add(2, 2) == 4"]}"#
        let found = try Self.run("mbpp", ["mbpp.jsonl": problem], ["```python\ndef add(a, b):\n    return a + b\n```"])
        #expect(Self.score(found, "pass@1") == 1)
    }
}

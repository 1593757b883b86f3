import Foundation
import MartletInference
import MartletJSON
import MartletModels
import Testing
import TinyModels

/// Classifiers of texts, tokens and answers, on small encoders with a WordPiece vocabulary.
struct TextClassifierTests {
    /// A golden's folder with a vocabulary of its size beside it.
    private func withFolder<Result>(
        _ name: String, labels: JSON = ["0": "O", "1": "B-PER", "2": "I-PER"], names: JSON? = nil,
        problem: String? = nil, _ body: (String) throws -> Result
    ) throws -> Result {
        try FamilyGolden(name).withFolder(change: {
            $0["id2label"] = name.hasSuffix("tokens") ? labels : names ?? $0["id2label"]
            if let problem { $0["problem_type"] = .string(problem) }
            // [SEP] ends each text.
            if name.hasPrefix("bart") { $0["eos_token_id"] = 3 }
        }) { path in
            let words = [
                "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ada", "love", "##lace", "lived", "in", "london", ".",
            ]
            let names = words + (words.count..<64).map { "w\($0)" }
            try Data(names.joined(separator: "\n").utf8).write(to: URL(filePath: path + "/vocab.txt"))
            try Data(#"{"tokenizer_class": "BertTokenizer"}"#.utf8)
                .write(to: URL(filePath: path + "/tokenizer_config.json"))
            return try body(path)
        }
    }

    @Test(arguments: ["distilbert-classes", "electra-classes"]) func classesAreOrderedShares(_ name: String) throws {
        try withFolder(name) { path in
            let model = try TextClassifier(path: path, precision: .exact)
            let classes = try model.classes(of: "ada lived in london .")
            #expect(classes.count == 3 && Set(classes.map(\.label)) == ["LABEL_0", "LABEL_1", "LABEL_2"])
            #expect(abs(classes.reduce(0) { $0 + $1.probability } - 1) < 1e-5)
            #expect(classes == classes.sorted { $0.probability > $1.probability })
            #expect(throws: ModelError.self) { try model.spans(of: "ada") }
        }
    }

    /// Classifiers on decoders and encoder-decoders, whose probabilities follow `problem_type`.
    @Test(arguments: ["llama-classes", "qwen3-classes", "bart-classes"]) func classesOfDecoders(_ name: String) throws {
        try withFolder(name, problem: name == "bart-classes" ? "regression" : nil) { path in
            let model = try TextClassifier(path: path, precision: .exact)
            let classes = try model.classes(of: "ada lived in london .")
            #expect(Set(classes.map(\.label)) == ["LABEL_0", "LABEL_1", "LABEL_2"])
            #expect(classes == classes.sorted { $0.probability > $1.probability })
            let logits = try model.logits(of: [("ada lived in london .", nil)])[0].sorted(by: >)
            let sigmoids = logits.map { 1 / (1 + Float(exp(-Double($0)))) }, found = classes.map(\.probability)
            switch name {
            case "llama-classes": #expect(abs(found.reduce(0, +) - 1) < 1e-5)
            case "qwen3-classes": #expect(zip(found, sigmoids).allSatisfy { abs($0 - $1) < 1e-5 })
            default: #expect(model.isRegression && found == logits)
            }
            #expect(throws: ModelError.self) { try model.spans(of: "ada") }
            #expect(throws: ModelError.self) { try TextScorer(path: path) }
        }
    }

    /// As transformers' pipeline: the entailments of all labels against each other, or of each against its contradiction.
    @Test func labelsOfOnesOwnAreThoseThatATextEntails() throws {
        let names: JSON = ["0": "contradiction", "1": "neutral", "2": "Entailment"]
        try withFolder("bart-classes", names: names) { path in
            let model = try TextClassifier(path: path, precision: .exact), labels = ["lived", "london"]
            #expect(model.isOfEntailment)
            let text = "ada lived in london ."
            let logits = try model.logits(of: labels.map { (text, "w20 \($0) .") })
            let one = try model.classes(of: text, among: labels, hypothesis: "w20 {} .")
            let several = try model.classes(of: text, among: labels, hypothesis: "w20 {} .", isMultiLabel: true)
            for (label, own) in zip(labels, logits) {
                let sum = logits.reduce(0) { $0 + exp(Double($1[2])) }
                let share = try #require(one.first { $0.label == label }).probability
                #expect(abs(Double(share) - exp(Double(own[2])) / sum) < 1e-5)
                let alone = try #require(several.first { $0.label == label }).probability
                #expect(abs(Double(alone) - 1 / (1 + exp(Double(own[0] - own[2])))) < 1e-5)
            }
            #expect(try model.classes(of: text, among: ["lived"], hypothesis: "w20 {} .")[0].probability < 1)
            #expect { _ = try model.classes(of: text, among: labels, hypothesis: "w20") } throws: {
                "\($0)".contains("{}")
            }
        }
        try withFolder("bart-classes") { path in
            let model = try TextClassifier(path: path, precision: .exact)
            #expect { _ = try model.classes(of: "ada", among: ["lived"]) } throws: { "\($0)".contains("entailment") }
        }
    }

    @Test func spansJoinTokensOfAClass() throws {
        try withFolder("bert-tokens") { path in
            let model = try TextClassifier(path: path, precision: .exact)
            for span in try model.spans(of: "ada lovelace lived in london .") {
                #expect(span.label == "PER" && span.probability > 0 && span.probability <= 1)
                #expect(!span.text.isEmpty && !span.text.contains("["))
            }
            #expect(throws: ModelError.self) { try model.classes(of: "ada") }
        }
    }

    /// A word without a token is a part of the text, as in transformers, and parts no span.
    @Test func unknownWordsBelongToTheirSpan() throws {
        try withFolder("bert-tokens", labels: ["0": "PER", "1": "PER", "2": "PER"]) { path in
            let model = try TextClassifier(path: path, precision: .exact)
            // What they stand for is in the text; spaces around it are not.
            for text in [
                "ada qqq lived", "ada  Qqq-qqq\tlived", "ada qqq, lived", "qqq", "QQQ ada 北京 lived", "ada q̈qq",
            ] {
                #expect(try model.spans(of: " \(text) ").map(\.text) == [text], "\(text)")
            }
        }
    }

    @Test func answersAreTakenFromTheText() throws {
        try withFolder("bert-answers") { path in
            let model = try TextClassifier(path: path, precision: .exact)
            let text = "ada lovelace lived in london ."
            let answer = try model.answer(to: "w20 w21", in: text, longest: 3)
            #expect(!answer.text.isEmpty, "\(answer)")
            let plain = text.replacing(" ", with: "")
            #expect(plain.contains(answer.text.replacing(" ", with: "")), "\(answer)")
            #expect(answer.probability > 0)
        }
    }
}

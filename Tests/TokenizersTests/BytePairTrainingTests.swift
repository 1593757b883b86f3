import Foundation
import MartletJSON
import MartletTokenizers
import Synchronization
import Testing

/// What the `tokenizers` library and a plain implementation learned: see Goldens/make_training_goldens.py.
struct TrainingGolden: CustomTestStringConvertible, Sendable {
    let name: String
    let text: String
    let json: JSON

    static let all: [TrainingGolden] = {
        let file = PipelineGolden.folder.appendingPathComponent("training.json")
        guard let data = try? Data(contentsOf: file), let json = try? JSON(parsing: data) else { return [] }
        let texts = (json["texts"]?.array ?? []).compactMap(\.string)
        return (json["cases"]?.array ?? []).map {
            TrainingGolden(name: $0["name"]?.string ?? "", text: texts[$0["text"]?.integer ?? 0], json: $0)
        }
    }()

    var testDescription: String { name }

    var trainer: BytePairTrainer {
        var trainer = BytePairTrainer(
            vocabularySize: json["vocab_size"]?.integer ?? 0,
            specialTokens: (json["special_tokens"]?.array ?? []).compactMap(\.string))
        trainer.minimumFrequency = json["min_frequency"]?.integer ?? 0
        trainer.hasAllBytes = json["all_bytes"]?.bool ?? true
        trainer.unit = json["unit"]?.string.flatMap(TrainingUnit.init) ?? .text
        trainer.ties = json["ties"]?.string.flatMap(TieRule.init) ?? .ids
        if json["cut"]?.string == "gpt4" { trainer.cut = .gpt4() }
        trainer.threads = 2
        return trainer
    }

    /// Tokens in bytes, for those that are written so.
    var pairs: [[String]] {
        (json["merges"]?.array ?? []).map { ($0.array ?? []).compactMap(\.string) }
    }
}

struct BytePairTrainingTests {
    @Test(arguments: TrainingGolden.all.filter { $0.json["tokens"] != nil })
    func `tokens, merges and ids are those of the tokenizers library`(golden: TrainingGolden) throws {
        let trained = try golden.trainer.train([.text(golden.text)])
        #expect(trained.tokens == (golden.json["tokens"]?.array ?? []).compactMap(\.string))
        #expect(trained.merges.map { [$0.left, $0.right] } == golden.pairs)
        let ids = try trained.tokenizer().encode(golden.text)
        #expect(Array(ids.prefix(200)) == PipelineGolden.ids(golden.json["ids"]))
    }

    @Test(arguments: TrainingGolden.all.filter { $0.json["tokens"] == nil })
    func `with ties to the greatest bytes the merges are those of counting all over`(golden: TrainingGolden) throws {
        let trained = try golden.trainer.train([.text(golden.text)])
        let merges = trained.merges.map { merge in
            [merge.left, merge.right].map { token in
                (ByteAlphabet.bytes(spelledBy: Array(token.utf8)) ?? []).map {
                    ($0 < 16 ? "0" : "") + String($0, radix: 16)
                }.joined()
            }
        }
        #expect(merges == golden.pairs)
    }

    @Test func `the example of CS336 gives the merges of its handout`() throws {
        let text = "low low low low low\nlower lower widest widest widest\nnewest newest newest newest newest newest"
        var trainer = BytePairTrainer(vocabularySize: 256 + 6)
        trainer.ties = .bytes
        // Each word on a line of its own, and the line break apart.
        let lines = text.replacing(" ", with: "\n")
        let merges = try trainer.train([.text(lines)]).merges.map { "\($0.left) \($0.right)" }
        #expect(merges == ["s t", "e st", "o w", "l ow", "w est", "n e"])
    }

    @Test func `threads and where the text lies change nothing`() throws {
        let golden = try #require(TrainingGolden.all.first)
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("training-\(UUID()).txt")
        try Data(golden.text.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        var trainer = golden.trainer
        let whole = try trainer.train([.text(golden.text)])
        for threads in 1...3 {
            trainer.threads = threads
            let trained = try trainer.train(files: [file.path])
            #expect(trained.tokens == whole.tokens)
            #expect(trained.merges == whole.merges)
        }
    }

    @Test func `little memory changes nothing while words fit into it, and is told when it is too little`() throws {
        let golden = try #require(TrainingGolden.all.first)
        var trainer = golden.trainer
        trainer.memory = 40 << 20
        let trained = try trainer.train([golden.text])
        #expect(trained.tokens == (golden.json["tokens"]?.array ?? []).compactMap(\.string))
        #expect(trained.forgottenWords == 0)
        trainer.memory = 1000
        #expect(throws: TokenizerTrainingError.self) { try trainer.train([golden.text]) }
    }

    @Test func `special tokens cut text and are never learned from`() throws {
        var trainer = BytePairTrainer(vocabularySize: 300, specialTokens: ["<|end|>"])
        let trained = try trainer.train([.text(String(repeating: "ab<|end|>", count: 40))])
        #expect(trained.merges.map { $0.left + $0.right } == ["ab"])
        #expect(try trained.tokenizer().encode("ab<|end|>ab") == [257, 0, 257])
        trainer.cutsAtSpecialTokens = false
        #expect(try trainer.train([.text("ab<|end|>ab")]).merges.count > 1)
    }

    @Test func `settings out of range, no text and missing files are told`() throws {
        #expect(throws: TokenizerTrainingError.noText) { try BytePairTrainer(vocabularySize: 300).train([.text("")]) }
        #expect(throws: TokenizerTrainingError.noText) {
            try BytePairTrainer(vocabularySize: 300).train([TrainingText]())
        }
        #expect {
            try BytePairTrainer(vocabularySize: 200).train([.text("a text")])
        } throws: {
            "\($0)" == "vocabularySize is 200; expected at least 256, for the bytes and the special tokens"
        }
        #expect(throws: TokenizerTrainingError.self) { try BytePairTrainer(vocabularySize: 0).train([.text("a text")]) }
        #expect(throws: TokenizerTrainingError.self) {
            try BytePairTrainer(vocabularySize: 300, specialTokens: [""]).train([.text("a text")])
        }
        #expect {
            try BytePairTrainer(vocabularySize: 300).train(files: ["/no/such/file"])
        } throws: {
            "\($0)" == "cannot read /no/such/file: No such file or directory"
        }
    }

    @Test func `the observer sees each stage and can end training`() throws {
        let golden = try #require(TrainingGolden.all.first)
        var trainer = golden.trainer
        let seen = Mutex<[TokenizerTrainingProgress.Stage]>([])
        trainer.observer = { progress in
            seen.withLock { if $0.last != progress.stage { $0.append(progress.stage) } }
            return true
        }
        _ = try trainer.train([.text(golden.text)])
        #expect(seen.withLock { $0 } == [.counting, .merging])
        trainer.observer = { $0.stage != .merging }
        #expect(throws: TokenizerTrainingError.cancelled) { try trainer.train([.text(golden.text)]) }
    }
}

struct PhraseTrainingTests {
    private static let text = (0..<40).map { i in
        "Anna saw \(["a goat", "an owl", "the sea"][i % 3]) in the garden.\nThen \(i % 10) + \(i / 10) = \(i % 7), in the garden."
    }.joined(separator: "\n")

    private func trainer(_ phrases: Int) -> BytePairTrainer {
        var trainer = BytePairTrainer(vocabularySize: 256 + 75)
        trainer.phraseTokens = phrases
        trainer.cut = .gpt4(digits: 1)
        return trainer
    }

    @Test func `words are joined after they are whole, and only those in small letters`() throws {
        let trained = try trainer(15).train([.text(Self.text)])
        let plain = try trainer(0).train([.text(Self.text)])
        // Merges of words come first, in the order that they have without phrases.
        #expect(trained.merges.starts(with: plain.merges) && plain.merges.count > 30)
        let inner = trained.merges.prefix(while: { !$0.right.hasPrefix("Ġ") })
        #expect(inner.allSatisfy { !($0.left + $0.right).dropFirst().contains("Ġ") })
        let joined = trained.tokens.filter { $0.dropFirst().contains("Ġ") }
        #expect(joined.contains("ĠinĠtheĠgarden"))
        // Every word of a phrase begins with its blank and ends before the next.
        for token in joined {
            #expect(token.allSatisfy { $0 == "Ġ" || $0.isLowercase } && token.last != "Ġ", "\(token)")
        }
    }

    @Test func `text comes back, and is shorter`() throws {
        let trained = try trainer(15).train([.text(Self.text)]).tokenizer()
        let plain = try trainer(0).train([.text(Self.text)]).tokenizer()
        #expect(try trained.decode(trained.encode(Self.text)) == Self.text)
        #expect(try trained.encode(" in the garden").count == 1)
        #expect(try trained.encode(Self.text).count < plain.encode(Self.text).count)
    }

    /// Most names of cuts leave no phrase whole: under them another program would give other ids.
    @Test func `no GGUF file is written that would give other ids`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-phrases-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        for phrases in [0, 15] {
            let trained = try trainer(phrases).train([.text(Self.text)])
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            for file in trained.files { try Data(file.bytes).write(to: folder.appending(path: file.name)) }
            let made = Result { try GGUFTokenizerMetadata(folder: folder.path, vocabularySize: 331) }
            switch made {
            case .success(let metadata):
                let again = try Tokenizer(gguf: metadata)
                #expect(try again.encode(Self.text) == trained.tokenizer().encode(Self.text), "\(metadata.pre)")
            case .failure(let error): #expect(phrases > 0 && "\(error)".contains("tokenizer.ggml.pre"))
            }
        }
    }

    @Test func `more phrases than there is room for are refused`() {
        for phrases in [-1, 331] {
            #expect {
                try trainer(phrases).train([.text(Self.text)])
            } throws: {
                "\($0)" == "phraseTokens is \(phrases); expected 0 to 330"
            }
        }
        #expect {
            try trainer(100).train([.text(Self.text)])
        } throws: {
            "\($0)".contains("beside the phrases")
        }
    }
}

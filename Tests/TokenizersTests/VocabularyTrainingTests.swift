import Foundation
import MartletJSON
import MartletTokenizers
import Testing

/// What the `tokenizers` library learned: see Goldens/make_vocabulary_goldens.py.
private struct PiecesGolden: Sendable {
    let text: String
    let heldOut: String
    let wordPiece: [JSON]
    let unigram: [JSON]

    static let shared: PiecesGolden = {
        let file = PipelineGolden.folder.appendingPathComponent("training-pieces.json")
        let json = (try? Data(contentsOf: file)).flatMap { try? JSON(parsing: $0) }
        return PiecesGolden(
            text: json?["text"]?.string ?? "", heldOut: json?["heldout"]?.string ?? "",
            wordPiece: json?["wordpiece"]?.array ?? [], unigram: json?["unigram"]?.array ?? [])
    }()
}

struct WordPieceTrainingTests {
    @Test(arguments: PiecesGolden.shared.wordPiece)
    func `tokens and ids are those of the tokenizers library, given its order of characters`(golden: JSON) throws {
        var trainer = WordPieceTrainer(vocabularySize: try #require(golden["vocab_size"]?.integer))
        trainer.minimumFrequency = golden["min_frequency"]?.integer ?? 0
        trainer.alphabetLimit = golden["limit_alphabet"]?.integer ?? 1000
        trainer.continuingOrder = (golden["order"]?.array ?? []).compactMap(\.string)
        let trained = try trainer.train([PiecesGolden.shared.text])
        #expect(trained.tokens == (golden["tokens"]?.array ?? []).compactMap(\.string))
        let ids = try trained.tokenizer().encode(PiecesGolden.shared.heldOut, addSpecialTokens: false)
        #expect(Array(ids.prefix(300)) == PipelineGolden.ids(golden["ids"]))
    }

    @Test func `threads change nothing, and what is written is read again`() throws {
        var trainer = WordPieceTrainer(vocabularySize: 600)
        trainer.threads = 1
        let one = try trainer.train([PiecesGolden.shared.text])
        trainer.threads = 3
        let three = try trainer.train([PiecesGolden.shared.text])
        #expect(one.tokens == three.tokens && one.json == three.json)
        let tokenizer = try one.tokenizer()
        let ids = try tokenizer.encode("Speak, citizen")
        #expect(ids.first == 2 && ids.last == 3)
        #expect(try tokenizer.decode(ids, skipSpecialTokens: true) == "speak, citizen")
        #expect(tokenizer.details.kind == "WordPiece" && tokenizer.details.unknownToken == 1)
    }

    @Test func `a vocabulary too small for the characters is refused`() {
        #expect(throws: TokenizerTrainingError.self) {
            try WordPieceTrainer(vocabularySize: 20).train([PiecesGolden.shared.text])
        }
        #expect(throws: TokenizerTrainingError.noText) { try WordPieceTrainer(vocabularySize: 600).train([" \n"]) }
    }
}

struct UnigramTrainingTests {
    /// The settings of the library's trainer.
    private func peer(_ size: Int) -> UnigramTrainer {
        var trainer = UnigramTrainer(vocabularySize: size)
        trainer.beginsWithBlank = true
        trainer.hasByteFallback = false
        trainer.coverage = 1
        return trainer
    }

    @Test(arguments: PiecesGolden.shared.unigram)
    func `held-out text is as likely, in as many tokens, as with the tokenizers library, or better`(
        golden: JSON
    ) throws {
        let trained = try peer(try #require(golden["vocab_size"]?.integer)).train([PiecesGolden.shared.text])
        #expect(trained.tokens.count == golden["vocab_size"]?.integer)
        let scores = (trained.json["model"]?["vocab"]?.array ?? []).compactMap { $0.array?.last?.double }
        let tokenizer = try trained.tokenizer()
        var (count, likelihood) = (0, 0.0)
        for line in PiecesGolden.shared.heldOut.split(separator: "\n", omittingEmptySubsequences: false) {
            for id in try tokenizer.encode(String(line) + "\n") {
                count += 1
                likelihood += scores[Int(id)]
            }
        }
        let (theirCount, theirs) = (
            try #require(golden["tokens"]?.double), try #require(golden["log_likelihood"]?.double)
        )
        #expect(Double(count) < theirCount * 1.01, "\(count) tokens, theirs \(theirCount)")
        #expect(likelihood > theirs * 1.01, "\(likelihood), theirs \(theirs)")
    }

    @Test func `threads change nothing, and any text comes back`() throws {
        var trainer = UnigramTrainer(vocabularySize: 900, specialTokens: ChatMarkup.specialTokens)
        trainer.threads = 1
        let one = try trainer.train([PiecesGolden.shared.text])
        trainer.threads = 3
        #expect(try trainer.train([PiecesGolden.shared.text]).json == one.json)
        let tokenizer = try one.tokenizer()
        for text in [PiecesGolden.shared.heldOut, "  two  blanks ", "\n\n", "今天 😀\u{0}é", "a<|im_end|>b"] {
            #expect(try tokenizer.decode(tokenizer.encode(text)) == text)
        }
        // Special tokens have the first ids, after the unknown one.
        #expect(tokenizer.id(of: "<|endoftext|>") == 1 && tokenizer.details.unknownToken == 0)
    }

    @Test func `with too little text for its size a vocabulary is smaller, and can be read`() throws {
        let text = String(repeating: "The old inn by the river sold tea, and the tea was good.\n", count: 40)
        let trained = try UnigramTrainer(vocabularySize: 2000).train([text])
        #expect(trained.tokens.count > 257 && trained.tokens.count < 2000)
        let tokenizer = try Tokenizer(json: JSON(parsing: trained.json.bytes()))
        #expect(try tokenizer.decode(tokenizer.encode(text)) == text)
    }

    @Test func `probabilities add up to one`() throws {
        let trained = try peer(500).train([PiecesGolden.shared.text])
        let scores = (trained.json["model"]?["vocab"]?.array ?? []).compactMap { $0.array?.last?.double }
        let sum = scores.reduce(0) { $0 + exp($1) }
        #expect(abs(sum - 1) < 0.02, "\(sum)")
    }

    @Test func `settings out of range are told`() {
        #expect(throws: TokenizerTrainingError.self) {
            try UnigramTrainer(vocabularySize: 200).train([PiecesGolden.shared.text])
        }
        var trainer = UnigramTrainer(vocabularySize: 900)
        trainer.shrinking = 1
        #expect {
            try trainer.train([PiecesGolden.shared.text])
        } throws: {
            "\($0)" == "shrinking is 1.0; expected between 0 and 1"
        }
        #expect(throws: TokenizerTrainingError.noText) { try UnigramTrainer(vocabularySize: 900).train([""]) }
    }
}

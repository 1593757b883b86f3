import Foundation
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletTokenizers
import Testing

/// Embedding models in every form they are published in, against sentence-transformers (Goldens/embedding).
struct EmbeddingFormTests {
    private static let goldens = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Goldens/embedding").path

    private static func json(_ path: String) throws -> JSON { try JSON(parsing: Folder.read(path)) }

    /// A variant's files beside those of its transformer.
    private static func folder(_ variant: String, _ change: (String) throws -> Void = { _ in }) throws -> String {
        let base = try json("\(goldens)/variants/\(variant)/expected.json")["base"]?.string ?? ""
        let target = NSTemporaryDirectory() + "martlet-embedding-\(UUID().uuidString)"
        try FileManager.default.copyItem(atPath: "\(goldens)/\(base)", toPath: target)
        for file in try FileManager.default.contentsOfDirectory(atPath: "\(goldens)/variants/\(variant)") {
            try FileManager.default.copyItem(
                atPath: "\(goldens)/variants/\(variant)/\(file)", toPath: "\(target)/\(file)")
        }
        try change(target)
        return target
    }

    private static func vectors(_ json: JSON?) -> [[Double]] {
        json?.array?.map { $0.array?.compactMap(\.double) ?? [] } ?? []
    }

    private static func expect(_ found: [[Float]], _ expected: [[Double]]) {
        #expect(found.count == expected.count && !found.isEmpty)
        for (a, b) in zip(found, expected) {
            #expect(a.count == b.count)
            let product = zip(a, b).reduce(0.0) { $0 + Double($1.0) * $1.1 }
            let lengths = (a.reduce(0.0) { $0 + Double($1) * Double($1) }, b.reduce(0.0) { $0 + $1 * $1 })
            #expect(product / (lengths.0 * lengths.1).squareRoot() > 0.9999)
            #expect(abs(lengths.0 / lengths.1 - 1) < 0.01)
        }
    }

    @Test(arguments: [
        "cls", "mean", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", "unnormalised", "combined", "dense",
        "prompted", "prompt-left-out", "decoder",
    ])
    func vectorsAreThoseOfSentenceTransformers(_ variant: String) throws {
        let path = try Self.folder(variant)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let golden = try Self.json(path + "/expected.json")
        let texts = golden["texts"]?.array?.compactMap(\.string) ?? []
        let embedder = try TextEmbedder(path: path)
        #expect(embedder.warnings == [])
        Self.expect(try embedder.embed(texts), Self.vectors(golden["vectors"]))
        for prompt in embedder.prompts.keys where golden["vectors_" + prompt] != nil {
            Self.expect(try embedder.embed(texts, prompt: prompt), Self.vectors(golden["vectors_" + prompt]))
        }
        // From tokens, as a server has them.
        Self.expect(try embedder.embed(tokens: texts.map { try embedder.tokens($0) }), Self.vectors(golden["vectors"]))
    }

    /// `truncate_embeddings` of sentence-transformers: the first numbers of what all modules give, as they are.
    @Test func aVectorIsCutToWhatTheFilesAskFor() throws {
        let path = try Self.folder("cls")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let whole = try TextEmbedder(path: path).embed(["a text", "and another"])
        try Data(#"{"truncate_dim": 8}"#.utf8).write(to: URL(filePath: path + "/config_sentence_transformers.json"))
        let embedder = try TextEmbedder(path: path)
        #expect(embedder.dimension == 8)
        #expect(try embedder.embed(["a text", "and another"]) == whole.map { Array($0[..<8]) })
        let described = try EmbeddingDescription(ModelFiles(path: path)).vector
        #expect(described.contains("the first 8 numbers of that (truncate_dim)"), "\(described)")
    }

    @Test func whatIsLongerThanTheModelReadsIsRefusedOrCutWhereAsked() throws {
        let path = try Self.folder("short")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let golden = try Self.json(path + "/expected.json")
        let texts = golden["texts"]?.array?.compactMap(\.string) ?? []
        let embedder = try TextEmbedder(path: path)
        #expect(embedder.contextLength == 8)
        #expect { _ = try embedder.embed(texts) } throws: { "\($0)".contains("8 tokens") }
        Self.expect(try embedder.embed(texts, truncating: true), Self.vectors(golden["vectors"]))
    }

    @Test func anUnknownPromptIsNamedWithTheKnownOnes() throws {
        let path = try Self.folder("prompted")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let embedder = try TextEmbedder(path: path)
        #expect { _ = try embedder.embed(["a"], prompt: "qeury") } throws: { "\($0)".contains("passage, query") }
    }

    @Test(arguments: [
        ("modules.json", "Normalize", "Novelty", "Novelty"), ("modules.json", "1_Pooling", "../1_Pooling", "path"),
        ("1_Pooling/config.json", "\"mean\"", "\"median\"", "median"),
    ])
    func whatIsNotKnownIsRefusedByName(_ file: String, _ old: String, _ new: String, _ said: String) throws {
        let path = try Self.folder("mean") { folder in
            let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            try text.replacingOccurrences(of: old, with: new).write(
                toFile: "\(folder)/\(file)", atomically: true, encoding: .utf8)
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect { _ = try TextEmbedder(path: path) } throws: { "\($0)".contains(said) }
    }

    @Test func aDialectOfFlagsIsReadToo() throws {
        let path = try Self.folder("combined") { folder in
            try
                (#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true, "#
                + #""pooling_mode_max_tokens": true}"#)
                .write(toFile: folder + "/1_Pooling/config.json", atomically: true, encoding: .utf8)
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        let golden = try Self.json(path + "/expected.json")
        let texts = golden["texts"]?.array?.compactMap(\.string) ?? []
        Self.expect(try TextEmbedder(path: path).embed(texts), Self.vectors(golden["vectors"]))
    }

    @Test func aCrossEncoderGivesItsOwnScores() throws {
        let path = Self.goldens + "/cross"
        let golden = try Self.json(path + "/expected.json")
        let texts = golden["texts"]?.array?.compactMap(\.string) ?? []
        let found = try TextScorer(path: path).scores(golden["query"]?.string ?? "", texts)
        let expected = golden["scores"]?.array?.compactMap(\.double) ?? []
        #expect(found.count == expected.count && found.count == 6)
        for (a, b) in zip(found, expected) { #expect(abs(Double(a) - b) < 0.005, "\(a) \(b)") }
    }

    /// Vectors and scores are those that one task alone gets.
    @Test func severalTasksMayAskAtATime() async throws {
        let path = try Self.folder("dense")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let texts = (0..<20).map { "text number \($0) of some length" }
        let scorer = try TextScorer(path: Self.goldens + "/cross"), embedder = try TextEmbedder(path: path)
        let scores = try scorer.scores("a query", texts), vectors = try embedder.embed(texts)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask { try scorer.scores("a query", texts) == scores }
                group.addTask { try embedder.embed(texts) == vectors }
            }
            for try await isSame in group { #expect(isSame) }
        }
    }

    /// Qwen3-Reranker's form: pairs through the chat template, the default prompt as a system message, and the logits of two
    /// tokens.
    @Test func aLanguageModelThatOrdersTextsGivesItsOwnScores() throws {
        let path = URL(filePath: Self.goldens).deletingLastPathComponent().appending(path: "rerankers/asked").path
        let golden = try Self.json(path + "/expected.json")
        let texts = golden["texts"]?.array?.compactMap(\.string) ?? []
        let files = try ModelFiles(path: path)
        #expect(files.checkpoint.kind == .scores)
        #expect(try files.checkpoint.warnings() == [])
        let found = try TextScorer(path: path).scores(golden["query"]?.string ?? "", texts)
        let expected = golden["scores"]?.array?.compactMap(\.double) ?? []
        #expect(found.count == expected.count && found.count == 5)
        for (a, b) in zip(found, expected) { #expect(abs(Double(a) - b) < 0.005, "\(a) \(b)") }
        #expect(throws: ModelError.self) { try LanguageModel(path: path) }
    }

    /// Qwen3-Reranker as Qwen publishes it: a language model, whose files say nothing of scores.
    @Test func aLanguageModelIsAskedWhetherATextFits() throws {
        let path = NSTemporaryDirectory() + "martlet-asked-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let source = URL(filePath: Self.goldens).deletingLastPathComponent().appending(path: "rerankers/asked").path
        try FileManager.default.copyItem(atPath: source, toPath: path)
        for name in ["modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"] {
            try FileManager.default.removeItem(atPath: path + "/" + name)
        }
        #expect { _ = try TextScorer(path: path) } throws: { "\($0)".contains("--yes-no") }
        #expect { _ = try TextScorer(asking: ModelFiles(path: path)) } throws: { "\($0)".contains("lacks yes, no") }
        // The tokens of the question, in place of others.
        let file = URL(filePath: path + "/tokenizer.json")
        var text = try String(contentsOf: file, encoding: .utf8)
        for (old, new) in [("##x", "yes"), ("##z", "no"), ("##q", "<|im_start|>"), ("##w", "<|im_end|>")] {
            #expect(text.contains("\"\(old)\""))
            text = text.replacing("\"\(old)\"", with: "\"\(new)\"")
        }
        try Data(text.utf8).write(to: file)
        // Its words are characters here, more than the context that the model was made with.
        for (name, key) in [("config.json", "max_position_embeddings"), ("tokenizer_config.json", "model_max_length")] {
            let file = URL(filePath: path + "/" + name)
            let text = try String(contentsOf: file, encoding: .utf8)
            try Data(text.replacing("\"\(key)\": 128", with: "\"\(key)\": 512").utf8).write(to: file)
        }
        let files = try ModelFiles(path: path), tokenizer = try files.tokenizer()
        let scorer = try TextScorer(asking: files, instruction: "find cats")
        let found = try scorer.scores("a cat", ["zebra", "the quick brown fox, jumps."])
        let prompt = """
            <|im_start|>system
            Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer \
            can only be "yes" or "no".<|im_end|>
            <|im_start|>user
            <Instruct>: find cats
            <Query>: a cat
            <Document>: zebra<|im_end|>
            <|im_start|>assistant
            <think>

            </think>


            """
        let ids = try tokenizer.encode(segments: [Tokenizer.Segment(prompt, isTrusted: true)])
        #expect(try scorer.tokens("a cat", "zebra").ids == ids)
        let decoder = try files.checkpoint.decoder(), size = decoder.configuration.vocabularySize
        let logits = try decoder(ids).toArray(as: Float.self).suffix(size)
        let yes = try #require(tokenizer.id(of: "yes")), no = try #require(tokenizer.id(of: "no"))
        let margin = logits[logits.startIndex + Int(yes)] - logits[logits.startIndex + Int(no)]
        #expect(found.count == 2 && abs(Double(found[0]) - 1 / (1 + exp(-Double(margin)))) < 0.005)
        #expect(try TextScorer(asking: files).scores("a cat", ["zebra"]) != [found[0]])
    }

    /// sentence-transformers writes a cross-encoder's activation beside `config.json`, which has another or none.
    @Test func theActivationBesideTheConfigurationCounts() throws {
        let path = NSTemporaryDirectory() + "martlet-cross-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try FileManager.default.copyItem(atPath: Self.goldens + "/cross", toPath: path)
        let golden = try Self.json(path + "/expected.json")
        let texts = golden["texts"]?.array?.compactMap(\.string) ?? [], query = golden["query"]?.string ?? ""
        let shares = try TextScorer(path: path).scores(query, texts)
        try Data(#"{"activation_fn": "torch.nn.modules.linear.Identity"}"#.utf8)
            .write(to: URL(filePath: path + "/config_sentence_transformers.json"))
        let logits = try TextScorer(path: path).scores(query, texts)
        for (share, logit) in zip(shares, logits) {
            #expect(abs(1 / (1 + exp(-Double(logit))) - Double(share)) < 1e-6)
        }
        #expect(logits != shares && logits.count == 6)
    }

    @Test func modelsAreOpenedForWhatTheyAre() throws {
        #expect(try ModelFiles(path: Self.goldens + "/cross").checkpoint.kind == .scores)
        #expect(throws: ModelError.self) { try TextEmbedder(path: Self.goldens + "/cross") }
        #expect(throws: ModelError.self) { try TextScorer(path: Self.goldens + "/bert") }
        let path = try Self.folder("decoder")
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(try ModelFiles(path: path).checkpoint.kind == .embeds)
        #expect { _ = try LanguageModel(path: path) } throws: { "\($0)".contains("martlet embed") }
    }
}

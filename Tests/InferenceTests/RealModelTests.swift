import MartletInference
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Real quantised checkpoints against transformers in float32 (Goldens/make_reference.py).
@Suite(.serialized, .enabled(if: RealModels.folder != nil, Comment(rawValue: RealModels.skipped)))
struct RealModelTests {
    @Test(arguments: ["smollm2", "gemma3"]) func exactGreedyRepliesAreThoseOfTransformers(_ name: String) async throws {
        let model = try LanguageModel(path: RealModels.path(name), precision: .exact)
        let cases = try ReferenceCase.all(name)
        #expect(cases.count == 5)
        for item in cases {
            #expect(try model.tokenizer.encode(item.text) == item.prompt, "\(item.topic)")
            var options = GenerationOptions()
            options.sampling = .greedy
            options.maximumTokens = 24  // the rest of a reply is compared in one pass below
            options.ignoresEndOfSequence = true
            var reply: [Int32] = []
            for try await element in model.generate(options, prompt: { item.prompt }) {
                if let token = element.token { reply.append(token) }
            }
            #expect(reply == Array(item.reply.prefix(24)), "\(item.topic), least gap \(item.gap.min() ?? 0)")
        }
    }

    /// Rounding moves the difference of two logits with the root mean square √2 · e, where e is that of the logits
    /// themselves (a shift of all of them means nothing, so it is taken out). The prompts tell e; in the replies the fast
    /// path may choose another token only where the exact logits of the two lie within three times √2 · e.
    @Test(arguments: [("smollm2", 0.004), ("gemma3", 0.012)])
    func fastChoosesOtherwiseOnlyInNearTies(_ name: String, _ stated: Double) throws {
        let files = try ModelFiles(path: RealModels.path(name))
        let exact = try files.decoder(), fast = try files.decoder()
        try exact.prepare(.exact)
        try fast.prepare(.fast)
        func logits(_ decoder: Decoder, _ precision: Precision, _ tokens: [Int32]) throws -> LogitRows {
            let cache = KVCache(decoder.configuration, precision: precision)
            let sequence = DecoderSequence(rows: 0..<tokens.count, cache: cache)
            return try LogitRows(decoder.logits(decoder.hiddenStates(tokens, [sequence])))
        }
        let cases = try ReferenceCase.all(name)
        let passes = try cases.map { item in
            let tokens = item.prompt + item.reply.dropLast()
            return (item: item, exact: try logits(exact, .exact, tokens), fast: try logits(fast, .fast, tokens))
        }
        let variances = passes.flatMap { pass in
            (0..<(pass.item.prompt.count - 1)).map { Self.variance(of: pass.exact[$0], minus: pass.fast[$0]) }
        }
        let error = (variances.reduce(0, +) / Double(variances.count)).squareRoot()
        #expect(error < stated, "the root mean square error of a logit over the prompts")
        var gaps: [Double] = []
        for (item, exact, fast) in passes {
            for (step, token) in item.reply.enumerated() {
                let row = item.prompt.count - 1 + step
                #expect(exact.best(row) == Int(token), "\(item.topic), step \(step)")
                let choice = fast.best(row)
                guard choice != Int(token) else { continue }
                gaps.append(Double(exact[row][Int(token)] - exact[row][choice]))
                #expect(gaps.last ?? 0 < 3 * 2.0.squareRoot() * error, "\(item.topic), step \(step)")
            }
        }
        print(
            "\(name): error of a logit \(error), of the worst row \((variances.max() ?? 0).squareRoot());",
            terminator: " ")
        print("other choices at gaps \(gaps)")
        #expect(gaps.count <= 8, "of \(cases.map(\.reply.count).reduce(0, +)) choices")
    }

    /// The mean square of a − b around its mean.
    private static func variance(of a: [Float], minus b: [Float]) -> Double {
        var sum = 0.0, squares = 0.0
        for i in a.indices {
            let difference = Double(a[i] - b[i])
            sum += difference
            squares += difference * difference
        }
        let mean = sum / Double(a.count)
        return squares / Double(a.count) - mean * mean
    }
}

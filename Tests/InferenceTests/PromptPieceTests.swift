import MartletInference
import Testing
import TinyModels

/// Pieces of prompts follow the time that steps take, and no reply changes by them.
struct PromptPieceTests {
    private func rows(_ piece: inout PromptPiece, _ steps: Int, base: Duration, perRow: Duration) -> [Int] {
        (0..<steps).map { _ in
            let rows = piece.rows
            piece.note(rows: rows, added: base + perRow * rows)
            return rows
        }
    }

    @Test func piecesShrinkWhereStepsAreSlowAndGrowAgain() {
        var piece = PromptPiece(allowed: .milliseconds(50), most: 256)
        // Fast: twice as many each time, up to the most.
        #expect(rows(&piece, 4, base: .zero, perRow: .microseconds(50)) == [64, 128, 256, 256])
        // Slow: what fits into the time at once.
        #expect(rows(&piece, 3, base: .zero, perRow: .milliseconds(1)) == [256, 48, 48])
        // Slower than that: never less than the kernels compute at once.
        #expect(rows(&piece, 3, base: .zero, perRow: .milliseconds(9)) == [48, 16, 16])
        #expect(rows(&piece, 6, base: .zero, perRow: .microseconds(50)) == [16, 32, 64, 128, 256, 256])
        // What a step takes besides its rows counts, too.
        let last = rows(&piece, 40, base: .milliseconds(20), perRow: .microseconds(500)).last
        #expect(last == 48 || last == 64)
        // A step that took no longer than one without a prompt.
        piece.note(rows: 48, added: .milliseconds(-3))
        #expect(piece.rows == 96 || piece.rows == 128)
        piece.note(rows: 0, added: .seconds(3))
        #expect(piece.rows == 96 || piece.rows == 128)
    }

    @Test func theMostIsKept() {
        #expect(PromptPiece(allowed: .milliseconds(50), most: 32).rows == 32)
        #expect(PromptPiece(allowed: .milliseconds(50), most: 4).rows == 16)
    }

    @Test func everyClientThatWaitsHasItsTime() {
        let piece = PromptPiece(allowed: .milliseconds(50), most: 256)
        #expect(piece.rows(for: 0) == 64 && piece.rows(for: 1) == 64)
        #expect(piece.rows(for: 3) == 192 && piece.rows(for: 15) == 256 && piece.rows(for: .max) == 256)
    }

    /// The rows of prompts in the first step beside a reply, of eight prompts that come together.
    private func firstRows(identifier: (Int) -> String) throws -> Int {
        var options = EngineOptions()
        options.promptTime = .zero
        options.keepsPrefixes = false
        let generator = try Generator(LanguageModel.tiny(), options)
        var first = EngineRequest.numbered(1, length: 12, maximum: 40, sampled: false)
        first.options.ignoresEndOfSequence = true
        try generator.submit(first) { _ in }
        for _ in 0..<3 { generator.step() }
        for index in 0..<8 {
            var request = EngineRequest.numbered(index + 2, length: 100, maximum: 1, sampled: false)
            request.identifier = identifier(index)
            try generator.submit(request) { _ in }
        }
        let before = generator.statistics.promptTokens
        generator.step()
        return generator.statistics.promptTokens - before
    }

    @Test func promptsOfOneClientCountOnce() throws {
        #expect(try firstRows { "client \($0)" } == 128)
        #expect(try firstRows { _ in "" } == 128)
        #expect(try firstRows { _ in "one" } == 16)
    }

    /// Rows of a long prompt in each step, beside a reply or alone, and the reply to it.
    private func steps(_ time: Duration, besideReply: Bool) throws -> (rows: [Int], tokens: [Int32]) {
        var options = EngineOptions()
        options.promptTime = time
        options.keepsPrefixes = false
        let generator = try Generator(LanguageModel.tiny(), options)
        var isDone = false
        if besideReply {
            var first = EngineRequest.numbered(1, length: 12, maximum: 200, sampled: false)
            first.options.ignoresEndOfSequence = true
            try generator.submit(first, isCancelled: { isDone }) { _ in }
            for _ in 0..<3 { generator.step() }
        }
        var rows: [Int] = [], tokens: [Int32] = []
        let long = EngineRequest.numbered(2, length: 200, maximum: 20, sampled: true)
        try generator.submit(long) { output in
            switch output {
            case .events(let events):
                for case .token(_, let piece) in events { tokens += piece.token.map { [$0] } ?? [] }
            case .finished, .failed: isDone = true
            }
        }
        while !isDone {
            let before = generator.statistics.promptTokens
            generator.step()
            if generator.statistics.promptTokens > before { rows.append(generator.statistics.promptTokens - before) }
        }
        return (rows, tokens)
    }

    @Test func piecesChangeNoReply() throws {
        let alone = try steps(.zero, besideReply: false)
        // Nobody waits for the end of its steps.
        #expect(alone.rows == [200])
        let small = try steps(.zero, besideReply: true), large = try steps(.seconds(600), besideReply: true)
        #expect(small.rows == [Int](repeating: 16, count: 12) + [8])
        #expect(large.rows == [128, 72] || large.rows == [64, 128, 8], "\(large.rows)")
        #expect(alone.tokens.count == 20 && small.tokens == alone.tokens && large.tokens == alone.tokens)
    }
}

import Foundation
import MartletInference
import MartletModels
import MartletNN
import MartletTensor

/// How far the fast path (16-bit activations, float16 cache) is from the exact one (float32) on running text.
///
///     divergence MODEL TEXT [TOKENS] [WINDOW] [EXACT]
///
/// EXACT names parts, as `lm_head,down_proj`, that the fast path computes exactly too: what they leave is the others'.
/// The first TOKENS of TEXT are cut into windows, each computed from an empty cache with the model's first token before
/// it where its tokenizer adds one. Prints one JSON line.
@main struct Divergence {
    let exact, fast: Decoder
    /// What the tokenizer puts before a text: at most one token.
    let prefix: [Int32]
    let tokens: [Int32]
    /// Tokens computed at once: 128 rows of two times 262,144 logits are 256 MB.
    let chunk = 128
    var seconds = (exact: 0.0, fast: 0.0)

    static func main() throws {
        let arguments = CommandLine.arguments
        let counts = arguments.dropFirst(3).prefix(2).map { Int($0) ?? 0 }
        guard 3...6 ~= arguments.count, counts.allSatisfy({ $0 >= 2 }) else {
            print("usage: divergence MODEL TEXT [TOKENS] [WINDOW] [EXACT]")
            exit(2)
        }
        let window = counts.count > 1 ? counts[1] : 512
        let parts = arguments.dropFirst(5).first?.split(separator: ",").map(String.init) ?? []
        var measured = try Divergence(
            model: arguments[1], text: arguments[2], limit: counts.first ?? 8192, exactParts: parts)
        let positions = try measured.positions(window: window)
        print(measured.summary(of: positions, model: arguments[1], window: window))
    }

    init(model: String, text: String, limit: Int, exactParts: [String]) throws {
        let files = try ModelFiles(path: model)
        let tokenizer = try files.tokenizer()
        prefix = Array(try tokenizer.encode("").prefix(1))
        // Six characters a token is more than any of these tokenizers reaches on prose.
        let text = try String(contentsOfFile: text, encoding: .utf8).prefix(limit * 6)
        tokens = Array(try tokenizer.encode(String(text)).dropFirst(prefix.count).prefix(limit))
        (exact, fast) = (try files.decoder(), try files.decoder())
        try exact.prepare(.exact)
        for linear in fast.tree.linears {
            try linear.prepare(exactParts.contains { linear.path.contains($0) } ? .exact : .fast)
        }
    }

    mutating func positions(window: Int) throws -> [Position] {
        var positions: [Position] = []
        var rest = tokens[...]
        while rest.count >= 2 {
            let part = prefix + rest.prefix(window)
            rest = rest.dropFirst(window)
            let exactCache = KVCache(exact.configuration, precision: .exact)
            let fastCache = KVCache(fast.configuration, precision: .fast)
            for start in stride(from: 0, to: part.count - 1, by: chunk) {
                let inputs = Array(part[start..<min(start + chunk, part.count - 1)])
                let x = try Self.logits(exact, exactCache, inputs, &seconds.exact)
                let y = try Self.logits(fast, fastCache, inputs, &seconds.fast)
                let width = x.count / inputs.count
                for row in inputs.indices {
                    // The prefix predicts the first token of a window from nothing: that says nothing.
                    if start + row < prefix.count { continue }
                    let range = row * width..<(row + 1) * width
                    positions.append(Position(exact: x[range], fast: y[range], next: Int(part[start + row + 1])))
                }
            }
        }
        return positions
    }

    /// The logits of `inputs` after what `cache` holds, `[inputs][vocabulary]`; adds the time they took.
    static func logits(
        _ decoder: Decoder, _ cache: KVCache, _ inputs: [Int32], _ seconds: inout Double
    ) throws -> [Float] {
        let clock = ContinuousClock(), begin = clock.now
        let hidden = try decoder.hiddenStates(inputs, [DecoderSequence(rows: 0..<inputs.count, cache: cache)])
        let logits = try decoder.logits(hidden)
        seconds += (clock.now - begin) / .seconds(1)
        return try logits.toArray()
    }

    func summary(of positions: [Position], model: String, window: Int) -> String {
        let sorted = positions.map(\.divergence).sorted()
        func figure(_ value: Double) -> String { String(format: "%.6g", value) }
        func mean(_ value: (Position) -> Double) -> Double {
            positions.reduce(0) { $0 + value($1) } / Double(positions.count)
        }
        func quantile(_ share: Double) -> Double {
            sorted.isEmpty ? .nan : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
        }
        return """
            {"model":"\(URL(filePath: model).lastPathComponent)","positions":\(positions.count),"window":\(window),\
            "kl_mean":\(figure(mean(\.divergence))),"kl_median":\(figure(quantile(0.5))),\
            "kl_99":\(figure(quantile(0.99))),"kl_max":\(figure(quantile(1))),\
            "top1_agreement":\(figure(mean { $0.sameChoice ? 1 : 0 })),\
            "perplexity_exact":\(figure(exp(mean(\.exactLoss)))),"perplexity_fast":\(figure(exp(mean(\.fastLoss)))),\
            "seconds_exact":\(figure(seconds.exact)),"seconds_fast":\(figure(seconds.fast))}
            """
    }
}

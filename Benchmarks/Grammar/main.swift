import Foundation
import MartletGrammar
import MartletInference
import MartletJSON

// What grammars cost with a real vocabulary.
// Usage: grammar-benchmark MODEL                    JSON lines: compiling, the first mask, masks of one text twice
//        grammar-benchmark MODEL walks CASES COUNT  random texts that the masks of the schemas in CASES let through,
//                                                   for check_walks.py
guard CommandLine.arguments.count >= 2 else {
    print("usage: grammar-benchmark MODEL [walks CASES COUNT]")
    exit(2)
}
let files = try ModelFiles(path: CommandLine.arguments[1])
let tokenizer = try files.tokenizer()
let clock = ContinuousClock()

func milliseconds(_ body: () throws -> Void) rethrows -> Double {
    let duration = try clock.measure(body)
    return Double(duration.components.seconds) * 1e3 + Double(duration.components.attoseconds) * 1e-15
}

func rounded(_ value: Double) -> JSON { .number((value * 1000).rounded() / 1000) }

var tree: TokenTree?
let building = milliseconds { tree = TokenTree(tokenizer, endTokens: tokenizer.eosTokens) }
guard let tree else { exit(1) }

if CommandLine.arguments.count >= 5, CommandLine.arguments[2] == "walks" {
    try printWalks(CommandLine.arguments[3], Int(CommandLine.arguments[4]) ?? 10, tree, tokenizer)
    exit(0)
}

print(JSON.object(["tree_ms": rounded(building), "tokens": .integer(Int64(tree.vocabularySize))]).text())
for (name, source, sample) in samples {
    var compiled: CompiledGrammar?
    let compiling = try milliseconds { compiled = try GrammarCompiler(tree).compile(source) }
    guard let compiled else { exit(1) }
    let tokens = try tokenizer.encode(sample, addSpecialTokens: false)
    var first = 0.0
    var passes: [[Double]] = []
    for pass in 0..<6 {
        var matcher = compiled.makeMatcher()
        var masks: [Double] = []
        for (index, token) in tokens.enumerated() {
            let time = try milliseconds { _ = try matcher.allowedTokens() } * 1000
            if pass == 0, index == 0 { first = time / 1000 }
            masks.append(time + (try milliseconds { try matcher.accept(token) }) * 1000)
        }
        _ = try matcher.allowedTokens()
        passes.append(masks)
    }
    let cold = passes[0].reduce(0, +) / Double(tokens.count)
    let warm = (passes.dropFirst().map { $0.reduce(0, +) }.min() ?? 0) / Double(tokens.count)
    let worst = passes[5].max() ?? 0
    print(
        JSON.object([
            "grammar": .string(name), "compile_ms": rounded(compiling), "first_mask_ms": rounded(first),
            "tokens": .integer(Int64(tokens.count)), "new_step_us": rounded(cold), "known_step_us": rounded(warm),
            "slowest_known_step_us": rounded(worst),
        ]).text())
}

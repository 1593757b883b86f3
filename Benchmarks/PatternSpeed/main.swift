import Foundation
import MartletPatterns

// Speed of cutting a text at regular expressions, one thread, against the standard library's engine.
// Usage: pattern-speed TEXT [REPEATS]. Prints JSON lines; `equal` compares the cuts on the first 100 kB.
guard CommandLine.arguments.count >= 2 else {
    print("usage: pattern-speed TEXT [REPEATS]")
    exit(2)
}
let data = try Data(contentsOf: URL(fileURLWithPath: CommandLine.arguments[1]))
let text = Array(String(decoding: data, as: UTF8.self).utf8)
let repeats = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2]) ?? 3 : 3
let clock = ContinuousClock()

func speed(_ bytes: Int, _ body: () throws -> Void) rethrows -> Double {
    var best = Duration.seconds(1_000)
    for _ in 0..<repeats { best = min(best, try clock.measure(body)) }
    return Double(bytes) / (Double(best.components.seconds) + Double(best.components.attoseconds) * 1e-18) / 1e6
}

let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
let short = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
let ends = #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
let patterns = [
    ("gpt2", #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#),
    ("cl100k", short + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"# + ends),
    (
        "o200k",
        #"[^\r\n\p{L}\p{N}]?"# + upper + "*" + lower + "+" + short + #"?|[^\r\n\p{L}\p{N}]?"# + upper + "+" + lower
            + "*"
            + short + #"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*"# + ends
    ),
    (
        "deepseek-v3 words",
        #"[!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"# + ends
    ),
    ("deepseek-llm letters", #"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-Ჿ]+"#),
]
for (name, expression) in patterns {
    let compiling = try clock.measure { _ = try RegularExpression(expression, .oniguruma) }
    let ours = try RegularExpression(expression, .oniguruma)
    var matches = 0
    var steps = 0
    let fast = text.withUnsafeBufferPointer { bytes in
        speed(bytes.count) {
            matches = 0
            steps = ours.forEachMatch(in: bytes) { _ in matches += 1 }
        }
    }
    let sample = text.prefix(100_000)
    let string = String(decoding: sample, as: UTF8.self)
    let regex = try Regex(expression).matchingSemantics(.unicodeScalar)
    var theirs: [Range<Int>] = []
    let slow = speed(sample.count) {
        theirs = string.matches(of: regex).map { match in
            let start = string.utf8.distance(from: string.startIndex, to: match.range.lowerBound)
            return start..<(start + string.utf8.distance(from: match.range.lowerBound, to: match.range.upperBound))
        }
    }
    var mine: [Range<Int>] = []
    Array(string.utf8).withUnsafeBufferPointer { bytes in _ = ours.forEachMatch(in: bytes) { mine.append($0) } }
    print(
        #"{"pattern": "\#(name)", "mb_s": \#(fast), "standard_library_mb_s": \#(slow), "matches": \#(matches), "#
            + #""steps_per_byte": \#(Double(steps) / Double(text.count)), "compile": "\#(compiling)", "equal": \#(mine == theirs)}"#
    )
}

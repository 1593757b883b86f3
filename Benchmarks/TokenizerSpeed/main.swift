import Foundation
import MartletJSON
import MartletTokenizers

// Encoding and decoding speed of GPT-2's tokenizer on a text, one thread.
// Usage: tokenizer-speed TEXT VOCAB_JSON MERGES_TXT [REPEATS]. Prints JSON lines.
let arguments = CommandLine.arguments
guard arguments.count >= 4 else {
    print("usage: tokenizer-speed TEXT VOCAB_JSON MERGES_TXT [REPEATS]")
    exit(2)
}
let data = try Data(contentsOf: URL(fileURLWithPath: arguments[1]))
let clock = ContinuousClock()

func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
}

var built: Tokenizer?
let loading = try clock.measure {
    let vocabulary = try JSON(parsing: Data(contentsOf: URL(fileURLWithPath: arguments[2])))
    let merges = try String(contentsOfFile: arguments[3], encoding: .utf8)
    built = try Tokenizer(vocabulary: vocabulary, merges: merges)
}
guard let tokenizer = built else { exit(1) }
let text = String(decoding: data, as: UTF8.self)
for _ in 0..<(arguments.count > 4 ? Int(arguments[4]) ?? 3 : 3) {
    var ids: [Int32] = []
    let encoding = seconds(try clock.measure { ids = try tokenizer.encode(text) })
    var decoded: [UInt8] = []
    let decoding = seconds(try clock.measure { decoded = try tokenizer.decodeBytes(ids) })
    let line: JSON = [
        "program": "martlet", "mb": .number(Double(data.count) / 1e6), "tokens": .integer(Int64(ids.count)),
        "load_s": .number(seconds(loading)), "encode_mb_s": .number(Double(data.count) / encoding / 1e6),
        "decode_mb_s": .number(Double(data.count) / decoding / 1e6),
        // FNV-1a over the ids, to compare with another program's.
        "ids_hash": .string(
            String(ids.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }, radix: 16)),
        "round_trip": .bool(decoded.elementsEqual(text.utf8)),
    ]
    print(line.text())
}

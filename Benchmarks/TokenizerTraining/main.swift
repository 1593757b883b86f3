import Foundation
import MartletJSON
import MartletTokenizers

// Training of a tokenizer on a text, line by line as the tokenizers library reads files.
// Usage: tokenizer-training TEXT VOCABULARY_SIZE [bpe|unigram] [THREADS] [OUT.json]. Prints a JSON line; train.py
// prints the peer's.
let arguments = CommandLine.arguments
guard arguments.count >= 3, let size = Int(arguments[2]) else {
    print("usage: tokenizer-training TEXT VOCABULARY_SIZE [bpe|unigram] [THREADS] [OUT.json]")
    exit(2)
}
let threads = arguments.count > 4 ? Int(arguments[4]) ?? 2 : 2
let stages = StageClock()
let clock = ContinuousClock()
let start = clock.now
let trained: TrainedTokenizer
if arguments.count > 3, arguments[3] == "unigram" {
    // The settings that the peer can have, too.
    var trainer = UnigramTrainer(vocabularySize: size)
    trainer.beginsWithBlank = true
    trainer.hasByteFallback = false
    trainer.coverage = 1
    trainer.threads = threads
    trainer.observer = { stages.note($0.stage) }
    trained = try trainer.train(files: [arguments[1]])
} else {
    var trainer = BytePairTrainer(vocabularySize: size, specialTokens: ["<|endoftext|>"])
    trainer.unit = .line
    trainer.threads = threads
    trainer.observer = { stages.note($0.stage) }
    trained = try trainer.train(files: [arguments[1]])
}
let seconds = (clock.now - start) / .seconds(1)
if arguments.count > 5 { try Data(trained.json.bytes()).write(to: URL(fileURLWithPath: arguments[5])) }
func byteCount(of path: String) -> Double {
    var status = stat()
    return stat(path, &status) == 0 ? Double(status.st_size) : 0
}
var usage = rusage()
getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
// FNV-1a over the merges, to compare with another program's.
var hash: UInt64 = 0xCBF2_9CE4_8422_2325
for merge in trained.merges {
    for byte in "\(merge.left) \(merge.right)\n".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
}
let line: JSON = [
    "program": "martlet", "seconds": .number(seconds), "mb_s": .number(byteCount(of: arguments[1]) / 1e6 / seconds),
    "counting_s": .number(stages.counting(since: start)),
    "merges": .integer(Int64(trained.merges.count)), "merges_hash": .string(String(hash, radix: 16)),
    "peak_mb": .number(Double(usage.ru_maxrss) / 1000),
]
print(line.text())

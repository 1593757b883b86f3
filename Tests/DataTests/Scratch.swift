import Foundation
import MartletData
import TinyModels

/// The error `body` throws, or nil when it throws none.
func failure(_ body: () throws(DataError) -> Void) -> DataError? {
    do throws(DataError) {
        try body()
        return nil
    } catch {
        return error
    }
}

/// SplitMix64: the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

let smallVocabulary = VocabularyIdentity(size: 1000, hash: 7)

/// A shard in memory whose tokens are all different: token n is n.
func counting(_ lengths: [Int], isTrained: [[Bool]]? = nil, name: String = "counting") throws -> TokenShard {
    var next: Int32 = 0
    let documents = lengths.map { length in
        (0..<length).map { _ -> Int32 in
            defer { next += 1 }
            return next
        }
    }
    return try TokenShard(
        name: name, documents: documents, isTrained: isTrained,
        vocabulary: VocabularyIdentity(size: 1 << 20, hash: 1))
}

func random(_ lengths: some Sequence<Int>, seed: UInt64 = 1) throws -> TokenShard {
    var generator = SeededGenerator(seed: seed)
    return try TokenShard(
        name: "random \(seed)",
        documents: lengths.map { length in
            (0..<length).map { _ in Int32.random(in: 0..<1000, using: &generator) }
        }, vocabulary: smallVocabulary)
}

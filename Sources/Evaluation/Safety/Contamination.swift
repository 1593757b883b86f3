#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletInference
import MartletJSON

/// Whether a model has seen a text before.
public enum Contamination {
    /// Texts of a test that share an n-gram of words with a corpus, as GPT-3's report counts them (13 words, in lower case,
    /// without marks; texts shorter than n by all of their words).
    ///
    /// Source: Brown et al. 2020, appendix C.
    public struct Overlap {
        private let size: Int
        private var grams: [[String]: [Int]] = [:]
        private let count: Int
        public private(set) var found: Set<Int> = []

        public init(tests: [String], size: Int = 13) {
            self.size = max(size, 1)
            count = tests.count
            for (index, test) in tests.enumerated() {
                let words = Self.words(test), length = min(self.size, words.count)
                guard length > 0 else { continue }
                for start in 0...(words.count - length) {
                    grams[Array(words[start..<start + length]), default: []].append(index)
                }
            }
        }

        /// Looks for the tests in one document of a corpus.
        public mutating func add(_ document: String) {
            let words = Self.words(document)
            for length in Set(grams.keys.map(\.count)) where words.count >= length {
                for start in 0...(words.count - length) {
                    if let tests = grams[Array(words[start..<start + length])] { found.formUnion(tests) }
                }
            }
        }

        public var share: Double { count == 0 ? 0 : Double(found.count) / Double(count) }

        private static func words(_ text: String) -> [String] {
            text.lowercased().unicodeScalars.split { !$0.properties.isAlphabetic && !("0"..."9").contains($0) }
                .map { String(String.UnicodeScalarView($0)) }
        }
    }

    /// What a model says of a text: its loss, and the mean of the log-probabilities of its k % least probable tokens, which is
    /// higher for texts it was trained on.
    ///
    /// Source: Yeom et al. 2018 (loss); Shi et al. 2024 (min-k %).
    public struct Membership: Sendable, Equatable {
        public var loss: Double
        public var minK: Double
        public var tokens: Int

        public init(_ logProbabilities: [Double], share: Double = 0.2) {
            tokens = logProbabilities.count
            let count = Double(max(tokens, 1))
            loss = -logProbabilities.reduce(0, +) / count
            let least = logProbabilities.sorted().prefix(max(1, Int(clamping: (share * count).rounded())))
            minK = least.reduce(0, +) / Double(max(least.count, 1))
        }
    }

    /// Of each text.
    public static func membership(
        _ model: LanguageModel, _ texts: [String], share: Double = 0.2, isCancelled: () -> Bool = { false },
        progress: (Int) -> Void = { _ in }
    ) throws -> [Membership] {
        let scorer = Scorer(model)
        return try texts.enumerated().map { index, text in
            defer { progress(index + 1) }
            let tokens = try model.tokenizer.encode(text, addSpecialTokens: false)
            return Membership(try scorer.rolling(tokens, isCancelled: isCancelled), share: share)
        }
    }

    /// How well a number tells members from others: the chance that a member's is larger, ties half (the area under the
    /// ROC curve).
    public static func area(members: [Double], others: [Double]) -> Double {
        guard !members.isEmpty, !others.isEmpty else { return .nan }
        // By ranks: (R − n (n + 1) / 2) / (n m).
        let all = (members.map { ($0, true) } + others.map { ($0, false) }).sorted { $0.0 < $1.0 }
        var ranks = 0.0, start = 0
        while start < all.count {
            var end = start
            while end < all.count, all[end].0 == all[start].0 { end += 1 }
            let rank = Double(start + 1 + end) / 2
            ranks += rank * Double(all[start..<end].count { $0.1 })
            start = end
        }
        let n = Double(members.count)
        return (ranks - n * (n + 1) / 2) / (n * Double(others.count))
    }
}

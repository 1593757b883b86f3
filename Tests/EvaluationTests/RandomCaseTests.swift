import MartletJSON
import MartletTraining
import Testing

import MartletEvaluation

/// 1,000 random cases each against sacrebleu, rouge_score, scikit-learn and math-verify: Goldens/make_random.py draws the
/// same ones.
struct RandomCaseTests {
    /// The draws of `make_random.py`, in its order.
    private struct Draw {
        var random = PythonRandom(seed: 17)
        let words: [String]

        mutating func below(_ limit: Int) -> Int { Int(random.random() * Double(limit)) }

        mutating func sentence(_ low: Int, _ high: Int) -> [String] {
            let count = low + below(high - low + 1)
            return (0..<count).map { _ in words[below(words.count)] }
        }

        mutating func pair() -> (reference: String, reply: String) {
            let reference = sentence(1, 24)
            var reply = reference
            if random.random() < 0.15 {
                reply = sentence(0, 24)
            } else {
                for _ in 0..<below(5) { change(&reply) }
            }
            return (reference.joined(separator: " "), reply.joined(separator: " "))
        }

        private mutating func change(_ reply: inout [String]) {
            let kind = below(4), place = below(max(reply.count, 1))
            switch kind {
            case 0 where !reply.isEmpty: reply[place] = words[below(words.count)]
            case 1 where !reply.isEmpty: reply.remove(at: place)
            case 2: reply.insert(words[below(words.count)], at: min(place, reply.count))
            default:
                guard kind == 3, !reply.isEmpty else { return }
                let length = 1 + below(4), end = min(place + length, reply.count)
                let phrase = Array(reply[place..<end])
                reply.removeSubrange(place..<end)
                reply.insert(contentsOf: phrase, at: below(reply.count + 1))
            }
        }

        mutating func labels() -> [(gold: Int, predicted: Int)] {
            let size = 2 + below(20), classes = 2 + below(3)
            let gold = (0..<size).map { _ in below(classes) }
            return gold.map { ($0, random.random() < 0.5 ? $0 : below(classes)) }
        }

        mutating func number() -> String {
            let kind = below(7), a = 1 + below(30), b = 1 + below(12)
            return [
                "\(a)", "-\(a)", "\\frac{\(a)}{\(b)}", "\(a)/\(b)", "\\sqrt{\(a)}", "\(a).5", "\(a)\\pi",
            ][kind]
        }

        mutating func variant(_ text: String) -> String {
            switch below(6) {
            case 0, 1: text
            case 2: text.contains("\\frac") ? "\\d" + text.dropFirst() : text
            case 3: "\(text) + 0"
            case 4: "2 \\cdot \(text)"
            default: number()
            }
        }
    }

    @Test func metricsOfRandomCasesAreThoseOfTheirPackages() throws {
        let golden = Goldens.read("random_cases.json")
        var draw = Draw(words: golden["words"]?.array?.compactMap(\.string) ?? [])
        let texts = try #require(golden["texts"]?.array)
        try #require(texts.count == 1000)
        for (index, expected) in texts.enumerated() {
            let (reference, reply) = draw.pair()
            let pair = [(reply: reply, references: [reference])]
            let found = [
                BLEU.corpus(pair), CharacterF.corpus(pair), CharacterF.corpus(pair, words: 2),
                TranslationEdits.corpus(pair), ROUGE.n(1, reference: reference, reply: reply),
                ROUGE.n(2, reference: reference, reply: reply), ROUGE.longest(reference: reference, reply: reply),
            ]
            for (kind, value) in found.enumerated() {
                #expect(
                    isNear(value, expected.array?[kind].double ?? .nan),
                    "case \(index), metric \(kind): \(value), \(expected.text()): \(reference) | \(reply)")
            }
        }
        for (index, expected) in (golden["labels"]?.array ?? []).enumerated() {
            let values = draw.labels().map { MetricValue.labels(gold: $0.gold, predicted: $0.predicted) }
            let found = [Aggregation.f1.value(values), Aggregation.matthews.value(values)]
            for (kind, value) in found.enumerated() {
                #expect(isNear(value, expected.array?[kind].double ?? .nan), "labels \(index) \(kind)")
            }
        }
        for (index, verdict) in (golden["sums"]?.string ?? "").enumerated() {
            let gold = draw.number(), reply = draw.variant(gold)
            let isRight = MathAnswer("\\boxed{\(gold)}").isGiven(in: "\\boxed{\(reply)}")
            #expect(isRight == (verdict == "1"), "sums \(index): \(gold) | \(reply)")
        }
    }
}

import MartletJSON
import Testing

import MartletEvaluation

struct MetricTests {
    @Test func drawsAreThoseOfPython() throws {
        let golden = try #require(Goldens.harness["draws"])
        var random = PythonRandom(seed: 1234)
        for value in golden["random"]?.array ?? [] { #expect(random.random() == value.double) }
        let sizes = [(10, 3), (100, 5), (30, 6), (7000, 8), (85, 21), (86, 21), (3, 3)]
        for (size, expected) in zip(sizes, golden["samples"]?.array ?? []) {
            #expect(random.sample(size.0, size.1) == expected.array?.compactMap(\.integer))
        }
        var big = PythonRandom(seed: (1 << 40) + 7)
        #expect(big.random() == golden["big"]?.array?.first?.double)
        var choices = [Int32](repeating: 0, count: 9), third = PythonRandom(seed: 3)
        third.choices(9, into: &choices)
        #expect(choices.map { Int($0) } == golden["choices"]?.array?.compactMap(\.integer))
    }

    @Test func metricsOfTextsAreThoseOfTheirPackages() throws {
        let golden = try #require(Goldens.harness["texts"])
        let pairs = try #require(golden["pairs"]?.array).map { ($0.array?[0].string ?? "", $0.array?[1].string ?? "") }
        for ((reference, reply), expected) in zip(pairs, golden["single"]?.array ?? []) {
            let pair = [(reply: reply, references: [reference])]
            let found = [
                BLEU.corpus(pair), CharacterF.corpus(pair), CharacterF.corpus(pair, words: 2),
                ROUGE.n(1, reference: reference, reply: reply), ROUGE.n(2, reference: reference, reply: reply),
                ROUGE.longest(reference: reference, reply: reply),
            ]
            for (index, value) in found.enumerated() {
                #expect(isNear(value, expected.array?[index].double ?? .nan), "\(index): \(reference) | \(reply)")
            }
        }
        let values = pairs.map { MetricValue.texts(references: [$0.0], reply: $0.1) }
        for (aggregation, key) in [(Aggregation.bleu, "bleu"), (.chrf, "chrf"), (.chrfWords, "chrf++")] {
            #expect(isNear(aggregation.value(values), golden[key]?.double ?? .nan))
        }
        for (aggregation, key) in [(Aggregation.bleu, "bleu_stderr"), (.chrf, "chrf_stderr")] {
            let error = aggregation.standardError(values, iterations: 100_000) ?? .nan
            #expect(isNear(error, golden[key]?.double ?? .nan))
        }
    }

    @Test func statisticsAndTheirErrorsAreThoseOfTheHarness() throws {
        for golden in Goldens.harness["statistics"]?["cases"]?.array ?? [] {
            func numbers(_ key: String) -> [MetricValue] {
                (golden[key]?.array ?? []).map { .number($0.double ?? .nan) }
            }
            func pairs(_ key: String) -> [MetricValue] {
                (golden[key]?.array ?? []).map {
                    .labels(gold: $0.array?[0].integer ?? 0, predicted: $0.array?[1].integer ?? 0)
                }
            }
            let weights = (golden["weights"]?.array ?? []).map {
                MetricValue.weighted($0.array?[0].double ?? .nan, $0.array?[1].double ?? .nan)
            }
            let cases: [(Aggregation, [MetricValue], String)] = [
                (.mean, numbers("hits"), "mean"), (.median, numbers("logs"), "median"),
                (.perplexity, numbers("logs"), "perplexity"), (.f1, pairs("labels"), "f1"),
                (.matthews, pairs("classes"), "mcc"),
            ]
            for (aggregation, values, key) in cases {
                let expected = try #require(golden[key]?.array)
                #expect(isNear(aggregation.value(values), expected[0].double ?? .nan), "\(key)")
                let error =
                    aggregation.standardError(values, iterations: key == "f1" || key == "mcc" ? 200 : 2000) ?? .nan
                #expect(isNear(error, expected[1].double ?? .nan), "\(key) of \(values.count)")
            }
            #expect(
                isNear(Aggregation.weightedPerplexity.value(weights), golden["weighted_perplexity"]?.double ?? .nan))
            #expect(isNear(Aggregation.bitsPerByte.value(weights), golden["bits_per_byte"]?.double ?? .nan))
        }
    }

    @Test func exactMatchIgnoresWhatItIsTold() throws {
        for golden in Goldens.harness["matches"]?.array ?? [] {
            let parts = try #require(golden.array)
            var entry = parts[2].object ?? [:]
            entry["metric"] = "exact_match"
            let metric = try TaskMetric.list([.object(entry)], .generate, task: "t")[0]
            let isRight = metric.accepts(parts[0].string ?? "", parts[1].string ?? "")
            #expect(isRight == (parts[3].double == 1), "\(golden.text())")
        }
    }

    @Test func filtersAreThoseOfTheHarness() throws {
        for golden in Goldens.harness["filters"]?.array ?? [] {
            let parts = try #require(golden.array)
            let steps = (parts[2].array ?? []).map { step -> JSON in
                var object = step.array?[1].object ?? [:]
                object["function"] = step.array?[0] ?? ""
                return .object(object)
            }
            let pipeline = try FilterPipeline.list([["name": "x", "filter": .array(steps)]], task: "t")[0]
            let found = try pipeline.apply(
                (parts[0].array ?? []).compactMap(\.string), row: parts[1].object ?? [:], task: "t")
            #expect(found == parts[3], "\(golden.text()): \(found.text())")
        }
    }

    @Test func triesThatSucceed() {
        #expect(TaskMetric.passAtK(count: 5, right: 0, k: 2) == 0)
        #expect(TaskMetric.passAtK(count: 5, right: 4, k: 2) == 1)
        #expect(isNear(TaskMetric.passAtK(count: 10, right: 3, k: 1), 0.3, 1e-12))
        // 1 − C(7, 5) / C(10, 5) = 1 − 21 / 252.
        #expect(isNear(TaskMetric.passAtK(count: 10, right: 3, k: 5), 1 - 21.0 / 252, 1e-12))
    }
}

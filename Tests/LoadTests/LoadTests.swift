import MartletJSON
import MartletTensor
import Testing

import MartletLoad

struct LoadTests {
    @Test func eventsComeWholeHoweverTheBytesAreCut() {
        let stream = Array(
            "data: {\"a\": 1}\r\n\r\n: ping\n\ndata:x\ndata: y\n\nevent: e\nid: 3\n\ndata: [DONE]\n\n".utf8)
        let expected = ["{\"a\": 1}", "x\ny", "[DONE]"]
        for size in 1...stream.count {
            var events = ServerSentEvents(), found: [String] = []
            for start in stride(from: 0, to: stream.count, by: size) {
                found += events.append(stream[start..<min(start + size, stream.count)])
                    .map { String(decoding: $0, as: UTF8.self) }
            }
            #expect(found == expected, "in pieces of \(size)")
        }
    }

    @Test func percentilesAreNearestRanks() {
        let values = Distribution((1...200).map(Double.init).shuffled())
        #expect(values.percentile(50) == 100 && values.percentile(99) == 198 && values.percentile(100) == 200)
        #expect(values.mean == 100.5)
        #expect(Distribution([]).percentile(50) == 0 && Distribution([7]).percentile(1) == 7)
    }

    @Test func lengthsFollowTheirDistribution() throws {
        func mean(_ text: String) throws -> Double {
            let distribution = try #require(LengthDistribution(text))
            var random = RandomStream(seed: 1)
            return Double((0..<20_000).reduce(0) { sum, _ in sum + distribution.draw(&random) }) / 20_000
        }
        #expect(try mean("256") == 256)
        #expect(abs(try mean("uniform:100-300") - 200) < 2)
        #expect(abs(try mean("normal:256,64") - 256) < 2)
        // The mean of a log-normal variable is median · exp(σ² / 2).
        #expect(abs(try mean("lognormal:200,0.5") - 226.6) < 4)
        for text in ["", "0", "-3", "uniform:5", "uniform:9-3", "normal:nan,1", "lognormal:5,99", "gauss:1,2"] {
            #expect(LengthDistribution(text) == nil, "\(text)")
        }
    }

    @Test func timesBetweenRandomArrivalsAreExponential() {
        var random = RandomStream(seed: 3)
        let times = (0..<50_000).map { _ in random.nextExponential() }
        let mean: Double = times.reduce(0, +) / 50_000
        #expect(abs(mean - 1) < 0.02)
        // Memoryless: e⁻¹ of them are longer than the mean.
        let longer = Double(times.count { $0 > 1 }) / 50_000
        #expect(abs(longer - 0.3679) < 0.01)
    }

    @Test func requestsAreTheSameForTheSameSeedAndDifferByNumber() throws {
        var options = LoadOptions(url: "http://h", model: "m")
        options.sharedPrefix = 50
        func prompt(_ index: Int) throws -> [Substring] {
            let json = try JSON(parsing: LoadRequest(options, index: index).body)
            #expect(json["max_tokens"] == 128 && json["stream"] == true)
            return try #require(json["prompt"]?.string).split(separator: " ")
        }
        #expect(try prompt(4) == prompt(4))
        #expect(try prompt(4).count == 256)
        #expect(try prompt(4)[..<50] == prompt(5)[..<50] && prompt(4) != prompt(5))
    }

    @Test func aReportCountsWhatWasGood() {
        var options = LoadOptions(url: "http://h", model: "m")
        options.objective.firstTokenSeconds = 0.5
        func record(sent: Double, first: Double, failure: String? = nil) -> LoadRecord {
            var record = LoadRecord(sent: sent)
            record.pieces = failure == nil ? [sent + first, sent + first + 0.1, sent + first + 0.3] : []
            record.ended = sent + first + 0.3
            record.replyTokens = 3
            record.promptTokens = 10
            record.failure = failure
            return record
        }
        let report = LoadReport(
            options,
            [
                record(sent: 0, first: 0.2), record(sent: 1, first: 0.7),
                record(sent: 1.5, first: 0.2, failure: "429 too many"),
            ])
        #expect(report.seconds == 2 && report.requestsPerSecond == 1 && report.goodput == 0.5)
        #expect(report.replyTokensPerSecond == 3 && report.totalTokensPerSecond == 13)
        #expect(report.failures.map(\.reason) == ["429 too many"])
        #expect(abs((report.complete[0].tokenSeconds ?? 0) - 0.15) < 1e-9)
        #expect(report.json["completed"] == 2 && report.json["failures"]?["429 too many"] == 1)
        #expect(report.svg.contains("</svg>") && !report.svg.contains("nan"))
    }
}

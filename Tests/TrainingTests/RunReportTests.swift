import MartletFormats
import MartletTraining
import Testing

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite struct RunReportTests {
    private func folder(_ log: String) throws -> String {
        let path = "/tmp/martlet-report-\(getpid())-\(UInt64.random(in: 0...(.max)))"
        mkdir(path, 0o755)
        try AtomicFile.write(path + "/log.jsonl", bytes: Array(log.utf8))
        return path
    }

    private func step(_ step: Int, _ loss: Double) -> String {
        "{\"kind\":\"step\",\"step\":\(step),\"loss\":\(loss),\"learning_rate\":0.001,\"gradient_norm\":1,"
            + "\"tokens_per_second\":10,\"seconds\":\(step)}\n"
    }

    @Test func laterLinesOfAStepCountAndHalfALastLineIsLeftOut() throws {
        let run = try RunRecord(
            path: folder(step(1, 5) + step(2, 4) + step(3, 9) + step(3, 3) + "{\"kind\":\"step\",\"st"))
        #expect(run.steps.map(\.loss) == [5, 4, 3])
    }

    @Test func brokenLinesAndOtherFoldersAreNamed() throws {
        let broken = try folder(step(1, 5) + "nonsense\n" + step(2, 4))
        #expect { try RunRecord(path: broken) } throws: { "\($0)".contains("log.jsonl, line 2") }
        #expect { try RunRecord(path: "/tmp") } throws: { "\($0)".contains("no log.jsonl") }
    }

    @Test func pageShowsCurvesAndSamplesAndCannotBeBrokenByThem() throws {
        let sample =
            "{\"kind\":\"evaluation\",\"step\":2,\"loss\":3.5,\"perplexity\":33,\"bits_per_byte\":null,"
            + "\"sample\":\"<script>alert(1)</script>\"}\n"
        let one = try RunRecord(path: folder((1...50).map { step($0, 5 / Double($0)) }.joined() + sample))
        let two = try RunRecord(path: folder(step(1, 5) + step(2, 4)))
        let page = RunReport([one, two]).html
        #expect(page.components(separatedBy: "<svg").count - 1 == 5)
        #expect(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
        #expect(!page.contains("<script"))
        #expect(page.contains(one.name) && page.contains(two.name))
        #expect(!page.contains("http"))
        // Nothing to draw is no chart, and no crash.
        #expect(!RunReport([try RunRecord(path: folder(""))]).html.contains("<svg"))
    }
}

extension String {
    fileprivate func components(separatedBy text: String) -> [Substring] {
        split(separator: text, omittingEmptySubsequences: false)
    }
}

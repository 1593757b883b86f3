import MartletFormats
import MartletRuns
import Testing

struct RunReportTests {
    private let scratch = RunScratch()

    private func folder(_ log: String) throws -> String { try scratch.run(log) }

    private func step(_ step: Int, _ loss: Double) -> String {
        "{\"kind\":\"step\",\"step\":\(step),\"loss\":\(loss),\"learning_rate\":0.001,\"gradient_norm\":1,"
            + "\"tokens_per_second\":10,\"seconds\":\(step)}\n"
    }

    @Test func laterLinesOfAStepCountAndHalfALastLineIsLeftOut() throws {
        let run = try RunRecord(
            path: folder(step(1, 5) + step(2, 4) + step(3, 9) + step(3, 3) + "{\"kind\":\"step\",\"st"))
        #expect(run.steps.map(\.loss) == [5, 4, 3])
    }

    @Test func brokenLinesAreLeftOutAndToldAndOtherFoldersNamed() throws {
        let broken = try RunRecord(
            path: folder(step(1, 5) + "nonsense\n" + step(2, 4) + "{\"step\":1e30,\"loss\":1}\n"))
        #expect(broken.steps.map(\.loss) == [5, 4] && broken.unreadableLines == [2, 4])
        #expect(RunReport([broken]).html.contains("2 lines of log.jsonl could not be read and are left out"))
        #expect { try RunRecord(path: scratch.folder()) } throws: { "\($0)".contains("no log.jsonl") }
    }

    @Test func aFolderOfRunsNamesThem() throws {
        let all = scratch.path
        for name in ["second", "first"] { _ = try scratch.run(step(1, 5), name) }
        for path in [all, all + "/"] {
            #expect { try RunRecord(path: path) } throws: {
                "\($0)".contains("holds the runs first, second: name those that are meant, as \(all)/first")
            }
        }
    }

    /// Whatever numbers a log holds, there is a page, and every number in its charts is one.
    @Test func anyNumberInALogMakesAPage() throws {
        let numbers = [
            "1e19", "-1e19", "1e308", "-1e308", "9223372036854775807", "-9223372036854775808", "1e-320", "0", "1e15",
            "18446744073709551616", "9007199254740993", "2147483648", "1e400", "null", "-0.0",
        ]
        for number in numbers {
            for other in numbers {
                let log = """
                    {"kind":"step","step":1,"loss":\(number),"learning_rate":\(other),"gradient_norm":\(number),"seconds":\(other),"tokens_per_second":\(number),"peak_share":\(other),"peak_memory_bytes":\(number),"reward":\(other)}
                    {"kind":"step","step":2,"loss":\(other),"learning_rate":\(number),"gradient_norm":\(other),"seconds":\(number),"tokens_per_second":\(other)}
                    {"kind":"evaluation","step":\(number),"loss":\(other),"perplexity":\(number),"bits_per_byte":\(other)}
                    {"kind":"evaluation","step":3,"loss":\(number),"perplexity":\(other),"bits_per_byte":\(number)}
                    {"kind":"score","step":\(number),"task":"t","questions":\(other),"right":\(number),"categories":{"c":{"right":\(number),"questions":\(other)}}}
                    {"kind":"score","step":2,"task":"t","questions":\(number),"right":\(other)}

                    """
                let page = RunReport([try RunRecord(path: folder(log))]).html
                #expect(page.hasSuffix("</html>\n"))
                #expect(
                    !page.contains("\"nan") && !page.contains(",nan") && !page.contains("inf,"), "\(number) \(other)")
            }
        }
    }

    @Test func configurationIsShownWithItsOriginsAndDifferencesAreMarked() throws {
        func run(_ steps: Int, _ origin: String) throws -> RunRecord {
            let path = try folder(step(1, 5))
            let text =
                "{\"depth\": 4, \"steps\": \(steps), "
                + "\"origins\": {\"depth\": \"the usual\", \"steps\": \"\(origin)\"}}"
            try AtomicFile.write(path + "/configuration.json", bytes: Array(text.utf8))
            return try RunRecord(path: path)
        }
        let one = try run(10, "command line"), two = try run(20, "run.yaml, line 3")
        #expect(one.configuration.map(\.name) == ["depth", "steps"])
        #expect(one.configuration.map(\.origin) == ["the usual", "command line"])
        let alone = RunReport([one]).html
        #expect(alone.contains("<td class=\"origin\">command line</td>") && !alone.contains("class=\"differs\""))
        let both = RunReport([one, two]).html
        #expect(both.contains("<td class=\"differs\">20</td><td class=\"origin\">run.yaml, line 3</td>"))
        #expect(both.contains("1 options that are the same"))
    }

    @Test func whatARunHasFromItsParentIsNoDifference() throws {
        func run(_ text: String) throws -> RunRecord {
            let path = try folder(step(1, 5))
            try AtomicFile.write(path + "/configuration.json", bytes: Array(text.utf8))
            return try RunRecord(path: path)
        }
        let parent = try run(#"{"depth": 4, "seed": 1, "origins": {"depth": "--depth", "seed": "default"}}"#)
        let child = try run(
            #"{"seed": 2, "inherited": {"depth": 8}, "origins": {"depth": "the model's", "seed": "--seed"}}"#)
        #expect(child.configuration.map(\.name) == ["depth", "seed"])
        #expect(child.configuration.map(\.isInherited) == [true, false])
        let page = RunReport([parent, child]).html
        #expect(page.contains("<td class=\"differs\">2</td>") && !page.contains("<td class=\"differs\">8</td>"))
        #expect(page.contains("<td>8</td><td class=\"origin\">the model's</td>"))
    }

    @Test func whatNobodyGaveIsNoDifferenceToAMethodWithoutIt() throws {
        func run(_ text: String) throws -> RunRecord {
            let path = try folder(step(1, 5))
            try AtomicFile.write(path + "/configuration.json", bytes: Array(text.utf8))
            return try RunRecord(path: path)
        }
        let others = try [
            run(#"{"steps": 9, "beta": 0.1, "margin": 2, "origins": {"beta": "a tenth"}, "given": ["margin"]}"#),
            // Of a version that did not say what was given.
            run(#"{"steps": 9, "beta": 0.1, "margin": 2, "origins": {"beta": "default", "margin": "--margin"}}"#),
        ]
        for other in others {
            #expect(other.configuration.map(\.name) == ["steps", "beta", "margin"])
            let page = try RunReport([run(#"{"steps": 8, "given": []}"#), other]).html
            #expect(page.contains("<td class=\"differs\">9</td>") && page.contains("<td class=\"differs\">2</td>"))
            #expect(page.contains("1 options that are the same") && !page.contains("<td class=\"differs\">0.1</td>"))
        }
    }

    @Test func aRunKeepsItsColourWhateverStandsBesideIt() {
        let names = ["first", "second", "third", "wide", "sft", "grpo"]
        let together = RunColours.colours(of: names)
        #expect(Set(together).count == names.count)
        // The order they are given in changes nothing.
        #expect(Array(RunColours.colours(of: names.reversed()).reversed()) == together)
        // As the server's page has them (modules.test.mjs).
        #expect(RunColours.colours(of: ["first", "sft"]) == ["#c8702e", "#3b82b8"])
        #expect(RunColours.colours(of: (0..<20).map { "run \($0)" }).count == 20)
    }

    @Test func chartsNameTheirAxesAndShowLossesAsTheyAre() throws {
        let one = try RunRecord(path: folder((1...50).map { step($0, 5 / Double($0)) }.joined()))
        let page = RunReport([one]).html
        let loss = try #require(
            page.components(separatedBy: "<svg").dropFirst().first { $0.contains(">training loss<") })
        #expect(loss.contains(">step</text>") && loss.contains("rotate(-90)\">nats per token</text>"))
        #expect(loss.components(separatedBy: "<polyline").count == 2)
    }

    /// A line through one point would be none: it is a dot.
    @Test func whatWasMeasuredOnceIsSeen() throws {
        for count in [1, 2] {
            let lines = (1...count).map { "{\"kind\":\"step\",\"step\":\($0),\"loss\":2,\"kl\":0.5}\n" }
            let page = RunReport([try RunRecord(path: folder(step(9, 4) + lines.joined()))]).html
            let kl = try #require(page.components(separatedBy: "<svg").dropFirst().first { $0.contains(">kl<") })
            #expect(kl.contains("<circle") == (count == 1))
        }
    }

    @Test func onlyLossesOfTokensAreNats() throws {
        func page(_ line: String) throws -> String {
            RunReport([try RunRecord(path: folder(step(1, 5) + line + "\n"))]).html
        }
        let evaluation = #"{"kind":"evaluation","step":1,"loss":3,"perplexity":"#
        #expect(try page(evaluation + "20}").contains("nats per token"))
        #expect(try !page(evaluation + #"null,"unit":"pairs"}"#).contains("nats per token"))
        #expect(try !page(#"{"kind":"step","step":2,"loss":3,"reward":0.5}"#).contains("nats per token"))
    }

    @Test func promptsAreSetOffFromWhatWasWritten() throws {
        let line =
            #"{"kind":"evaluation","step":2,"loss":3,"perplexity":33,"bits_per_byte":null,"prompt":"user: why?","sample":"so"}"#
        let page = RunReport([try RunRecord(path: folder(step(1, 5) + line + "\n"))]).html
        #expect(page.contains("<pre class=\"prompt\">user: why?</pre><pre>so</pre>"))
    }

    @Test func whereARunComesFromIsReadFromItsLog() throws {
        let line =
            #"{"kind":"run","step":0,"date":"2026-11-29T11:05:35Z","version":"1","command":"martlet train --out 'a b'","machine":"m","data":"d"}"#
        let record = try RunRecord(path: folder(line + "\n" + step(1, 5) + #"{"kind":"run"}"# + "\n"))
        #expect(record.provenance.map(\.command) == ["martlet train --out 'a b'"])
        #expect(record.unreadableLines == [3] && record.steps.count == 1)
    }

    @Test func evaluationsOfSeveralRunsStandSideBySideAtTheirMinutes() throws {
        func held(_ step: Int, _ loss: Double, _ sample: String) -> String {
            "{\"kind\":\"evaluation\",\"step\":\(step),\"loss\":\(loss),\"perplexity\":2,\"bits_per_byte\":null,"
                + "\"sample\":\"\(sample)\"}\n"
        }
        let one = try RunRecord(
            path: folder(step(60, 5) + held(60, 3, "first words") + step(120, 4) + held(120, 2, "later words")))
        let two = try RunRecord(path: folder(step(60, 5) + held(60, 2.5, "others")))
        #expect(one.evaluations.map(\.minutes) == [1, 2])
        let page = RunReport([one, two]).html
        #expect(page.contains("<td class=\"number\">60</td><td class=\"number\">3.0000</td>"))
        #expect(page.contains("<td class=\"number\">–</td>"))
        // The last sample in sight, the one before folded away.
        #expect(page.contains("<summary>1 earlier</summary>") && page.contains("first words"))
        #expect(page.contains("validation loss by minutes"))
        #expect(!RunReport([one]).html.contains("validation loss by minutes"))
    }

    @Test func scoresOfATaskAreATableByCategoryAndACurveWhereThereAreSeveral() throws {
        func score(_ step: Int, _ right: Int) -> String {
            "{\"kind\":\"score\",\"step\":\(step),\"task\":\"arithmetic\",\"questions\":200,\"right\":\(right),"
                + "\"categories\":{\"sums\":{\"right\":\(right - 10),\"questions\":100}}}\n"
        }
        let one = try RunRecord(path: folder(step(1, 5) + score(1, 50) + score(2, 90)))
        let two = try RunRecord(path: folder(step(1, 5)))
        #expect(one.scores.map(\.accuracy) == [0.25, 0.45])
        let page = RunReport([one, two]).html
        #expect(page.contains("arithmetic: questions answered right"))
        #expect(page.contains("<td>all</td><td class=\"number differs\">45.0 %</td><td class=\"number\">200</td>"))
        #expect(page.contains("<td class=\"key\">sums</td><td class=\"number\">80.0 %</td>"))
        #expect(page.contains("share of questions answered right"))
        #expect(!RunReport([two]).html.contains("questions answered right"))
    }

    @Test func pageShowsCurvesAndSamplesAndCannotBeBrokenByThem() throws {
        let sample =
            "{\"kind\":\"evaluation\",\"step\":2,\"loss\":3.5,\"perplexity\":33,\"bits_per_byte\":null,"
            + "\"sample\":\"<script>alert(1)</script>\"}\n"
        let one = try RunRecord(path: folder((1...50).map { step($0, 5 / Double($0)) }.joined() + sample))
        let two = try RunRecord(path: folder(step(1, 5) + step(2, 4)))
        let page = RunReport([one, two]).html
        // Losses, held-out loss by step and by minutes, rate, norm, speed; no line of the log has a share of peak.
        #expect(page.components(separatedBy: "<svg").count - 1 == 6)
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

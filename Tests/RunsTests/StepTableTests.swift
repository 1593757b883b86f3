import MartletJSON
import MartletRuns
import Testing

/// Replies and pairs in a run's log, and the numbers beside them.
struct StepTableTests {
    private let scratch = RunScratch()

    private func folder(_ log: String) throws -> String { try scratch.run(log) }

    @Test func theNewestRepliesAndPairsAreReadAndReported() throws {
        let log = """
            {"kind":"completions","step":1,"of":16,"rows":[{"prompt":"1 + 1","completion":"3","reward":0}]}
            {"kind":"step","step":1,"loss":0.5,"reward":0,"kl":0.25,"rewards/margins":1}
            {"kind":"completions","step":2,"of":16,"rows":[{"prompt":"<b>","completion":"2","reward":1,"advantage":-0.5}]}
            {"kind":"pairs","step":2,"of":4,"rows":[{"prompt":"p","chosen":"c","rejected":"r","rewards/margins":0.125}]}
            {"kind":"step","step":2,"loss":0.25,"reward":1,"kl":0.5,"rewards/margins":2}
            {"kind":"step","step":2,"loss":0.25,"reward":1,"kl":0.75,"rewards/margins":2}
            {"kind":"evaluation","step":2,"loss":0.25,"rewards/margins":3,"count":4,"unit":"pairs"}

            """
        let run = try RunRecord(path: folder(log))
        #expect(run.unreadableLines.isEmpty && run.steps.count == 2)
        #expect(run.tables.map(\.step) == [2, 2] && run.tables.map(\.table.kind) == [.completions, .pairs])
        let row = try #require(run.tables.first?.table.rows.first)
        #expect(row[text: "completion"] == "2" && row["advantage"] == -0.5 && run.tables[0].table.count == 16)
        // Of a step that was done again, the later line counts.
        #expect(run.metrics["kl"]?.map(\.value) == [0.25, 0.75] && run.metrics["reward"] == nil)
        #expect(run.heldOutMetrics["rewards/margins"]?.map(\.value) == [3] && run.heldOutMetrics["count"] == nil)
        let html = RunReport([run]).html
        for part in ["completions of step 2", "pairs of step 2", "rewards/margins", "&lt;b&gt;"] {
            #expect(html.contains(part), "\(part)")
        }
    }

    @Test(arguments: [
        #"{"kind":"completions","rows":[]}"#, #"{"kind":"pairs","step":1,"rows":[1,null,{"a":[1]}]}"#,
        #"{"kind":"pairs","step":-1,"rows":"x"}"#, #"{"kind":"completions","step":1e300,"of":-4,"rows":[{}]}"#,
    ]) func whateverALineHoldsThereIsAPage(_ line: String) throws {
        let run = try RunRecord(path: folder(line + "\n"))
        #expect(!RunReport([run]).html.isEmpty)
    }
}

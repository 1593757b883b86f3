import Foundation
import MartletJSON
import MartletRuns
import Testing

/// Watching runs from outside.
struct RunFoldersTests {
    private let scratch = RunScratch()

    private func emptyFolder(_ name: String) throws -> String { try scratch.folder(name) }

    @Test func aRunOfMinutesIsFinishedWhenTheyAreOver() throws {
        let folder = try emptyFolder("timed"), run = folder + "/r"
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        func summary(_ configuration: String, seconds: Double) throws -> RunFolders.Summary {
            try configuration.write(toFile: run + "/configuration.json", atomically: false, encoding: .utf8)
            try #"{"kind":"step","step":7,"loss":2,"seconds":\#(seconds)}"#.appending("\n")
                .write(toFile: run + "/log.jsonl", atomically: false, encoding: .utf8)
            return try RunFolders(path: folder).summary("r")
        }
        let timed = #"{"steps": 1000000, "minutes": 2}"#
        let half = try summary(timed, seconds: 60)
        #expect(half.plannedSteps == nil && half.plannedMinutes == 2 && half.minutes == 1 && !half.isFinished)
        #expect(try summary(timed, seconds: 119.9).isFinished)
        // Bounded by both.
        let both = try summary(#"{"steps": 7, "minutes": 2}"#, seconds: 60)
        #expect(both.plannedSteps == 7 && both.plannedMinutes == 2 && both.isFinished)
    }

    @Test func aLogIsReadLineByLineAsItGrows() throws {
        let folder = try emptyFolder("growing"), run = folder + "/r", file = run + "/log.jsonl"
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        func write(_ text: String) throws { try text.write(toFile: file, atomically: false, encoding: .utf8) }
        let first = #"{"kind":"step","step":1,"loss":2.5}"# + "\n"
        let runs = RunFolders(path: folder)
        try write(first + #"{"kind":"st"#)
        let part = try runs.log("r", from: 0)
        #expect(part.lines.map { $0["step"]?.integer } == [1] && part.offset == first.utf8.count && !part.hasMore)
        try write(first + #"{"kind":"step","step":2,"loss":2}"# + "\nnonsense\n")
        let more = try runs.log("r", from: part.offset)
        #expect(more.lines.map { $0["step"]?.integer } == [2] && !more.hasRestarted)
        #expect(try runs.summary("r").loss == 2)
        // Begun anew: shorter than what has been read.
        try write(first)
        let anew = try runs.log("r", from: more.offset)
        #expect(anew.hasRestarted && anew.lines.count == 1)
    }

    /// Evaluations are further apart than steps: the last one counts, and it may stand far before the end.
    @Test(arguments: [0, 10, 1500]) func theLastEvaluationIsFound(_ after: Int) throws {
        let folder = try emptyFolder("evaluated"), run = folder + "/r"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        let more = String(repeating: "a", count: 60)
        func steps(_ range: Range<Int>) -> [String] {
            range.map { #"{"kind":"step","step":\#($0),"loss":2.5,"seconds":12.25,"more":"\#(more)"}"# }
        }
        func evaluation(_ step: Int, _ loss: Double) -> String {
            #"{"kind":"evaluation","step":\#(step),"loss":\#(loss),"sample":"\"kind\":\"step\""}"#
        }
        func summary(_ lines: [String]) throws -> RunFolders.Summary {
            try lines.map { $0 + "\n" }.joined().write(toFile: run + "/log.jsonl", atomically: false, encoding: .utf8)
            return try RunFolders(path: folder).summary("r")
        }
        let found = try summary([evaluation(0, 3)] + steps(1..<4) + [evaluation(3, 1.5)] + steps(4..<4 + after))
        #expect(found.validationLoss == 1.5 && found.step == 3 + after && found.loss == 2.5)
        #expect(try summary(steps(1..<4)).validationLoss == nil)
    }

    @Test func aLongLogComesInParts() throws {
        let folder = try emptyFolder("long"), run = folder + "/r"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        let lines = (1...40_000).map { #"{"kind":"step","step":\#($0),"loss":2.5,"seconds":12.25}"# + "\n" }
        try lines.joined().write(toFile: run + "/log.jsonl", atomically: false, encoding: .utf8)
        var offset = 0, steps = 0, parts = 0
        while true {
            let part = try RunFolders(path: folder).log("r", from: offset)
            offset = part.offset
            steps += part.lines.count
            parts += 1
            if !part.hasMore { break }
        }
        #expect(steps == 40_000 && parts > 1)
        #expect(RunFolders(path: folder).list().first?.step == 40_000)
    }

    @Test(arguments: ["..", "../other", "", "none", "a/b", ".hidden", "x\0y"])
    func onlyNamesOfRunsAreTaken(_ name: String) throws {
        let folder = try emptyFolder("names")
        for path in ["runs/r", "other"] {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(path)", withIntermediateDirectories: true)
            FileManager.default.createFile(atPath: "\(folder)/\(path)/log.jsonl", contents: nil)
        }
        let runs = RunFolders(path: folder + "/runs")
        #expect(runs.list().map(\.name) == ["r"])
        #expect(throws: RunError.self) { try runs.folder(name) }
        #expect(throws: RunError.self) { try runs.log(name, from: 0) }
    }

    @Test func aFolderThatIsARunListsItself() throws {
        let folder = try emptyFolder("itself")
        FileManager.default.createFile(atPath: folder + "/log.jsonl", contents: nil)
        let runs = RunFolders(path: folder)
        #expect(try runs.list().map(\.name).map(runs.folder) == [folder])
    }
}

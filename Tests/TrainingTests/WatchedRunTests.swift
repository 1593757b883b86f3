import Foundation
import MartletFormats
import MartletTraining
import Testing

/// A run as others see it while it trains, and what it leaves for them.
struct WatchedRunTests: TinyRuns {
    @Test func aRunIsSeenWhileItTrainsAndStopsWhenAsked() throws {
        let folder = try scratch("watched"), run = folder + "/runs/one"
        let runs = RunFolders(path: folder + "/runs")
        try FileManager.default.createDirectory(atPath: folder + "/runs", withIntermediateDirectories: true)
        #expect(runs.list().isEmpty)
        let data = try TrainingData(folder: folder + "/data")
        let trainer = try Trainer(run: run, options: options(), data: data)
        #expect(!RunControl.isRunning(run))
        let isDone = try trainer.train { event in
            guard case .step(let report) = event, report.step == 5 else { return }
            let seen = runs.list().first
            #expect(seen?.isRunning == true && seen?.step == 5 && seen?.plannedSteps == 12 && seen?.isFinished == false)
            #expect(throws: Never.self) { try RunControl.requestStop(run) }
            #expect(RunControl.isStopRequested(run))
        }
        #expect(!isDone && trainer.step == 5)
        let after = try runs.summary("one")
        #expect(!after.isRunning && !after.isStopRequested && !after.isFinished)
        // Nobody is there to be asked.
        #expect(throws: RunError.self) { try RunControl.requestStop(run) }
        // And a wish that was left behind does not stop the next one.
        FileManager.default.createFile(atPath: run + "/stop", contents: nil)
        let next = try Trainer(run: run, options: options(), data: data)
        _ = try next.resume()
        #expect(try next.train { _ in })
        #expect(try runs.summary("one").isFinished)
    }

    @Test func aResumedRunGoesOnInANewFileWithoutRepeatedSteps() throws {
        let folder = try scratch("events")
        let data = try TrainingData(folder: folder + "/data"), run = folder + "/run"
        // Interrupted by an error after step 7, as a killed process would be: the last checkpoint is of step 4.
        struct Killed: Error {}
        let first = try Trainer(run: run, options: options(), data: data)
        first.parameters[0].tensor.addGradientHook { _ in
            if first.step == 7 { throw Killed() }
            return nil
        }
        #expect(throws: Killed.self) { try first.train { _ in } }
        let second = try Trainer(run: run, options: options(), data: data)
        #expect(try second.resume().checkpoint?.step == 4)
        try second.train { _ in }
        let names = try Folder.files(run).filter { $0.contains("tfevents") }.sorted()
        #expect(names.count == 2)
        var steps: [[Int]] = []
        for name in names {
            let bytes = try Folder.read(run + "/" + name)
            let records = RecordFraming.records(in: bytes)
            #expect(records.last?.end == bytes.count)
            // Field 2 follows the nine bytes of the time; steps here are below 128.
            steps.append(records.dropFirst().map { Int(Array($0.payload)[10]) })
        }
        // Each begins with what computes its steps.
        #expect(steps[0] == [0, 1, 2, 3, 4])
        // The evaluation's numbers and its text share their step.
        #expect(steps[1] == [4, 5, 6, 6, 6, 7, 8, 9, 10, 11, 12, 12, 12])
    }

    @Test func theLogSaysWhatComputedTheStepsAndFromWhichData() throws {
        let folder = try scratch("provenance"), other = try scratch("provenance", documents: 50), run = folder + "/run"
        let data = try TrainingData(folder: folder + "/data")
        var steps = 0
        try Trainer(run: run, options: options(), data: data).train(isInterrupted: { steps == 5 }) {
            if case .step = $0 { steps += 1 }
        }
        let second = try Trainer(run: run, options: options(), data: data)
        _ = try second.resume()
        try second.train { _ in }
        let record = try RunRecord(path: run)
        #expect(record.steps.map(\.step) == Array(1...12) && record.unreadableLines.isEmpty)
        #expect(record.provenance.map(\.step) == [0, 5])
        for session in record.provenance {
            #expect(session.data?.contains("shards, XXH64 ") == true && session.data == record.provenance[0].data)
            #expect(session.date.hasSuffix("Z") && session.date.count == 20 && !session.version.isEmpty)
            #expect(session.machine.contains("threads") && !session.command.isEmpty)
        }
        // Other data has another fingerprint.
        try Trainer(run: other + "/run", options: options(), data: TrainingData(folder: other + "/data")).train { _ in }
        #expect(try RunRecord(path: other + "/run").provenance[0].data != record.provenance[0].data)
        let page = RunReport([record]).html
        #expect(page.contains("Where the runs come from") && page.contains(record.provenance[1].date))
    }
}

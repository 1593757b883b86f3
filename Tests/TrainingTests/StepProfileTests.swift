import MartletJSON
import MartletTensor
import MartletTraining
import Testing

struct StepProfileTests: TinyRuns {
    private func profile(_ more: [String: JSON] = [:], steps: Int = 3) throws -> (StepProfile, Trainer) {
        let folder = try scratch("profile")
        let options = try options(["hidden_size": 64, "heads": 4, "steps": 8].merging(more) { $1 })
        let trainer = try Trainer(run: folder + "/run", options: options, data: TrainingData(folder: folder + "/data"))
        trainer.profiledSteps = steps
        var found: [StepProfile] = []
        try trainer.train { if case .profiled(let profile) = $0 { found.append(profile) } }
        #expect(found.count == 1)
        return (try #require(found.first), trainer)
    }

    @Test func nearlyAllTimeOfAStepLiesInNamedOperations() throws {
        // Large enough that the tape is small beside the work.
        let (profile, _) = try profile(["hidden_size": 256, "heads": 4, "batch_rows": 16, "context_length": 64])
        #expect(profile.steps == 3)
        #expect(profile.attributedShare >= 0.9, "\(profile.table)")
        let sum = profile.rows.reduce(0) { $0 + $1.seconds } + profile.otherSeconds
        #expect(abs(sum - profile.seconds) < 1e-6 * profile.seconds + 1e-9)
    }

    @Test func operationsAreThoseThatTheCostCounts() throws {
        let (profile, trainer) = try profile(["tied_embeddings": false])
        // 4 rows of 32 tokens a step.
        let counted = trainer.cost.trainingPerToken * 128 * 3
        // Attention computes its scores again on the way back: 7 products for the 6 that are counted.
        let scores = trainer.cost.operationsByPart.first { $0.part == "attention scores" }?.count ?? 0
        let wanted = counted + scores / 2 * 128 * 3
        #expect(abs(profile.operations - wanted) < 1e-6 * wanted, "\(profile.operations), wanted \(wanted)")
        func row(_ operation: String, _ phase: String) -> StepProfile.Row? {
            profile.rows.first { $0.operation == operation && $0.phase == phase }
        }
        let forward = try #require(row("linear", "forward")), backward = try #require(row("linear", "backward"))
        #expect(backward.operations == 2 * forward.operations)
        // 2 layers, 2 micro-batches, 3 steps; queries, keys and values together, output, gate and up, down.
        #expect(forward.calls == 2 * 2 * 3 * 4 && backward.calls == forward.calls)
        #expect(row("adamw", "update")?.calls == 3)
        // Weights, gradients and two moments are read; weights and moments written.
        #expect(row("adamw", "update")?.bytes == Double(3 * 7 * 4 * trainer.cost.parameters))
    }

    @Test func theTraceIsNestedAndOrdered() throws {
        let (profile, _) = try profile()
        let trace = try JSON(parsing: Array(profile.trace.text().utf8))
        let events = try #require(trace["traceEvents"]?.array)
        var open: [(name: String, end: Double)] = [], last = 0.0, counters = 0, spans = 0
        for event in events {
            let name = try #require(event["name"]?.string), kind = try #require(event["ph"]?.string)
            let start = try #require(event["ts"]?.double), duration = try #require(event["dur"]?.double)
            #expect(event["pid"]?.integer == 1 && event["tid"]?.integer == 1)
            #expect(start >= 0 && duration >= 0)
            guard kind == "X" else {
                if kind == "C" {
                    counters += 1
                    #expect(event["args"]?["bytes"]?.integer ?? -1 >= 0)
                }
                continue
            }
            spans += 1
            #expect(start >= last)
            last = start
            // Half a nanosecond for the rounding of microseconds.
            while let top = open.last, top.end <= start + 5e-4 { open.removeLast() }
            if let top = open.last { #expect(start + duration <= top.end + 2e-3, "\(name) reaches out of \(top.name)") }
            if name.hasPrefix("step ") { #expect(open.isEmpty) }
            open.append((name, start + duration))
        }
        #expect(spans > 100 && counters > spans)
        #expect(events.contains { $0["name"] == "step 3" } && !events.contains { $0["name"] == "step 2" })
    }

    @Test func thePeakOfMemoryIsSplitByKind() throws {
        let (profile, trainer) = try profile()
        func bytes(_ kind: String) -> Int { profile.peakKinds.first { $0.kind == kind }?.bytes ?? 0 }
        #expect(bytes("parameters") == 4 * trainer.cost.parameters)
        #expect(bytes("moments") == 8 * trainer.cost.parameters)
        #expect(profile.peakBytes >= profile.peakKinds.reduce(0) { $0 + $1.bytes })
        #expect(profile.table.contains("most alive: "))
    }

    @Test func recordingChangesNoBit() throws {
        let folder = try scratch("recorded")
        let data = try TrainingData(folder: folder + "/data")
        for (name, steps) in [("plain", 0), ("recorded", 5)] {
            let trainer = try Trainer(run: folder + "/" + name, options: options(), data: data)
            trainer.profiledSteps = steps
            try trainer.train { _ in }
        }
        #expect(try weights(folder + "/plain") == weights(folder + "/recorded"))
    }
}

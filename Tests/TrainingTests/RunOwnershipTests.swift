import MartletFormats
import MartletJSON
import MartletTraining
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A run's folder has one owner, and what it holds is whole or passed over.
struct RunOwnershipTests: TinyRuns {
    @Test func aSecondTrainerIsRefusedWhileTheFirstTrains() throws {
        let folder = try scratch("owner"), run = folder + "/run"
        let data = try TrainingData(folder: folder + "/data")
        let first = try Trainer(run: run, options: options(), data: data)
        var said: [String] = []
        try first.train { event in
            guard case .step(let report) = event, report.step == 5 else { return }
            // Beginning, and going on as a job does that was queued again.
            said.append(message { try Trainer(run: run, options: options(), data: data).train { _ in } })
            said.append(message { _ = try Trainer(run: run, options: options(), data: data).resume() })
        }
        #expect(said.count == 2 && said.allSatisfy { $0.contains("\(run) is being trained in by another process") })
        #expect(said.allSatisfy { $0.contains("process \(getpid()) on ") })
        // What the others tried left no mark.
        let record = try RunRecord(path: run)
        #expect(record.steps.map(\.step) == Array(1...12))
        let next = try Trainer(run: run, options: options(), data: data)
        #expect(try next.resume().checkpoint?.step == 12)
        #expect(RunControl.isRunning(run))
        try next.train { _ in }
        #expect(!RunControl.isRunning(run))
    }

    @Test func aRunThatBeginsAgainCutsTheOldLogAndAResumedOneWhatComesLater() throws {
        let folder = try scratch("cut"), run = folder + "/run", log = run + "/log.jsonl"
        let data = try TrainingData(folder: folder + "/data")
        mkdir(run, 0o755)
        let old = "{\"kind\":\"step\",\"step\":900,\"loss\":1}\n{\"kind\":\"score\",\"step\":0,\"task\":\"t\"}\n"
        try AtomicFile.write(log, bytes: Array(old.utf8))
        var steps = 0
        let first = try Trainer(run: run, options: options(), data: data)
        #expect(try !first.train(isInterrupted: { steps == 5 }) { if case .step = $0 { steps += 1 } })
        let begun = try RunRecord(path: run)
        #expect(begun.steps.map(\.step) == [1, 2, 3, 4, 5] && begun.scores.isEmpty)
        // As a process that was ended while it wrote, some steps after it saved.
        let later =
            try Folder.read(log) + Array("{\"kind\":\"step\",\"step\":7,\"loss\":9}\n{\"kind\":\"step\",\"st".utf8)
        try AtomicFile.write(log, bytes: later)
        let second = try Trainer(run: run, options: options(), data: data)
        _ = try second.resume()
        try second.train { _ in }
        let whole = try RunRecord(path: run)
        #expect(whole.steps.map(\.step) == Array(1...12) && whole.unreadableLines.isEmpty)
        #expect(whole.steps[6].loss != 9)
        let lines = try Folder.read(log).split(separator: UInt8(ascii: "\n"))
        #expect(lines.allSatisfy { (try? JSON(parsing: Array($0))) != nil })
    }

    @Test(arguments: ["model.safetensors", "optimizer.safetensors", "trainer_state.json", "tokenizer.json"])
    func aDamagedCheckpointIsPassedOverForTheOneBefore(_ name: String) throws {
        let folder = try scratch("damaged"), run = folder + "/run"
        let data = try TrainingData(folder: folder + "/data")
        try Trainer(run: run, options: options(), data: data).train { _ in }
        let wanted = try weights(run)
        let last = try #require(TrainingCheckpoint.list(run: run).usable.last)
        try last.verify()
        // One bit of one byte: the sizes are right. The run's folder may share the file.
        var bytes = try Folder.read(last.path + "/" + name)
        bytes[bytes.count / 2] ^= name.hasSuffix("json") ? 1 : 64
        try AtomicFile.write(last.path + "/" + name, bytes: bytes)
        let again = try Trainer(run: run, options: options(["keep": 1]), data: data)
        let (checkpoint, broken) = try again.resume()
        #expect(checkpoint?.step == 8)
        #expect(broken.count == 1 && broken[0].path == last.path, "\(broken)")
        #expect(broken.first?.why.contains(name) == true, "\(broken)")
        try again.train { _ in }
        #expect(try weights(run) == wanted)
        #expect(TrainingCheckpoint.list(run: run).usable.map(\.step) == [12])
        try TrainingCheckpoint.list(run: run).usable.last?.verify()
    }

    @Test func aRunWhoseCheckpointsAreAllDamagedIsNotBegunAgainUnasked() throws {
        let folder = try scratch("all-damaged"), run = folder + "/run"
        let data = try TrainingData(folder: folder + "/data")
        try Trainer(run: run, options: options(), data: data).train { _ in }
        let (all, _) = TrainingCheckpoint.list(run: run)
        for (index, checkpoint) in all.enumerated() {
            var bytes = try Folder.read(checkpoint.path + "/model.safetensors")
            // Some are changed, one is cut short.
            if index == 0 { bytes.removeLast() } else { bytes[bytes.count / 2] ^= 64 }
            try AtomicFile.write(checkpoint.path + "/model.safetensors", bytes: bytes)
        }
        let next = try Trainer(run: run, options: options(), data: data)
        let why = message { _ = try next.resume() }
        #expect(all.count > 1 && all.allSatisfy { why.contains($0.path) }, "\(why)")
        #expect(why.contains("all \(all.count) are damaged") && why.contains("--resume never"), "\(why)")
        // Whoever was refused does not keep the folder.
        #expect(!RunControl.isRunning(run))
    }

    @Test func whatIsNoFileInAFilesPlaceIsNamedAndNeverWaitedFor() throws {
        let folder = try scratch("pipe"), run = folder + "/run"
        let data = try TrainingData(folder: folder + "/data")
        mkdir(run, 0o755)
        for name in ["log.jsonl", ".lock"] {
            mkfifo("\(run)/\(name)", 0o644)
            let why = message { try Trainer(run: run, options: options(), data: data).train { _ in } }
            #expect(why.contains("\(run)/\(name) is a pipe"), "\(why)")
            unlink("\(run)/\(name)")
        }
        unlink(run + "/log.jsonl")
        mkfifo(run + "/log.jsonl", 0o644)
        #expect(message { _ = try RunRecord(path: run) }.contains("log.jsonl is a pipe"))
        unlink(run + "/log.jsonl")
        mkdir(run + "/log.jsonl", 0o755)
        #expect(message { _ = try RunRecord(path: run) }.contains("log.jsonl is a folder"))
    }

    /// The first manifests had sizes and no hashes.
    @Test func aCheckpointOfTheFirstVersionIsGoneOnFrom() throws {
        let folder = try scratch("version1"), run = folder + "/run"
        let data = try TrainingData(folder: folder + "/data")
        try Trainer(run: run, options: options(), data: data).train { _ in }
        let last = try #require(TrainingCheckpoint.list(run: run).usable.last)
        let manifest = try JSON(parsing: Folder.read(last.path + "/manifest.json"))
        let sizes = try #require(manifest["files"]?.object).map { ($0.key, $0.value["bytes"] ?? .null) }
        let old: JSON = ["version": 1, "step": 12, "files": .object(JSONObject(sizes))]
        try AtomicFile.write(last.path + "/manifest.json", bytes: old.bytes())
        let again = try Trainer(run: run, options: options(), data: data)
        #expect(try again.resume().checkpoint?.step == 12)
    }

    /// Numbers of a manifest or a state that no run writes.
    @Test func extremesInACheckpointAreAnError() throws {
        let folder = try scratch("extremes"), run = folder + "/run"
        let data = try TrainingData(folder: folder + "/data")
        let half = try options(["precision": "fp16"])
        try Trainer(run: run, options: half, data: data).train { _ in }
        let last = try #require(TrainingCheckpoint.list(run: run).usable.last)
        let manifest = try Folder.read(last.path + "/manifest.json")
        let state = try #require(JSON(parsing: Folder.read(last.path + "/trainer_state.json")).object)
        for number in [.integer(.max), .integer(.min), -1, .number(1e308), .number(-1e308), .number(.nan), .null]
            as [JSON]
        {
            var object = try #require(JSON(parsing: manifest).object)
            object["step"] = number
            try AtomicFile.write(last.path + "/manifest.json", bytes: JSON.object(object).bytes())
            #expect(throws: (any Error).self) { try TrainingCheckpoint(path: last.path) }
            // Without hashes, so that what the numbers do is seen.
            var files = JSONObject()
            for (name, entry) in try #require(JSON(parsing: manifest)["files"]?.object) { files[name] = entry["bytes"] }
            var changed = state
            for name in ["optimizer_steps", "seconds", "best_loss", "best_step", "looks_since_best", "recent_loss"] {
                changed[name] = number
            }
            changed["recent_norms"] = [number, number]
            changed["loss_scale"] = ["scale": number, "good_steps": number]
            let bytes = JSON.object(changed).bytes()
            files["trainer_state.json"] = .integer(Int64(bytes.count))
            try AtomicFile.write(last.path + "/trainer_state.json", bytes: bytes)
            let first: JSON = ["version": 1, "step": 11, "files": .object(files)]
            try AtomicFile.write(last.path + "/manifest.json", bytes: first.bytes())
            let trainer = try Trainer(run: run, options: options(["precision": "fp16", "keep": 9]), data: data)
            _ = message { if try trainer.resume().checkpoint != nil { try trainer.train { _ in } } }
        }
    }
}

import Foundation
import MartletFormats
import MartletJSON
import MartletTraining
import Testing

/// A process may be killed at any moment: what its folder holds then goes on to the same bits.
struct KilledRunTests: TinyRuns {
    private let even = RewardSum([(Reward("even") { $0.reply.utf8.count % 2 == 0 ? 1 : 0 }, 1)])

    private func options(_ command: RunCommand, _ folder: String) throws -> TrainingOptions {
        var options = TrainingOptions(for: command)
        var values: [String: JSON] = [
            "steps": 3, "save_every": 2, "evaluate_every": 2, "learning_rate": 1e-3, "warmup": 0,
            "schedule": "constant",
        ]
        if command == .preferences || command == .rewardModel {
            let path = folder + "/pairs.jsonl"
            let lines = (0..<16).map {
                #"{"prompt": "Is \#($0) odd?", "chosen": "yes \#($0)", "rejected": "no \#($0)"}"#
            }
            try AtomicFile.write(path, bytes: Array(lines.joined(separator: "\n").utf8))
            values["data"] = [.string(path)]
            values["batch_rows"] = 4
            values["context_length"] = 200
        } else {
            values["problems"] = 2
            values["group_size"] = 4
            values["maximum_tokens"] = 40
            values["questions"] = 2
            values["temperature"] = 1.3
        }
        for (key, value) in values { try options.set(key, value) }
        return options
    }

    private func trainer(_ run: String, _ folder: String, _ options: TrainingOptions) throws -> Trainer {
        let model = try StartingModel(path: folder + "/model")
        func task() throws -> WorldTask { try WorldTask(named: "arithmetic", chinese: 0) }
        switch options.command {
        case .preferences:
            return try Trainer(
                run: run, options: options, model: model, feedback: Trainer.feedbackData(options, model))
        case .rewardModel:
            return try Trainer(
                run: run, options: options, rewardModelFrom: model, pairs: Trainer.feedbackData(options, model))
        case .proximal: return try Trainer(run: run, options: options, proximal: model, task: task(), reward: even)
        default: return try Trainer(run: run, options: options, model: model, task: task(), reward: even)
        }
    }

    /// The folder is copied at every event, as it is left by a process that ends there.
    @Test(arguments: [RunCommand.preferences, .rewardModel, .policy, .proximal])
    func whatAKilledRunLeavesGoesOnToTheSameBits(_ command: RunCommand) throws {
        let folder = try modelFolder("killed"), options = try options(command, folder)
        let files = FileManager.default
        var copies: [String] = []
        try trainer(folder + "/whole", folder, options).train { _ in
            let copy = "\(folder)/copy-\(copies.count)"
            try? files.copyItem(atPath: folder + "/whole", toPath: copy)
            copies.append(copy)
        }
        let wanted = try weights(folder + "/whole")
        #expect(copies.count >= 6 && copies.allSatisfy(Folder.exists))
        var steps: Set<Int> = []
        for copy in copies {
            let again = try trainer(copy, folder, options)
            steps.insert(try again.resume().checkpoint?.step ?? 0)
            if !again.isFinished { #expect(try again.train { _ in }) }
            #expect(try weights(copy) == wanted, "\(copy)")
        }
        #expect(steps.isSuperset(of: [0, 2]), "\(steps)")
    }
}

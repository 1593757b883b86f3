import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletTensor
import MartletTraining
import Testing
import TinyModels

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Runs that learn from rewards.
struct PolicyRunTests: TinyRuns {
    private func policyOptions(_ more: [String: JSON] = [:]) throws -> TrainingOptions {
        var options = TrainingOptions(for: .policy)
        let usual: [String: JSON] = [
            "steps": 4, "problems": 3, "group_size": 8, "maximum_tokens": 100, "questions": 4, "evaluate_every": 2,
            "save_every": 2, "temperature": 1.3, "learning_rate": 1e-3,
        ]
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, value) }
        return options
    }

    /// Something to learn from, whatever a model without knowledge writes.
    private let even = RewardSum([(Reward("even") { $0.reply.utf8.count % 2 == 0 ? 1 : 0 }, 1)])

    private func trainer(_ run: String, _ folder: String, _ options: TrainingOptions) throws -> Trainer {
        // The tiny tokenizer knows ASCII only.
        try Trainer(
            run: run, options: options, model: StartingModel(path: folder + "/model"),
            task: WorldTask(named: "arithmetic", chinese: 0), reward: even)
    }

    @Test(
        arguments: [
            [:], ["optimizer": "muon", "updates": 2], ["optimizer": "lion", "ema": 0.9, "micro_batches": 3],
            ["precision": "bf16", "recompute": "layers"], ["precision": "fp16", "ema": 0.5],
        ] as [[String: JSON]])
    func aRunThatIsResumedEndsWithTheSameBits(_ more: [String: JSON]) throws {
        let folder = try modelFolder("grpo")
        let options = try policyOptions(more)
        var differences: [Double] = [], useful = 0.0
        try trainer(folder + "/whole", folder, options).train {
            guard case .step(let report) = $0 else { return }
            differences.append(report["rollout_difference"] ?? 1)
            useful += report["useful_groups"] ?? 0
        }
        #expect(useful > 0 && differences.count == 4 && differences.allSatisfy { $0 <= 1e-5 }, "\(differences)")
        try trainInTwoGoes(stoppingAfter: 3) { try trainer(folder + "/parts", folder, options) }
        #expect(try weights(folder + "/whole") == weights(folder + "/parts"))
        #expect(try weights(folder + "/whole") != weights(folder + "/model"))
        let record = try RunRecord(path: folder + "/parts")
        #expect(record.scores.map(\.step) == [0, 2, 4] && record.scores.allSatisfy { $0.count == 4 })
        #expect(record.steps.count == 4 && record.steps.allSatisfy { $0.reward != nil })
        // The newest replies, as they were written, with what they were worth.
        let (step, table) = try #require(record.tables.last)
        #expect(step == 4 && table.kind == .completions && table.rows.count == 8 && table.count == 24)
        let rows = table.rows
        #expect(rows.allSatisfy { $0[text: "prompt"]?.isEmpty == false && $0[text: "completion"] != nil })
        // A reply without an end is worth nothing.
        #expect(rows.allSatisfy { $0["reward"] == 0 || $0[text: "completion"].map { $0.utf8.count % 2 == 0 } ?? false })
        #expect(rows.allSatisfy { $0["advantage"]?.isFinite ?? false })
        for name in ["rewards/even/mean", "rewards/even/std", "entropy", "completions/mean_length"] {
            #expect(record.metrics[name]?.isEmpty == false, "\(name)")
        }
        let mean = record.metrics["rewards/even/mean"]?.last?.value
        #expect(mean == record.steps.last?.reward)
        // It is over: resuming does nothing more.
        let again = try trainer(folder + "/parts", folder, options)
        _ = try again.resume()
        #expect(again.isFinished)
    }

    /// As a process that was killed: what it wrote after its last checkpoint is nothing, and half a checkpoint is passed over.
    @Test func aRunThatWasKilledGoesOnFromTheCheckpointBefore() throws {
        let folder = try modelFolder("grpo-killed"), options = try policyOptions()
        try trainer(folder + "/run", folder, options).train { _ in }
        let wanted = try weights(folder + "/run")
        let last = try #require(TrainingCheckpoint.list(run: folder + "/run").usable.last)
        unlink(last.path + "/manifest.json")
        let again = try trainer(folder + "/run", folder, options)
        let (checkpoint, broken) = try again.resume()
        #expect(checkpoint?.step == 2 && broken.count == 1)
        try again.train { _ in }
        #expect(try weights(folder + "/run") == wanted)
    }

    @Test func howRepliesAreCutDoesNotChangeTheStep() throws {
        let folder = try modelFolder("grpo-parts")
        var losses: [[Double]] = []
        for parts in [1, 4] {
            var found: [Double] = []
            try trainer(
                "\(folder)/run-\(parts)", folder,
                policyOptions(["micro_batches": .integer(Int64(parts)), "steps": 2, "questions": 0])
            ).train { if case .step(let report) = $0 { found += [report.loss, report.gradientNorm] } }
            losses.append(found)
        }
        #expect(zip(losses[0], losses[1]).allSatisfy { abs($0 - $1) <= 1e-3 * abs($0) + 1e-6 }, "\(losses)")
    }

    @Test func anotherConfigurationIsNotResumed() throws {
        let folder = try modelFolder("grpo-other")
        try trainer(folder + "/run", folder, policyOptions(["steps": 2])).train { _ in }
        for (name, value) in [("group_size", 4), ("optimizer", "rmsprop"), ("ratio_clip", 0.1)] as [(String, JSON)] {
            let options = try policyOptions(["steps": 2, name: value])
            #expect(message { _ = try trainer(folder + "/run", folder, options).resume() }.contains("another \(name)"))
        }
        let longer = try trainer(folder + "/run", folder, policyOptions(["steps": 3, "learning_rate": 1e-4]))
        #expect(try longer.resume().checkpoint?.step == 2 && !longer.isFinished)
        #expect(longer.changes.contains { $0.hasPrefix("learning_rate was") })
    }

    /// What the surrogate, or the command, does not read is refused.
    @Test func optionsThatDoNothingAreRefused() throws {
        func refusal(_ more: [String: JSON]) -> String {
            message { _ = try ResolvedOptions(policyOptions(more), vocabularySize: 9) }
        }
        #expect(refusal(["reference": "other"]).contains("reference does nothing without a kl_weight"))
        #expect(refusal(["reference": "other", "kl_weight": 0.1]).isEmpty)
        for method in ["rloo", "reinforce", "expert", "cispo"] {
            let method = JSON.string(method)
            #expect(refusal(["method": method]).isEmpty)
            #expect(refusal(["method": method, "ratio_limit": 2]).contains("ratio_limit is of surrogate clipped"))
        }
        #expect(refusal(["ratio_limit": 2]).isEmpty)
        #expect(refusal(["method": "rloo", "importance": "sequence"]).contains("importance sequence is of a ratio"))
        #expect(refusal(["method": "cispo", "importance": "sequence"]).isEmpty)
        for method in ["rloo", "reinforce", "expert"] {
            let method = JSON.string(method)
            #expect(refusal(["method": method, "ratio_clip": 0.1]).contains("ratio_clip is of surrogate clipped"))
            #expect(refusal(["method": method, "clip_high": 0.5]).contains("clip_high is of surrogates"))
            let undivided = refusal(["method": method, "divides_by_deviation": false])
            #expect(undivided.contains("divides_by_deviation is of baseline group"))
        }
        // CISPO's weight is clipped above alone, at ratio_clip where that is all there is.
        #expect(refusal(["method": "cispo", "ratio_clip": 0.1]).contains("ratio_clip is below the ratio"))
        #expect(refusal(["method": "cispo", "clip_high": 2]).isEmpty)
        #expect(refusal(["surrogate": "clipped_weight", "ratio_clip": 0.1]).isEmpty)
        let both = refusal(["surrogate": "clipped_weight", "ratio_clip": 0.1, "clip_high": 0.3])
        #expect(both.contains("ratio_clip is below the ratio"))
        #expect(refusal(["prompts": "p.jsonl", "world_seed": 2]).contains("world_seed is of the problems of a task"))
        #expect(refusal(["task": "world", "world_seed": 2]).isEmpty)
        #expect(refusal(["task": "world", "map": "prompt=q"]).contains("map is of problems from files"))
        #expect(refusal(["reward_seconds": 5]).contains("reward_seconds is of a reward program"))
        #expect(refusal(["reward_seconds": 5, "reward": "exact,./judge.py=0.5"]).isEmpty)
        // PPO's advantages are those of tokens, not of groups.
        var options = TrainingOptions(for: .proximal)
        #expect(message { try options.set("divides_by_deviation", false) }.contains("divides_by_deviation"))
        for (more, expected) in [
            (["kl_horizon": 20], "kl_horizon does nothing without a kl_target"),
            (["kl_target": 1, "kl_weight": 0], "kl_target multiplies kl_weight"),
            (["kl_place": "loss", "kl_weight": 0], "kl_place does nothing with kl_weight 0"),
            (["value_clip": 0.1, "value_weight": 0], "value_clip does nothing with value_weight 0"),
            (["text_rows": 2], "text_rows does nothing without texts"), (["text_rows": 2, "texts": "shards"], ""),
        ] as [([String: JSON], String)] {
            var options = TrainingOptions(for: .proximal)
            for (name, value) in more { try options.set(name, value) }
            let said = message { _ = try ResolvedOptions(options, vocabularySize: 9) }
            #expect(expected.isEmpty ? said.isEmpty : said.contains(expected), "\(said)")
        }
        let folder = try modelFolder("grpo-tools"), tools = try policyOptions(["tool_turns": 2])
        let said = message { _ = try trainer(folder + "/run", folder, tools) }
        #expect(said.contains("tool_turns does nothing without tools"), "\(said)")
    }

    /// `configuration.json` of a run has every option, also those that its method does not read.
    @Test(arguments: PolicyGradientOptions.Method.allCases)
    func theOptionsOfARunOfEveryMethodGiveItAgain(_ method: PolicyGradientOptions.Method) throws {
        var options = try policyOptions(["method": .string(method.rawValue)])
        let resolved = try ResolvedOptions(options, vocabularySize: 9)
        for flag in options.flags where !resolved[flag.option].isNull {
            try options.set(flag.option, resolved[flag.option])
        }
        #expect(try ResolvedOptions(options, vocabularySize: 9).run == resolved.run)
    }

    @Test func aRunWhoseLastSaveFailsIsAnError() throws {
        let folder = try modelFolder("grpo-full"), run = folder + "/run"
        let trainer = try trainer(run, folder, policyOptions(["steps": 2, "save_every": 1, "questions": 0]))
        let said = message {
            try trainer.train { event in
                guard case .step(let report) = event, report.step == 2 else { return }
                // A file where the last checkpoint wants its folder.
                close(creat(run + "/checkpoints/.step-00000002.partial", 0o600))
            }
        }
        #expect(said.contains("step 2 could not be saved") && said.contains("step-00000001 is good"), "\(said)")
        let config = try JSON(parsing: Folder.read(run + "/config.json"))
        #expect(config["dtype"] == "float32" && config["torch_dtype"] == "float32")
    }

    @Test func problemsFromAFileAreLearntAndSomeHeldOut() throws {
        let folder = try modelFolder("grpo-data")
        let lines = (0..<30).map { "{\"question\": \"say \($0)\", \"answer\": \"\($0)\", \"level\": \($0 % 3)}\n" }
        try AtomicFile.write(folder + "/problems.jsonl", bytes: Array(lines.joined().utf8))
        let task = try PromptTask(path: folder + "/problems.jsonl", heldOut: 200, seed: 1) { _ in true }
        #expect(task.heldOutCount(of: 200) == 3)
        // Each once in a time through them, in another order the next time.
        let orders = (0..<2).map { time in (0..<27).map { task.problem(time * 27 + $0, heldOut: false).answer ?? "" } }
        let held = Set((0..<3).map { task.problem($0, heldOut: true).answer ?? "" })
        #expect(Set(orders[0]).count == 27 && Set(orders[0]) == Set(orders[1]) && orders[0] != orders[1])
        #expect(held.isDisjoint(with: orders[0]) && held.count == 3)
        var levels: Set<Int> = []
        let seen = RewardSum([
            (
                Reward("level") { request in
                    levels.insert(request.columns["level"]?.integer ?? -1)
                    return request.reply.utf8.count % 2 == 0 ? 1 : 0
                }, 1
            )
        ])
        let trainer = try Trainer(
            run: folder + "/run", options: policyOptions(["steps": 3]), model: StartingModel(path: folder + "/model"),
            task: task, reward: seen)
        #expect(try trainer.train { _ in })
        #expect(!levels.isEmpty && levels.isSubset(of: [0, 1, 2]))
        #expect(try RunRecord(path: folder + "/run").scores.last?.count == 3)
        // Prompts alone are problems too.
        try AtomicFile.write(folder + "/alone.jsonl", bytes: Array("{\"prompt\": \"write a poem\"}\n".utf8))
        let alone = try PromptTask(path: folder + "/alone.jsonl", heldOut: 5, seed: 1) { _ in true }
        #expect(alone.problem(7, heldOut: false).messages.last?.content == "write a poem")
        #expect(alone.problem(0, heldOut: false).answer == nil && alone.heldOutCount(of: 5) == 0)
        #expect(
            message { _ = try PromptTask(path: folder + "/alone.jsonl", heldOut: 5, seed: 1) { _ in false } }
                .contains("no problem that fits"))
    }

    @Test func optionsSayTheirRangesAndWhoseTheyAre() throws {
        var options = TrainingOptions(for: .policy)
        #expect(message { try options.set("group_size", 0) }.contains("a whole number from 1 to 1024"))
        #expect(message { try options.set("temperature", 0) }.contains("expected a number from 0.01 to 10"))
        let said = message { try options.set("depth", 4) }
        #expect(said.contains("depth is no option of martlet grpo, but of martlet train"), "\(said)")
        #expect(message { try options.set("num_generations", 4) }.contains("did you mean \"group_size\""))
        var training = TrainingOptions()
        #expect(message { try training.set("updates", 2) }.contains("no option of martlet train, but of martlet grpo"))
        try options.set("optimizer", "lion")
        let resolved = try ResolvedOptions(options, vocabularySize: 0)
        #expect(resolved["learning_rate"] == 3e-5 && resolved["schedule"] == "constant" && resolved["steps"] == 60)
        #expect(resolved.yaml.contains("# group_size: 8") && !resolved.yaml.contains("context_length"))
        #expect(resolved.yaml.contains("martlet grpo --config run.yaml"))
    }
}

import MartletChat
import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletTensor
import MartletTraining
import Testing
import TinyModels

/// Runs that learn from pairs and from judged replies.
struct FeedbackRunTests: TinyRuns {
    /// Short pairs whose chosen side says "yes" and whose rejected side says "no".
    private func pairs(_ folder: String, count: Int = 24, name: String = "pairs.jsonl") throws -> String {
        let lines = (0..<count).map { index -> String in
            let line: JSON = [
                "prompt": .string("Is \(index) a number?"), "chosen": .string("yes, \(index)"),
                "rejected": .string("no \(index + 1)"), "margin": .number(Double(index % 3)),
            ]
            return line.text()
        }
        let path = "\(folder)/\(name)"
        try AtomicFile.write(path, bytes: Array((lines.joined(separator: "\n") + "\n").utf8))
        return path
    }

    private func options(_ command: RunCommand, _ data: String, _ more: [String: JSON] = [:]) throws -> TrainingOptions
    {
        var options = TrainingOptions(for: command)
        let usual: [String: JSON] = [
            "data": [.string(data)], "steps": 4, "batch_rows": 6, "micro_batches": 2, "context_length": 200,
            "learning_rate": 1e-3, "warmup": 0, "schedule": "constant", "save_every": 2, "evaluate_every": 2,
        ]
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, value) }
        return options
    }

    private func trainer(_ run: String, _ folder: String, _ options: TrainingOptions) throws -> Trainer {
        let model = try StartingModel(path: folder + "/model")
        let data = try Trainer.feedbackData(options, model)
        return options.command == .preferences
            ? try Trainer(run: run, options: options, model: model, feedback: data)
            : try Trainer(run: run, options: options, rewardModelFrom: model, pairs: data)
    }

    @Test(
        arguments: [
            (RunCommand.preferences, ["loss": "sigmoid"]), (.preferences, ["loss": "orpo", "precision": "bf16"]),
            (.preferences, ["loss": "kto", "optimizer": "lion"]),
            (.preferences, ["loss": "sigmoid=0.8,bco_pair=0.2,sft=1", "ema": 0.9, "recompute": "layers"]),
            (.rewardModel, ["centering": 0.01]),
        ] as [(RunCommand, [String: JSON])])
    func aRunThatIsResumedEndsWithTheSameBits(_ command: RunCommand, _ more: [String: JSON]) throws {
        let folder = try modelFolder("feedback")
        let options = try options(command, pairs(folder), more)
        var measures: [HeldOutMeasure] = []
        try trainer(folder + "/whole", folder, options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        #expect(measures.count == 3 && measures.allSatisfy { $0.loss.isFinite && $0.count > 0 })
        try trainInTwoGoes(stoppingAfter: 3) { try trainer(folder + "/parts", folder, options) }
        #expect(try weights(folder + "/whole") == weights(folder + "/parts"))
        let record = try RunRecord(path: folder + "/parts")
        #expect(record.steps.count == 4 && record.evaluations.map(\.step) == [0, 2, 4])
        // Pairs and judged replies are logged as they come.
        let table = try #require(record.tables.last).table, isScore = command == .rewardModel
        #expect(record.tables.map(\.step) == [4] && table.count == 6)
        guard table.kind == .pairs else {
            #expect(more["loss"] == "kto" && table.rows.count == 6)
            for row in table.rows {
                let isGood = row[text: "completion"]?.contains("yes") ?? false
                #expect(row[text: "label"] == (isGood ? "good" : "bad") && row["reward"] != nil)
            }
            return
        }
        #expect(more["loss"] != "kto" && table.rows.count == 4)
        for row in table.rows {
            #expect(row[text: "prompt"]?.contains("a number?") ?? false)
            #expect(row[text: "chosen"]?.contains("yes") ?? false && row[text: "rejected"]?.contains("no") ?? false)
            let sides = isScore ? ["score/chosen", "score/rejected"] : ["rewards/chosen", "rewards/rejected"]
            let margin = (row[sides[0]] ?? .nan) - (row[sides[1]] ?? .nan)
            #expect(abs(margin - (row[isScore ? "margin" : "rewards/margins"] ?? .infinity)) < 1e-6)
        }
        guard command == .preferences else { return }
        #expect(record.metrics["rewards/margins"]?.map(\.step) == [1, 2, 3, 4])
    }

    /// Before the first step policy and reference are one: the loss is ln 2, the margins 0; then the margins grow.
    @Test func marginsBeginAtZeroAndGrow() throws {
        let folder = try modelFolder("margins")
        let options = try options(.preferences, pairs(folder), ["steps": 12, "evaluate_every": 12, "batch_rows": 12])
        var losses: [Double] = [], margins: [Double] = [], measures: [HeldOutMeasure] = []
        try trainer(folder + "/run", folder, options).train {
            switch $0 {
            case .step(let report):
                losses.append(report.loss)
                margins.append(report["rewards/margins"] ?? .nan)
                for name in ["rewards/chosen", "rewards/accuracies", "logps/chosen", "logits/rejected", "entropy"] {
                    #expect(report[name] != nil, "\(name)")
                }
            case .measured(_, let measure): measures.append(measure)
            default: break
            }
        }
        #expect(abs(losses[0] - 0.693147) < 1e-5 && abs(margins[0]) < 1e-5)
        #expect(losses.last ?? 1 < 0.6 && margins.last ?? 0 > 0.2, "\(losses), \(margins)")
        let before = try #require(measures.first), after = try #require(measures.last)
        #expect(after.loss < before.loss && after.accuracy ?? 0 > 0.9)
        #expect(after["rewards/margins"] ?? 0 > 0)
    }

    /// How a step is cut does not change it.
    @Test(arguments: ["sigmoid", "orpo", "kto"]) func microBatchesMakeTheSameStep(_ loss: String) throws {
        let folder = try modelFolder("parts"), data = try pairs(folder)
        func losses(_ parts: Int) throws -> [Double] {
            let options = try options(
                .preferences, data, ["loss": .string(loss), "micro_batches": .integer(Int64(parts)), "steps": 2])
            var found: [Double] = []
            try trainer("\(folder)/run-\(parts)", folder, options).train {
                if case .step(let report) = $0 { found.append(report.loss) }
            }
            return found
        }
        for (one, three) in zip(try losses(1), try losses(3)) { #expect(abs(one - three) < 2e-5 * max(1, one)) }
    }

    @Test func theReferencesProbabilitiesAreKeptAndCanBeGiven() throws {
        let folder = try modelFolder("reference"), data = try pairs(folder)
        try trainer(folder + "/one", folder, options(.preferences, data)).train { _ in }
        let kept = folder + "/one/reference.safetensors"
        let given = try options(.preferences, data, ["reference": .string(kept)])
        try trainer(folder + "/two", folder, given).train { _ in }
        #expect(try weights(folder + "/one") == weights(folder + "/two"))
        // Another model as the reference makes other steps.
        let other = try options(.preferences, data, ["reference": .string(folder + "/one")])
        try trainer(folder + "/three", folder, other).train { _ in }
        #expect(try weights(folder + "/one") != weights(folder + "/three"))
        // Probabilities of other rows are refused.
        let fewer = try pairs(folder, count: 12, name: "fewer.jsonl")
        let refused = message {
            _ = try trainer(folder + "/four", folder, options(.preferences, fewer, ["reference": .string(kept)]))
        }
        #expect(refused.contains("computed from other rows"), "\(refused)")
        // And so is going on with other rows.
        let again = try trainer(folder + "/one", folder, options(.preferences, fewer))
        let changed = message { _ = try again.resume() }
        #expect(changed.contains("another feedback"), "\(changed)")
    }

    @Test func whatDoesNotFitIsCountedOrRefused() throws {
        let folder = try modelFolder("unfit")
        let path = folder + "/mixed.jsonl"
        let long = String(repeating: "long ", count: 60)
        let text = """
            {"prompt": "q", "chosen": "a", "rejected": "b"}
            {"prompt": "p", "chosen": "a", "rejected": "b"}
            {"prompt": "q", "chosen": "a", "rejected": "a"}
            {"prompt": "r", "chosen": "", "rejected": "a"}
            {"prompt": "r", "chosen": "b", "rejected": " "}
            {"prompt": "\(long)", "chosen": "a", "rejected": "b"}
            """
        try AtomicFile.write(path, bytes: Array(text.utf8))
        let model = try StartingModel(path: folder + "/model")
        let data = try Trainer.feedbackData(options(.preferences, path), model)
        #expect(data.count == 2 && data.tally[.equalPair] == 1 && data.tally[.longPair] == 1)
        #expect(data.tally[.emptyReply] == 2)
        let told = data.tally.entries.map(\.description)
        #expect(told.count == 3 && told.allSatisfy { $0.contains("mixed.jsonl") }, "\(told)")
        #expect(data.notes.first?.contains("is a pair") ?? false)
        // Judged replies cannot be compared.
        try AtomicFile.write(path, bytes: Array(#"{"prompt": "q", "completion": "a", "label": true}"#.utf8))
        let refused = message { _ = try Trainer.feedbackData(options(.preferences, path), model) }
        #expect(refused.contains("--loss kto") && refused.contains("line 1"), "\(refused)")
        let unknown = message {
            _ = try ResolvedOptions(options(.preferences, path, ["loss": "sigmoud"]), vocabularySize: 9)
        }
        #expect(unknown.contains("did you mean \"sigmoid\""), "\(unknown)")
    }

    /// What a loss does not read is refused, with the losses that do.
    @Test func optionsThatALossDoesNotReadAreRefused() throws {
        let direct = DirectPreferenceLoss.Kind.allCases.map(\.rawValue)
        let judged = JudgedPolicy.Kind.allCases.map(\.rawValue)
        let contrastive = ["cpo", "cpo_hinge", "cpo_ipo", "simpo"]
        let losses = direct + judged + contrastive + ["orpo"]
        let readers: [(String, JSON, [String])] = [
            ("label_smoothing", 0.1, ["sigmoid", "robust", "exo_pair", "aot", "aot_unpaired", "cpo", "simpo"]),
            ("sft_weight", 0.5, direct + contrastive), ("tail_weight", 0.5, direct),
            (
                "f_divergence", "forward_kl",
                ["sigmoid", "hinge", "ipo", "exo_pair", "robust", "discopop", "sigmoid_norm"]
            ),
            ("reference_free", true, direct), ("reference", "other", direct + judged), ("simpo_margin", 1, ["simpo"]),
            ("alphapo", 0.5, contrastive), ("discopop_tau", 0.1, ["discopop"]), ("desirable_weight", 2, judged),
            ("undesirable_weight", 0.5, judged),
        ]
        func refusal(_ loss: String, _ more: [String: JSON] = [:]) -> String {
            message {
                let options = try options(
                    .preferences, "pairs.jsonl", more.merging(["loss": .string(loss)]) { $1 })
                _ = try ResolvedOptions(options, vocabularySize: 9)
            }
        }
        for loss in losses {
            #expect(refusal(loss).isEmpty, "\(loss): \(refusal(loss))")
            for (option, value, takers) in readers {
                let said = refusal(loss, [option: value])
                guard !takers.contains(loss) else {
                    #expect(said.isEmpty, "\(loss), \(option): \(said)")
                    continue
                }
                #expect(said.contains("\(option) does nothing with loss \(loss)"), "\(loss), \(option): \(said)")
                #expect(takers.allSatisfy { said.contains($0) }, "\(said)")
            }
        }
        // Of several one that reads it is enough.
        #expect(refusal("hinge=0.5,sigmoid=0.5", ["label_smoothing": 0.1]).isEmpty)
        #expect(refusal("hinge=0.5,ipo=0.5", ["label_smoothing": 0.1]).contains("label_smoothing"))
        #expect(refusal("sigmoid", ["reference": "other", "reference_free": true]).contains("contradict"))
    }

    /// KTO's divergence is measured on replies to other prompts, where several rows have one prompt too.
    @Test func mismatchedRepliesAreToOtherPrompts() throws {
        let folder = try modelFolder("mismatched"), path = folder + "/judged.jsonl"
        let lines = (0..<20).map {
            #"{"prompt": "q\#($0 / 4)", "completion": "reply \#($0)", "label": \#($0 % 3 == 0)}"#
        }
        try AtomicFile.write(path, bytes: Array(lines.joined(separator: "\n").utf8))
        let model = try StartingModel(path: folder + "/model")
        for source in [try pairs(folder), path] {
            let options = try options(.preferences, source, ["loss": "kto", "validation": 0.4])
            let data = try Trainer.feedbackData(options, model)
            func cut(_ row: JudgedSequence) -> (prompt: [Int32], reply: [Int32]) {
                let start = row.sequence.isTrained.firstIndex(of: true) ?? 0
                return (Array(row.sequence.tokens[..<start]), Array(row.sequence.tokens[start...]))
            }
            let rows = data.judged.map(cut), others = data.mismatched.map(cut)
            #expect(data.heldOutCount > 2 && rows.count == others.count)
            for (row, other) in zip(rows, others) {
                #expect(row.prompt == other.prompt)
                #expect(!rows.contains { $0.prompt == other.prompt && $0.reply == other.reply })
            }
        }
    }

    /// The likelihood of held-out replies is a mean over all their tokens, however many are computed at once.
    @Test func theLikelihoodOfHeldOutRepliesIsAMeanOverTheirTokens() throws {
        let folder = try modelFolder("likelihood"), path = folder + "/uneven.jsonl"
        let lines = (0..<24).map { index -> String in
            let line: JSON = [
                "prompt": .string("Is \(index) a number?"), "rejected": .string("no"),
                "chosen": .string(String(repeating: "yes ", count: 1 + index * 7 % 11)),
            ]
            return line.text()
        }
        try AtomicFile.write(path, bytes: Array(lines.joined(separator: "\n").utf8))
        let options = try options(
            .preferences, path, ["loss": "sigmoid=0,sft=1", "validation": 0.5, "steps": 1, "evaluate_every": 1])
        let data = try Trainer.feedbackData(options, StartingModel(path: folder + "/model"))
        let held = data.pairs.suffix(data.heldOutCount)
        #expect(held.count == 12)
        var measures: [HeldOutMeasure] = []
        try trainer(folder + "/run", folder, options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        let tokens = Double(held.reduce(0) { $0 + $1.chosen.trainedCount }), before = try #require(measures.first)
        let wanted = -(before["logps/chosen"] ?? .nan) * Double(held.count) / tokens
        #expect(abs((before["nll_loss"] ?? .nan) - wanted) < 1e-4 * wanted, "\(before.metrics)")
        #expect(abs(before.loss - wanted) < 1e-4 * wanted, "\(before.loss) for \(wanted)")
    }

    /// The prompts of held-out rows are none of those that are learnt.
    @Test func promptsStandOnOneSide() throws {
        let folder = try modelFolder("split")
        let lines = (0..<40).map { #"{"prompt": "q\#($0 / 4)", "chosen": "a\#($0)", "rejected": "b\#($0)"}"# }
        let path = folder + "/pairs.jsonl"
        try AtomicFile.write(path, bytes: Array(lines.joined(separator: "\n").utf8))
        let data = try Trainer.feedbackData(
            options(.preferences, path, ["validation": 0.3]), StartingModel(path: folder + "/model"))
        #expect(data.heldOutCount == 12)
        func prompt(_ pair: Comparison) -> [Int32] {
            Array(pair.chosen.tokens[..<(pair.chosen.isTrained.firstIndex(of: true) ?? 0)])
        }
        let learnt = Set(data.pairs.prefix(data.trainingCount).map(prompt))
        #expect(data.pairs.suffix(12).allSatisfy { !learnt.contains(prompt($0)) })
        // Ten folds of a tenth hold out every prompt once.
        var held: [[Int32]] = []
        for fold in 0..<10 {
            let part = try Trainer.feedbackData(
                options(.preferences, path, ["validation_fold": .integer(Int64(fold))]),
                StartingModel(path: folder + "/model"))
            #expect(part.heldOutCount == 4)
            held.append(prompt(part.pairs[part.count - 1]))
        }
        #expect(Set(held).count == 10)
    }

    /// Numbers of scipy's binomtest(k, n).proportion_ci(method="wilson").
    @Test func sharesHaveWilsonsInterval() {
        let found = HeldOutMeasure.interval(share: 0.7, of: 30)
        #expect(abs(found.lowerBound - 0.52124) < 1e-4 && abs(found.upperBound - 0.83335) < 1e-4)
        #expect(HeldOutMeasure.interval(share: 1, of: 10).upperBound > 0.9999)
    }

    /// Votes as the chat page exports them (`preferencesToJSONL`), a vote for the same answer twice among them.
    @Test func votesOfTheChatPageAreLearnt() throws {
        let folder = try modelFolder("votes"), path = folder + "/preferences.jsonl"
        let lines = (0..<12).map { index in
            #"{"prompt":[{"role":"system","content":"Be brief."},{"role":"user","content":"What is \#(index)?"}],"#
                + #""chosen":[{"role":"assistant","content":"It is \#(index)."}],"#
                + #""rejected":[{"role":"assistant","content":"\#(index == 5 ? "It is 5." : "No.")"}]}"#
        }
        try AtomicFile.write(path, bytes: Array((lines.joined(separator: "\n") + "\n").utf8))
        let options = try options(.preferences, path, ["steps": 2, "batch_rows": 4])
        let data = try Trainer.feedbackData(options, StartingModel(path: folder + "/model"))
        #expect(data.kind == .pairs && data.count == 11)
        #expect(data.tally.entries.contains { $0.kind == .equalPair && $0.count == 1 })
        #expect(try trainer(folder + "/dpo", folder, options).train { _ in })
    }

    /// Replies in steps make a model of two classes at the end of each.
    @Test func stepsMakeAProcessRewardModel() throws {
        let folder = try modelFolder("prm"), path = folder + "/steps.jsonl"
        let lines = (0..<24).map {
            #"{"prompt": "sum \#($0)", "completions": ["good \#($0)", "bad \#($0 % 3)"], "labels": [true, false]}"#
        }
        try AtomicFile.write(path, bytes: Array(lines.joined(separator: "\n").utf8))
        let options = try options(.rewardModel, path, ["steps": 12, "batch_rows": 12, "learning_rate": 3e-3])
        var measures: [HeldOutMeasure] = []
        try trainer(folder + "/prm", folder, options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        #expect(measures.last?.accuracy ?? 0 > 0.9 && measures.last?.unit == "steps" && measures.last?.count == 4)
        let config = try JSON(parsing: Folder.read(folder + "/prm/config.json"))
        #expect(config["architectures"]?.array?.first?.string == "LlamaForTokenClassification")
        #expect(try TensorFiles.open(folder + "/prm").tensor("score.bias").shape == [2])
        // It judges replies, a step a line.
        let scorer = try StepRewardScorer(path: folder + "/prm")
        let asked = [ChatMessage(role: "user", content: "sum 3")]
        let replies = ["good 3", "good 3\nbad 1", ""].map { RewardRequest(prompt: asked, reply: $0) }
        let steps = try scorer.steps(replies)
        #expect(steps.map(\.count) == [1, 2, 0] && steps[0][0] > 0.5 && steps[1][1] < 0.5)
        let sum = try RewardSum("\(folder)/prm@product,\(folder)/prm=0.5")
        let totals = try sum(replies).totals
        #expect(abs(totals[1] - (steps[1][0] * steps[1][1] + 0.5 * (steps[1].min() ?? 0))) < 1e-9 && totals[2] == 0)
        #expect(throws: RewardError.self) { try RewardSum("\(folder)/prm@sum") }
    }

    /// A reward model is a folder with a score head, under transformers' name for it.
    @Test func aRewardModelIsPublishedAsAClassifier() throws {
        let folder = try modelFolder("rm")
        let options = try options(.rewardModel, pairs(folder), ["steps": 10, "batch_rows": 12, "learning_rate": 3e-3])
        var measures: [HeldOutMeasure] = []
        try trainer(folder + "/rm", folder, options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        #expect(measures.last?.accuracy ?? 0 > 0.9)
        let config = try JSON(parsing: Folder.read(folder + "/rm/config.json"))
        #expect(config["architectures"]?.array?.first?.string == "LlamaForSequenceClassification")
        #expect(
            config["num_labels"]?.integer == 1 && config["pad_token_id"]?.integer != config["eos_token_id"]?.integer)
        let file = try TensorFiles.open(folder + "/rm")
        #expect(try file.tensor("score.weight").shape[0] == 1)
        #expect(file.entry("lm_head.weight") == nil)
    }
}

import MartletData
import MartletFormats
import MartletInference
import MartletJSON
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

struct DistillationTests: TinyRuns {
    private func data(_ folder: String) throws -> String {
        let lines = (0..<20).map { index -> String in
            let line: JSON = [
                "messages": [
                    ["role": "user", "content": .string("What is \(index)?")],
                    ["role": "assistant", "content": .string("It is \(index + 1).")],
                ]
            ]
            return line.text()
        }
        let path = folder + "/chat.jsonl"
        try AtomicFile.write(path, bytes: Array(lines.joined(separator: "\n").utf8))
        return path
    }

    private func options(_ data: String, _ more: [String: JSON]) throws -> TrainingOptions {
        var options = TrainingOptions(for: .distillation)
        var usual: [String: JSON] = [
            "data": [.string(data)], "steps": 4, "batch_rows": 4, "micro_batches": 2, "context_length": 128,
            "learning_rate": 1e-3, "warmup": 0, "schedule": "constant", "save_every": 2, "evaluate_every": 2,
        ]
        if more["on_policy"] != nil || more["level"] != nil { usual["maximum_tokens"] = 20 }
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, value) }
        return options
    }

    /// The student has other weights than the teacher, and the same vocabulary.
    private func folders(_ name: String) throws -> String {
        let folder = try modelFolder(name)
        var student = TinyModel()
        student.contextLength = 256
        student.seed = 77
        mkdir(folder + "/student", 0o755)
        try student.write(folder: folder + "/student")
        return folder
    }

    private func trainer(_ run: String, _ folder: String, _ options: TrainingOptions) throws -> Trainer {
        let model = try StartingModel(path: folder + "/student")
        return try Trainer(
            run: run, options: options, student: model, teacher: ModelFiles(path: folder + "/model"),
            data: Trainer.distillationData(options, model))
    }

    @Test(
        arguments: [
            [:], ["divergence": 1, "temperature": 2], ["divergence": 0.5, "on_policy": 0.5, "hard_weight": 0.3],
            ["teacher_top": 5], ["level": "sequence"],
        ] as [[String: JSON]])
    func aRunThatIsResumedEndsWithTheSameBits(_ more: [String: JSON]) throws {
        let folder = try folders("distill"), options = try options(data(folder), more)
        var measures: [HeldOutMeasure] = []
        try trainer(folder + "/whole", folder, options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        #expect(measures.count == 3 && measures.allSatisfy { $0.loss.isFinite })
        try trainInTwoGoes(stoppingAfter: 3) { try trainer(folder + "/parts", folder, options) }
        #expect(try weights(folder + "/whole") == weights(folder + "/parts"))
    }

    /// With level sequence the teacher's replies are learnt: what is of its distribution is refused, and so are replies that
    /// the student would learn from itself.
    @Test func whatALevelDoesNotReadIsRefused() throws {
        func refusal(_ more: [String: JSON]) -> String {
            message { _ = try ResolvedOptions(options("chat.jsonl", more), vocabularySize: 9) }
        }
        let others: [(String, JSON)] = [
            ("on_policy", 0.5), ("divergence", 0.5), ("temperature", 2), ("hard_weight", 0.5), ("teacher_top", 5),
        ]
        for (name, value) in others {
            #expect(refusal([name: value]).isEmpty)
            let said = refusal([name: value, "level": "sequence"])
            #expect(said.contains("\(name) is of level token"), "\(said)")
        }
        // How replies are written is read where some are.
        for (name, value) in [("maximum_tokens", 20), ("draw_temperature", 0.5)] as [(String, JSON)] {
            let said = refusal([name: value])
            #expect(said.contains("\(name) is of replies that are written") && said.contains("on_policy"), "\(said)")
            #expect(refusal([name: value, "on_policy": 0.5]).isEmpty)
            #expect(refusal([name: value, "level": "sequence"]).isEmpty)
        }
        #expect(refusal(["teacher": "http://host/v1", "level": "sequence"]).isEmpty)
        for name in ["teacher_name", "teacher_key_variable"] {
            #expect(refusal(["teacher": "http://host/v1", name: "x"]).isEmpty)
            #expect(refusal(["teacher": "folder", name: "x"]).contains("\(name) is of a teacher behind a URL"))
        }
    }

    /// A student writes to no prompt whose reply is held out.
    @Test func heldOutPromptsAreNotWrittenTo() throws {
        let folder = try folders("prompts")
        let options = try options(data(folder), ["validation": 0.3, "on_policy": 1])
        let data = try Trainer.distillationData(options, StartingModel(path: folder + "/student"))
        #expect(data.prompts.count == 20 && data.heldOutCount == 6 && data.trainingPrompts.count == 14)
        for held in data.sequences.suffix(6) {
            #expect(!data.trainingPrompts.contains { held.tokens.starts(with: $0) })
        }
        for learnt in data.sequences.prefix(14) {
            #expect(data.trainingPrompts.contains { learnt.tokens.starts(with: $0) })
        }
    }

    /// The student comes nearer to its teacher on what is held out.
    @Test(arguments: [0.0, 0.5, 1]) func theStudentComesNearer(_ weight: Double) throws {
        let folder = try folders("nearer")
        let options = try options(
            data(folder), ["divergence": .number(weight), "steps": 30, "evaluate_every": 30, "learning_rate": 3e-3])
        var losses: [Double] = []
        try trainer(folder + "/run", folder, options).train {
            if case .measured(_, let measure) = $0 { losses.append(measure.loss) }
        }
        #expect(losses.count == 2 && losses[1] < 0.9 * losses[0], "\(losses)")
    }
}

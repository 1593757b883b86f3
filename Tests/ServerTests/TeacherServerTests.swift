import Foundation
import Martlet
import MartletServer
import Testing
import TinyModels

/// A server of this program as the teacher of `distill` and as the judge of `constitution`, over the wire.
struct TeacherServerTests {
    private static let exact: ModelSettings = {
        var settings = ModelSettings()
        settings.precision = .exact
        return settings
    }()

    private static func write(_ lines: [String], to path: String) throws -> String {
        try AtomicFile.write(path, bytes: Array(lines.joined(separator: "\n").utf8))
        return path
    }

    /// Of each step and each look at held-out texts.
    private static func losses(_ trainer: Trainer) throws -> [Double] {
        var found: [Double] = []
        try trainer.train {
            if case .measured(_, let measure) = $0 { found.append(measure.loss) }
            if case .step(let step) = $0 { found.append(step.loss) }
        }
        return found
    }

    private static func options(_ folder: String, _ more: [String: JSON] = [:]) throws -> TrainingOptions {
        let lines = (0..<20).map {
            """
            {"messages": [{"role": "user", "content": "What is \($0)?"}, {"role": "assistant", "content": "It is \($0 + 1)."}]}
            """
        }
        var options = TrainingOptions(for: .distillation)
        var usual: [String: JSON] = [
            "data": [.string(try write(lines, to: folder + "/chat.jsonl"))], "steps": 4, "batch_rows": 4,
            "micro_batches": 2, "context_length": 128, "learning_rate": 1e-3, "warmup": 0, "schedule": "constant",
            "evaluate_every": 2, "teacher_top": 5,
        ]
        if more["on_policy"] != nil || more["level"] != nil { usual["maximum_tokens"] = 20 }
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, value) }
        return options
    }

    private static func student(_ folder: String) throws -> StartingModel {
        let path = folder + "/student"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        var student = TinyModel()
        (student.contextLength, student.seed) = (256, 77)
        try student.write(folder: path)
        return try StartingModel(path: path)
    }

    /// The same losses as with the teacher's files in this process.
    @Test func itsLogProbabilitiesTeachAsTheModelDoes() async throws {
        try await RunningServer.with(["tiny"], loading: Self.exact) { server in
            let folder = server.folder, url = "http://127.0.0.1:\(server.port)/v1"
            let (remote, local) = try await RawSocket.away { () throws -> ([Double], [Double]) in
                let given = try Self.options(folder, ["teacher": .string(url), "teacher_name": "tiny"])
                var model = try Self.student(folder)
                let remote = try Self.losses(
                    Trainer(
                        run: folder + "/remote", options: given, student: model, remote: RemoteTeacher(given, model),
                        data: Trainer.distillationData(given, model)))
                let own = try Self.options(folder)
                model = try Self.student(folder)
                let local = try Self.losses(
                    Trainer(
                        run: folder + "/local", options: own, student: model,
                        teacher: ModelFiles(path: folder + "/tiny"), data: Trainer.distillationData(own, model)))
                return (remote, local)
            }
            #expect(remote.count == local.count && remote.count > 4)
            for (one, other) in zip(remote, local) { #expect(abs(one - other) < 1e-3 * max(1, abs(other))) }
        }
    }

    @Test func itsRepliesAreLearnt() async throws {
        try await RunningServer.with(["tiny"], loading: Self.exact) { server in
            let folder = server.folder, url = "http://127.0.0.1:\(server.port)/v1"
            let (losses, kept) = try await RawSocket.away { () throws -> ([Double], String) in
                let given = try Self.options(
                    folder, ["teacher": .string(url), "teacher_name": "tiny", "level": "sequence"])
                let model = try Self.student(folder)
                let losses = try Self.losses(
                    Trainer(
                        run: folder + "/run", options: given, student: model, remote: RemoteTeacher(given, model),
                        data: Trainer.distillationData(given, model)))
                return (losses, String(decoding: try Folder.read(folder + "/run/teacher.jsonl"), as: UTF8.self))
            }
            #expect(losses.count > 4 && losses.allSatisfy(\.isFinite))
            #expect(kept.split(separator: "\n").count == 21)
        }
    }

    /// A model that answers A or B, by a direction of its last hidden state.
    private static func writeJudge(_ folder: String) throws {
        var model = TinyModel()
        model.contextLength = 1024
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try model.write(folder: folder)
        let tokenizer = try Tokenizer(folder: folder), file = try SafetensorsFile(path: folder + "/model.safetensors")
        let sides = ["A", "B"].compactMap { tokenizer.id(of: $0) }
        #expect(sides.count == 2)
        let tensors = try file.names.map { name -> (String, Tensor) in
            let tensor = try file.tensor(name).copied()
            guard name == "lm_head.weight" else { return (name, tensor) }
            let width = tensor.shape[1]
            try tensor.withMutableHostValues { values in
                for column in 0..<width {
                    let share: Float = column % 3 == 0 ? 40 : -20
                    values[Int(sides[0]) * width + column] = share
                    values[Int(sides[1]) * width + column] = -share
                }
            }
            return (name, tensor)
        }
        try SafetensorsWriter.write(tensors, to: folder + "/model.safetensors")
    }

    /// The same rows as with the judge's files in this process.
    @Test func itJudgesAsItsModelDoes() async throws {
        let place = NSTemporaryDirectory() + "martlet-judge-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: place) }
        try Self.writeJudge(place + "/judge")
        try await RunningServer.with(["judge"], at: ["judge": place + "/judge"], loading: Self.exact) { server in
            let url = "http://127.0.0.1:\(server.port)/v1"
            let (remote, local, byLetter) = try await RawSocket.away { () throws -> ([JSON], [JSON], Int) in
                let prompts = (0..<24).map { [ChatMessage(role: "user", content: "What is \($0)?")] }
                var options = ConstitutionOptions()
                options.maximumTokens = 12
                let model = try LanguageModel(path: place + "/judge", precision: .exact)
                let rules = Constitution([.init("Be brief.")])
                let judge = RemoteJudge(try TeacherConnection(url: url, role: "judge"), name: "judge")
                func rows(_ maker: ConstitutionRows, _ name: String) throws -> [JSON] {
                    let path = "\(place)/\(name).jsonl"
                    _ = try maker.write(prompts, to: path, source: "these") { _, _ in true }
                    return try String(decoding: Folder.read(path), as: UTF8.self).split(separator: "\n")
                        .map { try JSON(parsing: String($0)) }
                }
                let remote = try rows(ConstitutionRows(model, judge: judge, by: rules, options), "remote")
                let local = try rows(ConstitutionRows(model, by: rules, options), "local")
                return (remote, local, judge.answersByLetter)
            }
            #expect(!remote.isEmpty && byLetter == 0)
            var decided = 0
            for one in remote {
                guard let other = local.first(where: { $0["prompt"] == one["prompt"] }) else { continue }
                let chances = [one, other].map { $0["probability"]?.double ?? 0 }
                // Where neither letter is likely, the judge behind a URL reads on, since an answer may begin with a mark:
                // those rows are not the same, and may be ties in one of both alone. Where both orders are decided the mean is 0
                // or 1.
                guard [0, 1].contains(where: { abs(chances[1] - $0) < 1e-6 }) else { continue }
                decided += 1
                #expect(abs(chances[0] - chances[1]) < 0.05, "\(chances)")
                if chances[1] > 0.6 { #expect(one["chosen"] == other["chosen"]) }
            }
            #expect(decided > 0)
        }
    }
}

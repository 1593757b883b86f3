import Foundation
import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers
import MartletTraining
import Synchronization
import TestServers
import Testing
import TinyModels

/// A teacher behind a URL: a server of the test's own answers in the wire format of `martlet serve` and vLLM, computed by the
/// teacher's model, so that learning from it can be compared with learning from the model itself.
@Suite(.serialized) struct RemoteTeacherTests: TinyRuns {
    /// What a server gives.
    enum Manner: Sendable { case prompt, echo, few, nothing }

    /// A server that says what a model finds likely.
    final class Service: Sendable {
        let manner: Manner
        let decoder: Mutex<Decoder>
        let tokenizer: Tokenizer
        let requests = Mutex(0)
        /// Requests that are answered with 503 before any is answered.
        let failures: Mutex<Int>

        init(_ path: String, _ manner: Manner, failures: Int = 0) throws {
            let files = try ModelFiles(path: path)
            self.manner = manner
            decoder = Mutex(try files.checkpoint.decoder())
            tokenizer = try files.tokenizer()
            self.failures = Mutex(failures)
        }

        func serve(_ connection: SocketServer.Connection) {
            while let request = connection.request() {
                requests.withLock { $0 += 1 }
                let fails = failures.withLock { left in
                    left -= 1
                    return left >= 0
                }
                if fails {
                    connection.answer(
                        #"{"error":{"message":"overloaded"}}"#, status: "503 Unavailable", "Retry-After: 0\r\n")
                    continue
                }
                do {
                    let body = try JSON(parsing: request.body)
                    let answer = try request.line.contains("/chat/completions") ? chat(body) : completion(body)
                    connection.answer(answer.text())
                } catch {
                    connection.answer(#"{"error":{"message":"\#(error)"}}"#, status: "400 Bad")
                }
            }
        }

        private func chat(_ body: JSON) -> JSON {
            let last = body["messages"]?.array?.last?["content"]?.string ?? ""
            return [
                "choices": [
                    [
                        "index": 0, "message": ["role": "assistant", "content": .string("You said: " + last)],
                        "finish_reason": "stop",
                    ]
                ]
            ]
        }

        private func completion(_ body: JSON) throws -> JSON {
            let prompts = body["prompt"]?.array ?? []
            return [
                "choices": .array(
                    try prompts.enumerated().map { index, prompt in
                        let tokens = (prompt.array ?? []).compactMap { $0.integer.flatMap { Int32(exactly: $0) } }
                        var choice: JSONObject = ["index": .integer(Int64(index)), "text": ""]
                        guard manner != .nothing else { return .object(choice) }
                        let wanted = body["prompt_logprobs"]?.integer ?? body["logprobs"]?.integer ?? 0
                        let asked = manner == .few ? min(2, wanted) : wanted
                        let rows = try likeliest(tokens, asked)
                        if manner != .echo, body["prompt_logprobs"] != nil {
                            choice["prompt_logprobs"] = .array(
                                [.null]
                                    + rows.map { row in
                                        .object(
                                            JSONObject(
                                                row.map { token, value in
                                                    (
                                                        String(token),
                                                        [
                                                            "logprob": .number(Double(value)),
                                                            "decoded_token": .string(text(token)),
                                                        ] as JSON
                                                    )
                                                }))
                                    })
                        }
                        if manner == .echo, body["echo"]?.bool == true {
                            choice["logprobs"] = [
                                "tokens": .array(tokens.map { .string(text($0)) }),
                                "top_logprobs": .array(
                                    [.null]
                                        + rows.map { row in
                                            .object(JSONObject(row.map { ("token_id:\($0)", .number(Double($1))) }))
                                        }),
                            ]
                        }
                        return .object(choice)
                    })
            ]
        }

        private func text(_ token: Int32) -> String {
            String(decoding: tokenizer.bytes(of: token) ?? [], as: UTF8.self)
        }

        private func likeliest(_ tokens: [Int32], _ count: Int) throws -> [[(Int32, Float)]] {
            try decoder.withLock { decoder in
                try noGrad {
                    let inputs = Array(tokens.dropLast())
                    let hidden = try decoder.hiddenStates(inputs, segments: [0..<inputs.count])
                    let logits = try Fused.linear(hidden, [(decoder.headWeight, nil)])[0]
                    let best = try logits.logSoftmax(axis: 1).topK(count, axis: 1)
                    let values: [Float] = try best.values.contiguous().toArray()
                    let ids: [Int64] = try best.indices.contiguous().to(.int64).toArray()
                    return (0..<inputs.count).map { row in
                        (0..<count).map { (Int32(ids[row * count + $0]), values[row * count + $0]) }
                    }
                }
            }
        }
    }

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

    private func options(_ data: String, _ more: [String: JSON] = [:]) throws -> TrainingOptions {
        var options = TrainingOptions(for: .distillation)
        var usual: [String: JSON] = [
            "data": [.string(data)], "steps": 4, "batch_rows": 4, "micro_batches": 2, "context_length": 128,
            "learning_rate": 1e-3, "warmup": 0, "schedule": "constant", "save_every": 2, "evaluate_every": 2,
            "teacher_top": 5,
        ]
        if more["on_policy"] != nil || more["level"] != nil { usual["maximum_tokens"] = 20 }
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, value) }
        return options
    }

    private func folders(_ name: String) throws -> String {
        let folder = try modelFolder(name)
        var student = TinyModel()
        student.contextLength = 256
        student.seed = 77
        try FileManager.default.createDirectory(atPath: folder + "/student", withIntermediateDirectories: true)
        try student.write(folder: folder + "/student")
        return folder
    }

    private func trainer(_ run: String, _ folder: String, _ options: TrainingOptions) throws -> Trainer {
        let model = try StartingModel(path: folder + "/student")
        return try Trainer(
            run: run, options: options, student: model, remote: RemoteTeacher(options, model),
            data: Trainer.distillationData(options, model))
    }

    private func losses(_ trainer: Trainer) throws -> [Double] {
        var found: [Double] = []
        try trainer.train {
            if case .measured(_, let measure) = $0 { found.append(measure.loss) }
            if case .step(let step) = $0 { found.append(step.loss) }
        }
        return found
    }

    /// The same losses, steps and evaluations, as with the model itself in this process; and nothing is asked twice.
    @Test(arguments: [Manner.prompt, .echo]) func aServerTeachesAsItsModelDoes(_ manner: Manner) throws {
        let folder = try folders("remote"), service = try Service(folder + "/model", manner)
        let server = SocketServer { service.serve($0) }
        defer { server.stop() }
        let data = try data(folder)
        let remote = try options(data, ["teacher": .string(server.url + "/v1")])
        let found = try losses(trainer(folder + "/remote", folder, remote))
        let model = try StartingModel(path: folder + "/student"), own = try options(data)
        let local = try Trainer(
            run: folder + "/local", options: own, student: model, teacher: ModelFiles(path: folder + "/model"),
            data: Trainer.distillationData(own, model))
        let expected = try losses(local)
        #expect(found.count == expected.count && found.count > 4)
        for (one, other) in zip(found, expected) { #expect(abs(one - other) < 1e-4 * max(1, abs(other))) }
        let asked = service.requests.withLock { $0 }
        _ = try losses(trainer(folder + "/remote2", folder, remote))
        let again = service.requests.withLock { $0 }
        #expect(again == 2 * asked)
        // A run that goes on has what was said.
        let resumed = try trainer(folder + "/remote", folder, remote)
        #expect(try resumed.resume().checkpoint?.step == 4)
        #expect(service.requests.withLock { $0 } == again)
    }

    /// Fewer candidates than were asked for make the rest impossible, which is told.
    @Test(arguments: [Manner.prompt, .few]) func missingCandidatesAreCounted(_ manner: Manner) throws {
        let folder = try folders("few"), service = try Service(folder + "/model", manner)
        let server = SocketServer { service.serve($0) }
        defer { server.stop() }
        let remote = RemoteTeacher(try TeacherConnection(url: server.url + "/v1"), name: "big", top: 5)
        let tokenizer = try StartingModel(path: folder + "/student").tokenizer
        let tokens = try tokenizer.encode("What is this?", addSpecialTokens: false)
        let rows = try remote.likeliest([tokens], tokenizer)
        #expect(rows[0].count == tokens.count - 1 && rows[0][0].count == (manner == .few ? 2 : 5))
        let missing = remote.missingCandidates
        #expect(manner == .few ? missing?.share == 1 && missing?.fewest == 2 : missing == nil)
    }

    @Test func repliesOfTheStudentAreAskedAbout() throws {
        let folder = try folders("remote-policy"), service = try Service(folder + "/model", .prompt)
        let server = SocketServer { service.serve($0) }
        defer { server.stop() }
        let options = try options(
            data(folder), ["teacher": .string(server.url + "/v1"), "on_policy": 1, "divergence": 0.5])
        let found = try losses(trainer(folder + "/run", folder, options))
        #expect(found.allSatisfy(\.isFinite) && found.count > 4)
    }

    @Test func whatItWritesIsLearnt() throws {
        let folder = try folders("remote-text"), service = try Service(folder + "/model", .nothing)
        let server = SocketServer { service.serve($0) }
        defer { server.stop() }
        let options = try options(data(folder), ["teacher": .string(server.url + "/v1"), "level": "sequence"])
        let found = try losses(trainer(folder + "/run", folder, options))
        #expect(found.allSatisfy(\.isFinite) && found.count > 4)
        let text = try String(decoding: Folder.read(folder + "/run/teacher.jsonl"), as: UTF8.self)
        #expect(text.split(separator: "\n").count == 21 && text.contains("You said: What is 3?"))
    }

    @Test func aServerWithoutLogProbabilitiesIsRefused() throws {
        let folder = try folders("remote-none"), service = try Service(folder + "/model", .nothing)
        let server = SocketServer { service.serve($0) }
        defer { server.stop() }
        let options = try options(data(folder), ["teacher": .string(server.url + "/v1")])
        do {
            _ = try trainer(folder + "/run", folder, options)
            Issue.record("a teacher that says nothing was taken")
        } catch let error as TeacherError {
            #expect(error.kind == .noLogProbabilities && error.description.contains("--level sequence"))
        }
    }

    @Test func failuresThatPassAreTriedAgain() throws {
        let folder = try folders("remote-retry"), service = try Service(folder + "/model", .prompt, failures: 2)
        let server = SocketServer { service.serve($0) }
        defer { server.stop() }
        let connection = try TeacherConnection(url: server.url + "/v1/", seconds: 600, retries: 2)
        let teacher = RemoteTeacher(connection, name: "big", top: 3)
        let rows = try teacher.likeliest([[1, 2, 3, 4]], service.tokenizer)
        #expect(rows.count == 1 && rows[0].count == 3 && rows[0].allSatisfy { $0.count == 3 })
        let short = try Service(folder + "/model", .prompt, failures: 9)
        let second = SocketServer { short.serve($0) }
        defer { second.stop() }
        let impatient = try TeacherConnection(url: second.url + "/v1", seconds: 600, retries: 1)
        do {
            _ = try impatient.post("/completions", [:])
            Issue.record("an answer with 503 was taken")
        } catch {
            #expect(error.kind == .refused && error.description.contains("overloaded"))
            #expect(error.description.contains("(2 attempts)"))
        }
    }

    @Test func aServerThatHangsOrIsGoneIsTold() throws {
        let server = SocketServer { connection in
            _ = connection.request()
            _ = connection.request()  // until the client leaves
        }
        defer { server.stop() }
        let connection = try TeacherConnection(url: server.url + "/v1", seconds: 2, retries: 0)
        do {
            _ = try connection.post("/completions", [:])
            Issue.record("nothing was answered")
        } catch {
            #expect(error.kind == .unreachable && error.description.contains("no answer within"))
        }
        let nobody = try TeacherConnection(url: "http://127.0.0.1:1/v1", seconds: 600, retries: 0)
        do { _ = try nobody.post("/completions", [:]) } catch { #expect(error.kind == .unreachable) }
        #expect(throws: TeacherError.self) { try TeacherConnection(url: "ftp://host/v1") }
    }
}

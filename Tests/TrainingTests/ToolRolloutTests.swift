import Foundation
import MartletChat
import MartletFormats
import MartletInference
import MartletJSON
import MartletTraining
import TestServers
import Testing
import TinyModels

/// Replies of several turns with a tool between them.
struct ToolRolloutTests: TinyRuns {
    private static let definition: JSON = [
        "name": "next", "description": "The number after n.",
        "parameters": ["type": "object", "properties": ["n": ["type": "integer"]]],
    ]
    private var tool: RolloutTool {
        RolloutTool("next", "The number after n.", parameters: Self.definition["parameters"] ?? .null) { arguments in
            "\((arguments["n"]?.integer ?? 0) + 1)"
        }
    }

    private struct Asked: VerifiableTask {
        let name = "next"
        func problem(_ index: Int, heldOut: Bool) -> VerifiableProblem {
            VerifiableProblem(messages: [ChatMessage(role: "user", content: "After \(index % 3)?")], answer: "4")
        }
    }

    /// A model that has learnt by heart to call the tool and to say what it says.
    private func caller() throws -> String {
        let folder = try emptyFolder("tools")
        var tiny = TinyModel()
        tiny.contextLength = 1024
        try FileManager.default.createDirectory(atPath: folder + "/model", withIntermediateDirectories: true)
        try tiny.write(folder: folder + "/model")
        let rows = (0..<3).map { number -> String in
            let row: JSON = [
                "messages": [
                    ["role": "user", "content": .string("After \(number)?")],
                    [
                        "role": "assistant", "content": "",
                        "tool_calls": [
                            [
                                "type": "function",
                                "function": ["name": "next", "arguments": ["n": .integer(Int64(number))]],
                            ]
                        ],
                    ],
                    ["role": "tool", "content": .string("\(number + 1)")],
                    ["role": "assistant", "content": "Done."],
                ],
                "tools": [["type": "function", "function": Self.definition]],
            ]
            return row.text()
        }
        try AtomicFile.write(folder + "/rows.jsonl", bytes: Array((rows.joined(separator: "\n") + "\n").utf8))
        var tuning = TrainingOptions(for: .tuning)
        for (key, value) in [
            "batch_rows": "1", "context_length": "1000", "steps": "90", "validation": "0", "learning_rate": "5e-3",
            "data": folder + "/rows.jsonl", "weight_decay": "0",
        ] { try tuning.set(key, text: value) }
        let start = try StartingModel(path: folder + "/model")
        try SupervisedRows.pack(start, tuning, into: folder + "/data")
        let trainer = try Trainer(
            run: folder + "/caller", options: tuning, data: TrainingData([DataPortion(folder + "/data")]), from: start)
        try trainer.train { _ in }
        return folder
    }

    private func policy(_ more: [String: String] = [:]) throws -> TrainingOptions {
        var options = TrainingOptions(for: .policy)
        let usual = [
            "steps": "4", "problems": "3", "group_size": "4", "maximum_tokens": "90", "questions": "3",
            "evaluate_every": "2", "save_every": "2", "learning_rate": "1e-4", "tool_turns": "2",
        ]
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, text: value) }
        return options
    }

    /// Calls are answered, what the tool says is read and not learnt, and training finds the probabilities of drawing.
    @Test func aToolStandsBetweenTurns() throws {
        let folder = try caller(), model = try StartingModel(path: folder + "/caller")
        let encoder = try model.chatEncoder()
        let dialogues = try ToolDialogues([tool], turns: 2, encoder: encoder)
        let engine = RolloutEngine(
            decoder: model.decoder, endTokens: model.tokenizer.eosTokens, maximumTokens: 90, temperature: 0.7)
        let task = Asked()
        let (rollouts, metrics) = try dialogues.replies(
            engine, to: (0..<3).map { task.problem($0, heldOut: false).messages }, copies: 4, seed: 5)
        #expect(rollouts.count == 12 && (metrics.first { $0.name == "tools/calls" }?.value ?? 0) > 0.8)
        let called = try #require(rollouts.first { $0.isDrawn != nil && $0.isFinished })
        let isDrawn = try #require(called.isDrawn)
        let read = zip(called.reply, isDrawn).filter { !$0.1 }.map(\.0)
        let told = try model.tokenizer.decode(read, skipSpecialTokens: false)
        #expect(told.contains("<tool_response>1</tool_response>") && !told.contains("tool_call>"), "\(told)")
        #expect(try called.text(model.tokenizer).contains("Done"))
        #expect(called.drawnCount == isDrawn.count { $0 } && called.drawnCount < called.reply.count)
        #expect(zip(called.logProbabilities, isDrawn).allSatisfy { $0 < 0 || !$1 || $0 == 0 })
        var objective = GroupRelativePolicy(model.decoder)
        objective.temperature = 0.7
        let samples = rollouts.enumerated().map {
            GroupRelativePolicy.Sample($0.element, advantage: $0.offset % 2 == 0 ? 1 : -1, group: $0.offset / 4)
        }
        #expect(objective.weight(of: samples) == Double(rollouts.reduce(0) { $0 + $1.drawnCount }))
        let loss = try objective.loss(of: samples, StepContext(weight: objective.weight(of: samples)))
        let difference = try #require(loss.metrics.first { $0.name == "rollout_difference" }?.value)
        #expect(difference <= 1e-5, "\(difference)")
    }

    @Test func aPromptThatLeavesNoRoomIsNamed() throws {
        let folder = try modelFolder("tools-long"), model = try StartingModel(path: folder + "/model")
        let dialogues = try ToolDialogues([tool], turns: 2, encoder: model.chatEncoder())
        let engine = RolloutEngine(
            decoder: model.decoder, endTokens: model.tokenizer.eosTokens, maximumTokens: 8, temperature: 1)
        let long = [ChatMessage(role: "user", content: "Begin " + String(repeating: "9 ", count: 400))]
        let said = message { _ = try dialogues.replies(engine, to: [long], copies: 2, seed: 1) }
        #expect(said.contains("tokens with the tools' descriptions") && said.contains("context is 256"), "\(said)")
        #expect(said.contains("Begin"), "\(said)")
    }

    @Test func aRunWithToolsEndsWithTheSameBitsWhenResumed() throws {
        let folder = try caller()
        let even = RewardSum([(Reward("even") { Double($0.reply.utf8.count % 3) }, 1)])
        func trainer(_ run: String) throws -> Trainer {
            try Trainer(
                run: run, options: policy(), model: StartingModel(path: folder + "/caller"), task: Asked(),
                reward: even,
                tools: [tool])
        }
        var calls: [Double] = [], differences: [Double] = []
        try trainer(folder + "/whole").train {
            guard case .step(let step) = $0 else { return }
            calls.append(step["tools/calls"] ?? 0)
            differences.append(step["rollout_difference"] ?? 1)
        }
        #expect(calls.count == 4 && calls.allSatisfy { $0 > 0.3 }, "\(calls)")
        #expect(differences.allSatisfy { $0 <= 1e-5 }, "\(differences)")
        var steps = 0
        #expect(
            try !trainer(folder + "/parts").train(isInterrupted: { steps == 3 }) { if case .step = $0 { steps += 1 } })
        let second = try trainer(folder + "/parts")
        #expect(try second.resume().checkpoint?.step == 3)
        #expect(try second.train { _ in })
        #expect(try weights(folder + "/whole") == weights(folder + "/parts"))
    }

    // MARK: programs

    private func program(_ body: String) throws -> String {
        let path = try emptyFolder("tool-program") + "/tool.sh"
        try AtomicFile.write(path, bytes: Array(("#!/bin/sh\n" + body).utf8))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }

    @Test func aProgramDescribesItselfAndAnswers() throws {
        let path = try program(
            """
            while read -r line; do
              case "$line" in
                *describe*) echo '[{"name":"next","description":"","parameters":{}},{"name":"bad"}]' ;;
                *bad*) echo '{"error":"no"}' ;;
                *) echo '{"result":7}' ;;
              esac
            done
            """)
        let tools = try ToolProgram(path: path, seconds: 600).tools()
        #expect(tools.map(\.name) == ["next", "bad"])
        #expect(try tools[0].call(["n": 1]) == "7")
        #expect(try tools[1].call([:]) == "error: no")
    }

    @Test func programsThatHangOrEndAreNamed() throws {
        let hanging = try program("read -r line; echo '{\"name\":\"slow\"}'; sleep 1000\n")
        // A busy machine may not even start it in time.
        var tools: [RolloutTool] = []
        waited {
            tools = (try? ToolProgram(path: hanging, seconds: 1).tools()) ?? []
            return !tools.isEmpty
        }
        try #require(tools.count == 1)
        #expect {
            try tools[0].call(["n": 1])
        } throws: { ($0 as? ToolError)?.kind == .timeout && "\($0)".contains("tool_seconds") }
        let ending = try program("exit 0\n")
        #expect(throws: ToolError.self) { try ToolProgram(path: ending, seconds: 600).tools() }
        let silent = try program("read -r line; echo '{\"no\":1}'; read -r line\n")
        #expect {
            try ToolProgram(path: silent, seconds: 600).tools()
        } throws: { ($0 as? ToolError)?.kind == .unknown }
        #expect(throws: ToolError.self) { try ToolProgram(path: "/nowhere/tool") }
        #expect(throws: ToolError.self) {
            let encoder = try StartingModel(path: self.modelFolder("twice") + "/model").chatEncoder()
            _ = try ToolDialogues([self.tool, self.tool], turns: 1, encoder: encoder)
        }
    }
}

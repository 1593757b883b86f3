import MartletChat
import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletRuns
import MartletTensor
import MartletTokenizers
import MartletTraining
import Testing
import TinyModels

/// Weights of messages and tokens in what is learnt, and what is measured of it.
struct LossWeightRunTests: TinyRuns {
    private func encoder() throws -> ChatEncoder {
        let tokenizer = try ByteTokenizer.make(special: ChatMarkup.specialTokens, end: ChatMarkup.end)
        return ChatEncoder(tokenizer: tokenizer, template: try ChatTemplate(source: ChatMarkup.template))
    }

    private func dialogue(_ first: JSON?, _ second: JSON?, detail: JSON? = nil) -> [ChatMessage] {
        var messages = [
            ChatMessage(role: "user", content: "1+1?"), ChatMessage(role: "assistant", content: "Two."),
            ChatMessage(role: "user", content: "And 2+2?"), ChatMessage(role: "assistant", content: "Four."),
        ]
        messages[1]["weight"] = first
        messages[3]["weight"] = second
        messages[3]["train_detail"] = detail
        return messages
    }

    @Test func tokensOfAReplyHaveItsWeight() throws {
        let encoder = try encoder()
        let chat = try #require(encoder.encode(dialogue(0.5, 2)).sequences.first)
        let weights = try #require(chat.weights)
        let found = Dictionary(grouping: chat.tokens.indices.filter { chat.isTrained[$0] }) { weights[$0] }
        #expect(found.keys.sorted() == [0.5, 2])
        #expect(try encoder.tokenizer.decode(found[0.5]?.map { chat.tokens[$0] } ?? []).hasPrefix("Two."))
        #expect(try encoder.tokenizer.decode(found[2]?.map { chat.tokens[$0] } ?? []).hasPrefix("Four."))
        #expect(zip(weights, chat.isTrained).allSatisfy { ($0 > 0) == $1 })
        // 0 and 1 need no weights; parts of a reply may have one.
        #expect(try encoder.encode(dialogue(0, 1)).sequences[0].weights == nil)
        let detail: JSON = [["begin_offset": 0, "end_offset": 1, "weight": 0.5]]
        let part = try #require(encoder.encode(dialogue(0, 0.5, detail: detail)).sequences[0].weights)
        #expect(part.filter { $0 == 0.25 }.count == 2 && part.filter { $0 == 0.5 }.count == 4)
        var whole = encoder
        whole.learnt = .all
        #expect { try whole.encode(dialogue(0.5, 1)) } throws: { "\($0)".contains("learns every token alike") }
    }

    @Test func templatesThatMarkRepliesFollowWeights() throws {
        let marked = """
            {% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{% generation %}\
            {{ m.content + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m.content + '<|im_end|>' }}{% endif %}{% endfor %}
            """
        let tokenizer = try ByteTokenizer.make(special: ChatMarkup.specialTokens, end: ChatMarkup.end)
        let encoder = ChatEncoder(tokenizer: tokenizer, template: try ChatTemplate(source: marked))
        let chat = try encoder.encode(dialogue(0.5, 1)).sequences[0], weights = try #require(chat.weights)
        #expect(weights.filter { $0 == 0.5 }.count == 5 && weights.filter { $0 == 1 }.count == 6)
    }

    @Test func aComparedReplyCountsAsAWhole() throws {
        let encoder = try encoder(), messages = dialogue(nil, 0.5)
        #expect { try encoder.reply([messages[3]], to: Array(messages[..<3])) } throws: {
            "\($0)".contains("counts as a whole") && "\($0)".contains("Four.")
        }
    }

    /// −Σ w log p / Σ w, however the step is cut.
    @Test func theLossIsTheWeightedMean() throws {
        let decoder = try ModelFiles(path: try modelFolder("weights") + "/model").checkpoint.decoder()
        var batch = TrainingBatch(rows: 2, length: 6)
        batch.inputs = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
        batch.targets = [4, 5, 6, 7, 8, -100, 10, 11, 12, 13, 14, -100]
        batch.weights = [0.5, 1, 2, 0.25, 1, 7, 1, 1, 0.1, 1, 1, 9]
        batch.positions = (0..<12).map { Int32($0 % 6) }
        batch.segments = (0..<2).map { TrainingBatch.Segment(row: $0, start: 0, end: 6) }
        var objective = NextToken(decoder)
        objective.measuresTokens = true
        let weight = objective.weight(of: batch)
        #expect(abs(weight - 8.85) < 1e-5)
        let found = try noGrad { try objective.loss(of: batch, StepContext(weight: weight)) }
        let hidden = try decoder.hiddenStates(batch.inputs, segments: [0..<6, 6..<12])
        let logP = try noGrad { try decoder.logits(hidden).logSoftmax(axis: 1).detach() }
        let all: [Float] = try logP.toArray(), width = logP.shape[1]
        let entropies: [Float] = try (logP.exp() * logP).sum(axes: [1]).negative().toArray()
        var sum = 0.0, entropy = 0.0, right = 0
        for (row, target) in batch.targets.enumerated() where target >= 0 {
            let own = all[row * width..<(row + 1) * width]
            sum -= Double(batch.weights?[row] ?? 1) * Double(own[own.startIndex + Int(target)])
            entropy += Double(entropies[row])
            if own.max() == own[own.startIndex + Int(target)] { right += 1 }
        }
        let loss: Double = try found.value.item()
        #expect(abs(loss - sum / 8.85) < 1e-5 * loss)
        let metrics = Dictionary(uniqueKeysWithValues: found.metrics.map { ($0.name, $0.value) })
        #expect(abs((metrics["entropy"] ?? 0) - entropy / 10) < 1e-4)
        #expect(metrics["mean_token_accuracy"] == Double(right) / 10)
    }

    /// From a file to the run's log: TRL's names, and weights that change what is learnt.
    @Test func sftFollowsWeightsAndLogsTokens() throws {
        let folder = try modelFolder("weighted-run")
        func run(_ name: String, _ weights: [String], heldOut: Double = 0) throws -> RunRecord {
            let lines = weights.enumerated().map { index, weight in
                #"{"messages": [{"role": "user", "content": "\#(index)?"}, "#
                    + #"{"role": "assistant", "content": "It is \#(index).", "weight": \#(weight)}]}"#
            }
            let path = "\(folder)/\(name).jsonl"
            try AtomicFile.write(path, bytes: Array(lines.joined(separator: "\n").utf8))
            var options = TrainingOptions(for: .tuning)
            let given: [String: JSON] = [
                "data": [.string(path)], "steps": 4, "batch_rows": 4, "context_length": 64, "learning_rate": 1e-2,
                "warmup": 0, "schedule": "constant", "save_every": 4, "evaluate_every": 4, "log_every": 2,
                "validation": .number(heldOut),
            ]
            for (key, value) in given { try options.set(key, value) }
            let model = try StartingModel(path: folder + "/model"), data = "\(folder)/\(name)-data"
            try SupervisedRows.pack(model, options, into: data)
            let out = "\(folder)/\(name)"
            try Trainer(run: out, options: options, data: TrainingData([DataPortion(data)]), from: model).train { _ in }
            return try RunRecord(path: out)
        }
        let plain = try run("plain", Array(repeating: "1", count: 16))
        let halves = try run("halves", Array(repeating: "0.5", count: 16))
        let mixed = try run("mixed", (0..<16).map { $0 % 2 == 0 ? "0.1" : "1" })
        for (a, b) in zip(plain.steps, halves.steps) { #expect(abs(a.loss - b.loss) < 1e-4 * a.loss) }
        #expect(abs((plain.steps.last?.loss ?? 0) - (mixed.steps.last?.loss ?? 0)) > 1e-4)
        #expect(plain.steps.map(\.step) == [1, 2, 4])
        let looked = try run("looked", Array(repeating: "0.5", count: 16), heldOut: 0.25)
        for name in ["entropy", "mean_token_accuracy"] {
            #expect(plain.metrics[name]?.map(\.step) == [1, 2, 4], "\(name)")
            #expect(looked.heldOutMetrics[name]?.map(\.step) == [4], "\(name)")
        }
    }
}

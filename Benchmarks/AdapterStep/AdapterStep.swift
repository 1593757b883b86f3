// A training step over a frozen model with low-rank adapters on every linear layer, one JSON line: the counterpart of
// PEFT's with the same shapes.
//
//     swift run -c release adapter-step [MODEL.gguf|float32] [batch] [length] [steps] [rank] [recompute] [dpo] [profile]
//         [high|medium]
//
// "float32" is a random Llama of SmolLM2-135M's shape. A GGUF file stays as it is stored: nothing frozen is copied.
// Forward, loss, backward, clipping to norm 1, AdamW on the adapters; the median of the steps after the first.
// With "dpo" the batch is half as many pairs, whose reference, the model without adapters, is computed in the step, and all
// tokens are compared. "profile" prints before it where the time goes.

import MartletData
import MartletJSON
import MartletModels
import MartletNN
import MartletSystem
import MartletTensor
import MartletTraining

@main struct AdapterStep {
    static func main() throws {
        var rest = CommandLine.arguments.dropFirst()[...]
        let path = rest.popFirst() ?? "float32"
        func number(_ usual: Int) -> Int { rest.popFirst().flatMap { Int($0) } ?? usual }
        let batch = number(4), length = number(256), steps = max(1, number(5)), rank = number(16)
        let modes = Set(rest), isPreference = modes.contains("dpo")
        guard modes.isSubset(of: ["recompute", "dpo", "profile", "high", "medium"]), !isPreference || batch % 2 == 0
        else {
            throw TensorError(
                .argument, "adapter-step",
                "expected recompute, dpo (with an even batch), profile, high, medium, not \(modes.sorted())")
        }
        let decoder = try path == "float32" ? randomModel() : Checkpoint(path: path).decoder()
        decoder.recomputesLayers = modes.contains("recompute")
        let layers = try decoder.tree.find(ModulePattern.allLinear).compactMap { $0 as? Linear }
        for layer in layers { layer.adapters.append(try LowRankAdapter(of: layer, rank: rank, scale: 2, seed: 1)) }
        let trained = decoder.tree.trained
        let loop = try StepLoop(trained) {
            AdamW(ParameterGroup.decaying($0, weightDecay: 0.01), beta2: 0.999)
        }
        loop.matmulPrecision = modes.compactMap { MatmulPrecision(rawValue: $0) }.first ?? .highest
        if modes.contains("profile") { loop.profiledSteps = max(1, steps - 1) }
        let vocabulary = decoder.configuration.vocabularySize, clock = ContinuousClock()
        var stream = RandomStream(seed: 2), seconds: [Double] = [], loss = 0.0
        for step in 0...steps {
            let tokens = (0..<batch * length).map { _ in Int32(stream.nextIndex(below: vocabulary)) }
            let start = clock.now
            loss =
                try isPreference
                ? preferences(tokens, length, decoder, layers, loop, step)
                : loop.step(NextToken(decoder), number: step, rate: 1e-4) { [rows(tokens, length)] }?.loss ?? 0
            seconds.append((clock.now - start) / .seconds(1))
            if let profile = loop.takeProfile() { print(profile.table) }
        }
        let sorted = seconds.dropFirst().sorted(), median = sorted[sorted.count / 2]
        let stored = decoder.tree.parameters.reduce(0) { $0 + $1.value.byteCount }
        let line: JSON = [
            "case": .string(path == "float32" ? path : "stored"), "mode": .string(isPreference ? "dpo" : "lora"),
            "products": .string(loop.matmulPrecision.rawValue),
            "batch": .integer(Int64(batch)), "length": .integer(Int64(length)), "rank": .integer(Int64(rank)),
            "recompute": .bool(decoder.recomputesLayers),
            "tok_per_s": .number((Double(batch * length) / median * 10).rounded() / 10),
            "trained": .integer(Int64(trained.reduce(0) { $0 + $1.tensor.elementCount })),
            "base_mb": .integer(Int64(stored >> 20)), "rss_mb": .integer(Int64(ProcessMemory.peak >> 20)),
            "buffers_mb": .integer(Int64(BufferPool.shared.peakLiveByteCount >> 20)), "loss": .number(loss),
        ]
        print(line.text())
    }

    private static func rows(_ tokens: [Int32], _ length: Int) -> TrainingBatch {
        var rows = TrainingBatch(rows: tokens.count / length, length: length)
        rows.positions = tokens.indices.map { Int32($0 % length) }
        rows.segments = (0..<tokens.count / length).map { TrainingBatch.Segment(row: $0, start: 0, end: length) }
        rows.inputs = tokens
        rows.targets = tokens.indices.map {
            $0 % length == length - 1 ? TrainingBatch.ignoredTarget : tokens[$0 + 1]
        }
        return rows
    }

    /// The loss of a step that compares the first half of the rows with the second.
    private static func preferences(
        _ tokens: [Int32], _ length: Int, _ decoder: Decoder, _ layers: [Linear], _ loop: StepLoop, _ step: Int
    ) throws -> Double {
        let sides = stride(from: 0, to: tokens.count, by: length).map { start in
            EncodedChat(
                tokens: Array(tokens[start..<start + length]), isTrained: Array(repeating: true, count: length))
        }
        let half = sides.count / 2, loss = DirectPreferenceLoss(beta: 0.1)
        var pairs = (0..<half).map { Comparison(chosen: sides[$0], rejected: sides[half + $0]) }
        for layer in layers { for adapter in layer.adapters { adapter.isEnabled = false } }
        let reference = try ReferenceScores.sides(of: pairs, loss: loss, decoder)
        for layer in layers { for adapter in layer.adapters { adapter.isEnabled = true } }
        for index in pairs.indices { pairs[index].reference = reference[index] }
        let objective = PreferencePolicy(decoder, loss: loss)
        return try loop.step(objective, number: step, rate: 1e-4) { [objective.batch(pairs)] }?.loss ?? 0
    }

    private static func randomModel() throws -> Decoder {
        let config = """
            {"model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
             "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
             "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "tie_word_embeddings": true}
            """
        let reader = ConfigurationReader(file: "the configuration", json: try JSON(parsing: Array(config.utf8)))
        let (_, spec) = try Family.configuration(reader)
        return Decoder(Initializer(.normal(deviation: 0.02, layers: spec.layerCount), seed: 1), spec)
    }
}

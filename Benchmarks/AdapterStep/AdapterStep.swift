// A training step over a frozen model with low-rank adapters on every linear layer, one JSON line: the counterpart of
// PEFT's with the same shapes.
//
//     swift run -c release adapter-step [MODEL.gguf|float32] [batch] [length] [steps] [rank] [recompute]
//
// "float32" is a random Llama of SmolLM2-135M's shape. A GGUF file stays as it is stored: nothing frozen is copied.
// Forward, loss, backward, clipping to norm 1, AdamW on the adapters; the median of the steps after the first.

import MartletData
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTraining

@main struct AdapterStep {
    static func main() throws {
        var rest = CommandLine.arguments.dropFirst()[...]
        let path = rest.popFirst() ?? "float32"
        func number(_ usual: Int) -> Int { rest.popFirst().flatMap { Int($0) } ?? usual }
        let batch = number(4), length = number(256), steps = max(1, number(5)), rank = number(16)
        let decoder = try path == "float32" ? randomModel() : Checkpoint(path: path).decoder()
        decoder.recomputesLayers = rest.first == "recompute"
        for case let layer as Linear in try decoder.tree.find(ModulePattern.allLinear) {
            layer.adapters.append(try LowRankAdapter(of: layer, rank: rank, scale: 2, seed: 1))
        }
        let trained = decoder.tree.trained
        let loop = try StepLoop(trained) {
            AdamW(ParameterGroup.decaying($0, weightDecay: 0.01), beta2: 0.999)
        }
        let tokens = batch * length, vocabulary = decoder.configuration.vocabularySize
        var stream = RandomStream(seed: 2)
        var rows = TrainingBatch(rows: batch, length: length)
        rows.positions = (0..<tokens).map { Int32($0 % length) }
        rows.segments = (0..<batch).map { TrainingBatch.Segment(row: $0, start: 0, end: length) }
        let clock = ContinuousClock()
        var seconds: [Double] = [], loss = 0.0
        for step in 0...steps {
            rows.inputs = (0..<tokens).map { _ in Int32(stream.nextIndex(below: vocabulary)) }
            rows.targets = (0..<tokens).map {
                $0 % length == length - 1 ? TrainingBatch.ignoredTarget : rows.inputs[$0 + 1]
            }
            let start = clock.now
            loss = try loop.step(NextToken(decoder), number: step, rate: 1e-4) { [rows] }?.loss ?? 0
            seconds.append((clock.now - start) / .seconds(1))
        }
        let sorted = seconds.dropFirst().sorted(), median = sorted[sorted.count / 2]
        let stored = decoder.tree.parameters.reduce(0) { $0 + $1.value.byteCount }
        let line: JSON = [
            "case": .string(path == "float32" ? path : "stored"), "batch": .integer(Int64(batch)),
            "length": .integer(Int64(length)), "rank": .integer(Int64(rank)),
            "recompute": .bool(decoder.recomputesLayers), "tok_per_s": .number((Double(tokens) / median).rounded()),
            "trained": .integer(Int64(trained.reduce(0) { $0 + $1.tensor.elementCount })),
            "base_mb": .integer(Int64(stored >> 20)),
            "buffers_mb": .integer(Int64(BufferPool.shared.peakLiveByteCount >> 20)), "loss": .number(loss),
        ]
        print(line.text())
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

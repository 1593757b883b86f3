import MartletJSON
import MartletModels
import MartletTensor
import MartletTraining
import Testing

struct TrainingCostTests {
    private func configuration(_ text: String) throws -> DecoderConfiguration {
        try Family.configuration(ConfigurationReader(file: "test", json: JSON(parsing: Array(text.utf8)))).1
    }

    /// CS336's accounting of GPT-2 XL in its own shape: gated feed-forward, no biases, nothing tied.
    @Test func gpt2XLHasTheCoursesNumbers() throws {
        let spec = try configuration(
            """
            {"model_type": "llama", "vocab_size": 50257, "hidden_size": 1600, "intermediate_size": 6400,
             "num_hidden_layers": 48, "num_attention_heads": 25, "max_position_embeddings": 1024,
             "rms_norm_eps": 1e-5, "tie_word_embeddings": false}
            """)
        let cost = TrainingCost(spec, length: 1024, countsWholeSquare: true)
        #expect(cost.parameters == 2_127_057_600)
        #expect(abs(cost.forwardPerToken * 1024 - 4.513e12) < 0.001e12)
        #expect(cost.parametersByPart.reduce(0) { $0 + $1.count } == cost.parameters)
        #expect(cost.memory(tokens: 1).prefix(3).reduce(0) { $0 + $1.bytes } == 16 * cost.parameters)
    }

    /// SmolLM2 135M with 2 rows of 256 tokens, of which the whole process had a peak of 2.40 GB as it was measured.
    @Test func gradientsOfOneMicroBatchComeWhileActivationsGo() throws {
        let smol = try configuration(
            """
            {"model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
             "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "rms_norm_eps": 1e-5,
             "max_position_embeddings": 8192, "tie_word_embeddings": true}
            """)
        let cost = TrainingCost(smol, length: 256)
        func bytes(_ addsGradients: Bool) -> Int {
            cost.memory(tokens: 512, addsGradients: addsGradients).reduce(0) { $0 + $1.bytes }
        }
        #expect(abs(Double(bytes(false)) / 2.40e9 - 1) < 0.05, "\(bytes(false))")
        // With several there are all gradients beside all activations.
        #expect(bytes(true) - bytes(false) > 300_000_000)
        // Whatever comes of it, it is never more than both together, and never less than weights and moments.
        for tokens in [1, 64, 4096, 1 << 20] {
            let (one, several) = (cost.memory(tokens: tokens, addsGradients: false), cost.memory(tokens: tokens))
            let sums = [one, several].map { $0.reduce(0) { $0 + $1.bytes } }
            #expect(sums[0] <= sums[1] && sums[0] > 12 * cost.parameters)
        }
        #expect(
            cost.memory(tokens: 1, addsGradients: false).prefix(3).reduce(0) { $0 + $1.bytes } == 16 * cost.parameters)
    }

    /// SmolLM2 135M in float32 with adapters of rank 16 on every product, 4 rows of 256 tokens: the process had 1388 MiB at
    /// most, `adapter-step float32 4 256 2 16`.
    @Test func adaptersArePlannedAsMeasured() throws {
        let smol = try configuration(
            """
            {"model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
             "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "rms_norm_eps": 1e-5,
             "max_position_embeddings": 8192, "tie_word_embeddings": true}
            """)
        let outputs = [(576, 576), (576, 192), (576, 192), (576, 576), (576, 1536), (576, 1536), (1536, 576)]
        let shapes = (0..<30).flatMap { _ in
            outputs.flatMap { inputs, outputs in [[16, inputs], [outputs, 16]] as [Shape] }
        }
        let adapter = AdapterCost(shapes: shapes, base: 513 << 20, innerWidth: 30 * 7 * 16, isLowRank: true)
        #expect(adapter.count == 4_884_480)
        let plan = TrainingCost(smol, length: 256).memory(tokens: 1024, addsGradients: false, adapter: adapter)
        let bytes = plan.reduce(0) { $0 + $1.bytes }
        #expect(abs(Double(bytes) / Double(1388 << 20) - 1) < 0.1, "\(bytes)")
        // Of what is no term of low rank, layers keep all that they keep when they are trained.
        var other = adapter
        other.isLowRank = false
        let more = TrainingCost(smol, length: 256).memory(tokens: 1024, adapter: other).reduce(0) { $0 + $1.bytes }
        #expect(more > bytes + 250_000_000)
    }

    @Test func causalHalfAndWindowsCountWhatIsSeen() throws {
        func text(_ window: String) -> String {
            """
            {"model_type": "mistral", "vocab_size": 100, "hidden_size": 32, "intermediate_size": 64,
             "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 1024,
             "rms_norm_eps": 1e-5, "sliding_window": \(window)}
            """
        }
        func scores(_ window: String, whole: Bool) throws -> Double {
            let cost = TrainingCost(try configuration(text(window)), length: 100, countsWholeSquare: whole)
            return try #require(cost.operationsByPart.first { $0.part == "attention scores" }).count
        }
        #expect(try scores("null", whole: true) == 4 * 32 * 100)
        #expect(try scores("null", whole: false) == 4 * 32 * 50.5)
        #expect(try scores("10", whole: false) == 4 * 32 * 10)
    }
}

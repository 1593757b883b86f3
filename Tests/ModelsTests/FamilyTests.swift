import Foundation
import MartletFormats
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Random checkpoints of every family against the logits that transformers computes from them in float32.
struct FamilyTests {
    static let goldens = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens").path
    static let decoders = [
        "llama", "llama-tied-bias", "llama-linear", "llama-dynamic", "llama-yarn", "llama3", "mistral", "mixtral",
        "qwen2", "qwen3", "phi3", "phi3-longrope-short", "phi3-longrope-long", "gemma2", "gemma3", "gpt2",
        "llama-head4", "llama-head20", "phi3-partial", "ministral", "ministral3", "seed-oss", "olmo2", "gpt2-scales",
        "qwen2-vl", "qwen2.5-vl", "qwen3-vl", "mistral3-vl", "gemma3-vl",
    ]

    static func expected(_ family: String) throws -> SafetensorsFile {
        try SafetensorsFile(path: "\(goldens)/\(family)/expected.safetensors")
    }

    static func tokens(_ file: SafetensorsFile) throws -> [Int32] {
        try file.tensor("ids").toArray()
    }

    static func floats(_ tensor: Tensor) -> [Float] {
        (try? tensor.toArray()) ?? []
    }

    /// The largest difference over the largest magnitude.
    static func relativeError(_ found: [Float], _ expected: [Float]) -> Float {
        let scale = expected.map(abs).max() ?? 1
        return zip(found, expected).map { abs($0 - $1) }.max().map { $0 / scale } ?? 0
    }

    @Test(arguments: decoders) func logitsAreThoseOfTransformers(_ family: String) throws {
        let file = try Self.expected(family)
        let decoder = try Checkpoint(path: "\(Self.goldens)/\(family)").decoder()
        try decoder.prepare(.exact)
        let logits = try decoder(Self.tokens(file))
        let expected = try file.tensor("logits")
        #expect(logits.shape == expected.shape)
        #expect(Self.relativeError(Self.floats(logits), Self.floats(expected)) < 1e-4)
    }

    /// The weights are rounded to half precision or to blocks, the keys and values too.
    @Test(arguments: decoders) func fastLogitsAreNear(_ family: String) throws {
        let file = try Self.expected(family)
        let decoder = try Checkpoint(path: "\(Self.goldens)/\(family)").decoder()
        try decoder.prepare(.fast)
        let tokens = try Self.tokens(file)
        let cache = KVCache(decoder.configuration, precision: .fast)
        let logits = try decoder.logits(
            decoder.hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: cache)]))
        #expect(Self.relativeError(Self.floats(logits), try Self.floats(file.tensor("logits"))) < 0.03)
    }

    /// Dynamic and LongRoPE frequencies change with the length of the sequence, so there a prompt computed at once and one
    /// computed token by token are different functions, in transformers too.
    static let lengthIndependent = decoders.filter {
        !["llama-dynamic", "phi3-longrope-long", "phi3-partial"].contains($0)
    }

    @Test(arguments: lengthIndependent, [Precision.exact, .exactSums, .fast])
    func promptAtOnceEqualsTokenByToken(_ family: String, _ precision: Precision) throws {
        let tokens = try Self.tokens(Self.expected(family))
        let decoder = try Checkpoint(path: "\(Self.goldens)/\(family)").decoder()
        try decoder.prepare(precision)
        let whole = KVCache(decoder.configuration, precision: precision)
        let atOnce = try decoder.logits(
            decoder.hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: whole)]))
        let stepped = KVCache(decoder.configuration, precision: precision)
        var steps: [Float] = []
        for token in tokens {
            let hidden = try decoder.hiddenStates([token], [DecoderSequence(rows: 0..<1, cache: stepped)])
            steps += try Self.floats(decoder.logits(hidden))
        }
        #expect(Self.floats(atOnce) == steps)
    }

    /// A short and a long sequence: with dynamic and LongRoPE scaling these two are rotated by different frequencies.
    @Test(
        arguments: ["llama", "gemma3", "mixtral", "llama-dynamic", "phi3-longrope-long"],
        [Precision.exact, .exactSums, .fast])
    func sequencesInOneBatchDoNotTouchEachOther(_ family: String, _ precision: Precision) throws {
        let long = try Self.tokens(Self.expected(family))
        let short: [Int32] = Array(long.reversed().prefix(9))
        let decoder = try Checkpoint(path: "\(Self.goldens)/\(family)").decoder()
        try decoder.prepare(precision)
        func cache() -> KVCache { KVCache(decoder.configuration, precision: precision) }
        func alone(_ tokens: [Int32]) throws -> [Float] {
            let cache = cache()
            let first = try decoder.hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: cache)])
            let next = try decoder.hiddenStates([5], [DecoderSequence(rows: 0..<1, cache: cache)])
            return Self.floats(first) + Self.floats(next)
        }
        let caches = [cache(), cache(), cache()]
        let together = try Self.floats(
            decoder.hiddenStates(
                short + long + short,
                [
                    // Named in another order than their rows.
                    DecoderSequence(rows: 9..<(9 + long.count), cache: caches[1]),
                    DecoderSequence(rows: 0..<9, cache: caches[0]),
                    DecoderSequence(rows: (9 + long.count)..<(18 + long.count), cache: caches[2]),
                ]))
        let next = try Self.floats(
            decoder.hiddenStates([5, 5, 5], (0..<3).map { DecoderSequence(rows: $0..<($0 + 1), cache: caches[$0]) }))
        let width = decoder.configuration.hiddenSize
        /// The states of a sequence's rows, then those of its next token.
        func states(_ rows: Range<Int>, sequence: Int) -> [Float] {
            Array(together[rows.lowerBound * width..<rows.upperBound * width])
                + Array(next[sequence * width..<(sequence + 1) * width])
        }
        let (shortAlone, longAlone) = (try alone(short), try alone(long)), end = 9 + long.count
        #expect(states(0..<9, sequence: 0) == shortAlone)
        #expect(states(9..<end, sequence: 1) == longAlone)
        #expect(states(end..<end + 9, sequence: 2) == shortAlone)
        #expect(together.count == (end + 9) * width && next.count == 3 * width)
    }

    @Test func encoderStatesAreThoseOfTransformers() throws {
        let file = try Self.expected("bert")
        let encoder = try Checkpoint(path: "\(Self.goldens)/bert").encoder()
        try encoder.prepare(.exact)
        let tokens = try Self.tokens(file)
        // Two texts at once, to see that they do not attend to each other.
        let hidden = try Self.floats(encoder([tokens, tokens]))
        let expected = try Self.floats(file.tensor("hidden"))
        #expect(Self.relativeError(Array(hidden.prefix(expected.count)), expected) < 1e-4)
        #expect(Array(hidden.suffix(expected.count)) == Array(hidden.prefix(expected.count)))
    }
}

/// The decoder on the reference backend: every operation by its formula, in float64.
struct ReferenceDecoderTests {
    @Test(arguments: FamilyTests.decoders) func logitsAreThoseOfTransformersAndOfTheKernels(_ family: String) throws {
        let file = try FamilyTests.expected(family), tokens = try FamilyTests.tokens(file)
        let checkpoint = try Checkpoint(path: "\(FamilyTests.goldens)/\(family)")
        let reference = try checkpoint.decoder(), fast = try checkpoint.decoder()
        try reference.tree.convert(to: .float64)
        let logits = try reference(tokens)
        #expect(logits.dtype == .float64)
        let found = try logits.toArray(as: Float.self)
        #expect(FamilyTests.relativeError(found, FamilyTests.floats(try file.tensor("logits"))) < 2e-5)
        try fast.prepare(.exact)
        #expect(FamilyTests.relativeError(FamilyTests.floats(try fast(tokens)), found) < 2e-5)
    }

    /// Loss, gradients and the parameters after a step of AdamW, of kernels and formulas.
    @Test(arguments: ["llama-tied-bias", "mixtral", "gemma2", "gpt2"]) func aTrainingStepAgrees(_ family: String) throws
    {
        let tokens = try FamilyTests.tokens(FamilyTests.expected(family))
        let checkpoint = try Checkpoint(path: "\(FamilyTests.goldens)/\(family)")
        func loss(_ decoder: Decoder) throws -> Tensor {
            let hidden = try decoder.hiddenStates(Array(tokens.dropLast()), segments: [0..<tokens.count - 1])
            return try Fused.crossEntropy(
                hidden, decoder.headWeight, targets: Array(tokens.dropFirst()), divisor: Double(tokens.count - 1),
                CrossEntropyOptions(softCap: decoder.configuration.logitSoftCap))
        }
        let fast = try checkpoint.decoder(), reference = try checkpoint.decoder()
        try fast.tree.convert(to: .float32, trained: true)
        try reference.tree.convert(to: .float64, trained: true)
        let (a, b) = (try loss(fast), try loss(reference))
        #expect(abs(try a.item(as: Double.self) - b.item(as: Double.self)) < 1e-5 * abs(try b.item(as: Double.self)))
        try a.backward()
        try b.backward()
        let optimizer = AdamW(ParameterGroup.decaying(fast.tree.trained, weightDecay: 0.1), beta1: 0.9, beta2: 0.95)
        try optimizer.step(learningRate: 1e-3, gradientScale: 1)
        for (one, other) in zip(fast.tree.trained, reference.tree.trained) {
            let gradient = try #require(other.tensor.gradient), found = try #require(one.tensor.gradient)
            let scale = max(1e-3, try gradient.abs().max(axes: []).item(as: Double.self))
            let error = try (found.to(.float64) - gradient).abs().max(axes: []).item(as: Double.self)
            #expect(error < 1e-4 * scale, "\(one.name): \(error) of \(scale)")
            other.tensor.gradient = try found.to(.float64)
        }
        try AdamW(ParameterGroup.decaying(reference.tree.trained, weightDecay: 0.1), beta1: 0.9, beta2: 0.95)
            .step(learningRate: 1e-3)
        for (one, other) in zip(fast.tree.trained, reference.tree.trained) {
            let difference = try (one.tensor.detach().to(.float64) - other.tensor.detach()).abs().max(axes: [])
            #expect(try difference.item(as: Double.self) < 1e-6, "\(one.name) after the step")
        }
    }

    /// Between them, the families of the test above run every fused operation of a training step.
    @Test func everyFusedOperationOfATrainingStepIsRunByTheReference() throws {
        let names = #filePath.replacing(
            "Tests/ModelsTests/FamilyTests.swift", with: "Sources/Tensor/Backends/FusedOperations.swift")
        let file = try MappedFile(path: names)
        let text = withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
        var operations = Set(text.matches(of: /static func (\w+)\(/).map { String($0.1) })
        let layers = text.split(separator: "// MARK: Optimisers")[0]
        operations = operations.filter { layers.contains("func \($0)(") }
        // Caches and in-place biases of generation; what policies and adapters are trained with; what attention and losses hold
        // inside; what no family uses.
        operations.subtract([
            "appendToPages", "attendPages", "addRow", "logProbabilities", "softCap", "placeRows", "adaptedLinear",
            "addLowRank",
        ])
        #expect(operations.count >= 10)
        var run: Set<String> = []
        var models = try ["llama-tied-bias", "mixtral", "gemma2", "gpt2"].map { family in
            (
                try FamilyTests.tokens(FamilyTests.expected(family)),
                try Checkpoint(path: "\(FamilyTests.goldens)/\(family)").decoder()
            )
        }
        // Layers with a recurrent state.
        for family in ["mamba", "mamba2", "qwen3_next"] {
            let golden = try FamilyGolden(family)
            models.append((golden.tokens, try golden.withFolder { try Checkpoint(path: $0).decoder() }))
        }
        for (tokens, decoder) in models {
            try decoder.tree.convert(to: .float64, trained: true)
            let recorder = OperationRecorder()
            try recorder.record {
                let hidden = try decoder.hiddenStates(tokens, segments: [0..<tokens.count])
                try Fused.crossEntropy(hidden, decoder.headWeight, targets: tokens, divisor: 1).backward()
            }
            run.formUnion(recorder.spans.map(\.name))
        }
        #expect(operations.subtracting(run).isEmpty, "not run: \(operations.subtracting(run).sorted())")
    }

    @Test func aCacheIsRefusedInFloat64() throws {
        let decoder = try Checkpoint(path: "\(FamilyTests.goldens)/llama").decoder()
        try decoder.tree.convert(to: .float64)
        let cache = KVCache(decoder.configuration, precision: .exact)
        #expect(throws: TensorError.self) {
            try decoder.hiddenStates([1, 2], [DecoderSequence(rows: 0..<2, cache: cache)])
        }
    }
}

struct RecomputationTests {
    @Test(arguments: ["llama-tied-bias", "mixtral", "gemma2", "gpt2"])
    func gradientsAreTheSameBits(_ family: String) throws {
        #expect(try Checkpoint(path: "\(FamilyTests.goldens)/\(family)").decoder().layersAreIndependent)
        let tokens = try FamilyTests.tokens(FamilyTests.expected(family))
        func gradients(recomputing: Bool) throws -> [[Float]] {
            let decoder = try Checkpoint(path: "\(FamilyTests.goldens)/\(family)").decoder()
            try decoder.tree.convert(to: .float32, trained: true)
            decoder.recomputesLayers = recomputing
            let dropout = DecoderDropout(probability: 0.1, attentionProbability: 0.1, seed: 3, step: 2)
            let hidden = try decoder.hiddenStates(
                tokens, segments: [0..<3, 3..<tokens.count], dropout: dropout)
            try Fused.crossEntropy(hidden, decoder.headWeight, targets: tokens.reversed(), divisor: 7).backward()
            return try decoder.tree.trained.map { try #require($0.tensor.gradient).toArray(as: Float.self) }
        }
        #expect(try gradients(recomputing: true) == gradients(recomputing: false))
    }
    @Test func layersThatShareCannotBeComputedAgain() throws {
        let decoder = try FamilyGolden("gemma3n").withFolder { try Checkpoint(path: $0).decoder() }
        #expect(!decoder.layersAreIndependent)
    }
}

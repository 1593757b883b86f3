import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// A small checkpoint of a family whose weights are computed, not stored: see Goldens/make_families.py.
struct FamilyGolden {
    static let folder = FamilyTests.goldens + "/families"
    static let names: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(".json".count)) }.sorted()

    static func names(encoders: Bool) -> [String] {
        names.filter { name in (try? FamilyGolden(name).isEncoder) == encoders }
    }

    let config: JSON
    let tokens: [Int32]
    let expected: [Float]
    let loss: Float?
    let gradientNorm: Double?
    let isEncoder: Bool
    private let tensors: [(name: String, base: Float, shape: [Int])]

    init(_ name: String) throws {
        let bytes = try Data(contentsOf: URL(filePath: "\(Self.folder)/\(name).json"))
        let json = try JSON(parsing: [UInt8](bytes))
        config = try #require(json["config"])
        tokens = try #require(json["ids"]?.array).compactMap { $0.integer.map(Int32.init) }
        expected = try #require(json["expected"]?.array).compactMap { $0.double.map { Float($0) } }
        loss = json["loss"]?.double.map { Float($0) }
        gradientNorm = json["gradient_norm"]?.double
        isEncoder = json["encoder"]?.bool ?? false
        tensors = try #require(json["tensors"]?.array).compactMap { entry in
            guard let members = entry.array, let name = members.first?.string else { return nil }
            let numbers = members.dropFirst().compactMap(\.integer)
            return (name, Float(numbers.first ?? 0), Array(numbers.dropFirst()))
        }
    }

    /// Calls `body` with the path of the checkpoint's folder, which is removed afterwards.
    func withFolder<Result>(
        change: (inout JSONObject) -> Void = { _ in }, _ body: (String) throws -> Result
    ) throws -> Result {
        let path = NSTemporaryDirectory() + "martlet-family-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var members = try #require(config.object)
        change(&members)
        try Data(JSON.object(members).bytes()).write(to: URL(filePath: path + "/config.json"))
        try SafetensorsWriter.write(
            tensors.map { ($0.name, try Self.tensor($0.name, base: $0.base, $0.shape)) },
            to: path + "/model.safetensors")
        return try body(path)
    }

    /// Element i is base + u / 2 in vectors and u in matrices, u = (top 8 bits of splitmix64(fnv1a(name) + i) − 128) / 256.
    private static func tensor(_ name: String, base: Float, _ shape: [Int]) throws -> Tensor {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let values = (0..<shape.reduce(1, *)).map { index -> Float in
            var z = hash &+ UInt64(index + 1) &* 0x9e37_79b9_7f4a_7c15
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            z ^= z >> 31
            let u = (Float(z >> 56) - 128) / 256
            return shape.count < 2 ? base + u / 2 : u
        }
        return try Tensor(values, shape: Shape(shape))
    }
}

/// Every family of the table against transformers, in one suite.
@Suite struct FamilyTableTests {
    static let decoders = FamilyGolden.names(encoders: false)
    static let encoders = FamilyGolden.names(encoders: true)

    @Test(arguments: decoders) func logitsAreThoseOfTransformers(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let checkpoint = try Checkpoint(path: path)
            #expect(try checkpoint.warnings() == [])
            let decoder = try checkpoint.decoder()
            try decoder.prepare(.exact)
            let logits = try FamilyTests.floats(decoder(golden.tokens))
            #expect(logits.count == golden.expected.count)
            #expect(FamilyTests.relativeError(logits, golden.expected) < 1e-4)
        }
    }

    @Test(arguments: decoders) func promptAtOnceEqualsTokenByToken(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            for precision in [Precision.exact, .fast] {
                let decoder = try Checkpoint(path: path).decoder()
                try decoder.prepare(precision)
                let tokens = golden.tokens, whole = KVCache(decoder.configuration, precision: precision)
                let atOnce = try decoder.logits(
                    decoder.hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: whole)]))
                let stepped = KVCache(decoder.configuration, precision: precision)
                var steps: [Float] = []
                for token in tokens {
                    let hidden = try decoder.hiddenStates([token], [DecoderSequence(rows: 0..<1, cache: stepped)])
                    steps += try FamilyTests.floats(decoder.logits(hidden))
                }
                #expect(FamilyTests.floats(atOnce) == steps)
                #expect(FamilyTests.relativeError(steps, golden.expected) < (precision == .exact ? 1e-4 : 0.05))
            }
        }
    }

    /// Of kernels and, in float64, of formulas.
    @Test(arguments: decoders) func lossIsThatOfTransformers(_ name: String) throws {
        let golden = try FamilyGolden(name)
        guard let expected = golden.loss else { return }
        try golden.withFolder { path in
            let checkpoint = try Checkpoint(path: path)
            guard try !checkpoint.decoderConfiguration().headBias else {
                let decoder = try checkpoint.trainableDecoder().0
                #expect(throws: ModelError.self) { try decoder.loss(golden.tokens, labels: golden.tokens) }
                return
            }
            let (decoder, parameters) = try checkpoint.trainableDecoder()
            let loss = try decoder.loss(golden.tokens, labels: golden.tokens)
            #expect(abs(try loss.item() - expected) < 1e-4 * expected)
            try loss.backward()
            // A router's selection bias is moved by loads and not by gradients; an expert may have got no token.
            let without = parameters.filter { $0.tensor.gradient == nil }.map(\.name)
            #expect(without.allSatisfy { $0.hasSuffix("e_score_correction_bias") || $0.contains(".experts.") })
            if let expected = golden.gradientNorm {
                let norm = try parameters.gradientNorm()
                #expect(abs(norm - expected) < 1e-4 * expected, "\(norm) against \(expected)")
            }
            let reference = try checkpoint.decoder()
            try reference.tree.convert(to: .float64)
            let formulas = try reference(golden.tokens).toArray(as: Float.self)
            #expect(FamilyTests.relativeError(formulas, golden.expected) < 2e-5)
        }
    }

    @Test(arguments: encoders) func statesAreThoseOfTransformers(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let checkpoint = try Checkpoint(path: path)
            #expect(try checkpoint.warnings() == [])
            let encoder = try checkpoint.encoder()
            try encoder.prepare(.exact)
            // Two texts at once, to see that they do not attend to each other.
            let states = try FamilyTests.floats(encoder([golden.tokens, golden.tokens]))
            #expect(FamilyTests.relativeError(Array(states.prefix(golden.expected.count)), golden.expected) < 1e-4)
            #expect(Array(states.suffix(golden.expected.count)) == Array(states.prefix(golden.expected.count)))
        }
    }

    /// Slopes of powers of two, and of the numbers between.
    @Test func slopesAreThoseOfThePaper() {
        let halves: [Float] = [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625]
        #expect(LinearBias().slopes(heads: 8) == halves)
        let six: [Float] = [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]
        #expect(LinearBias().slopes(heads: 6) == six)
    }

    /// A key that would change what is computed is refused by name where the family does not compute it.
    @Test(arguments: [
        ("gptj", "rotary_dim", JSON.integer(5)), ("opt", "do_layer_norm_before", .bool(false)),
        ("opt", "word_embed_proj_dim", .integer(16)), ("phi", "qk_layernorm", .bool(true)),
        ("stablelm", "qk_layernorm", .bool(true)), ("cohere", "use_qk_norm", .bool(true)),
        ("bloom", "apply_residual_connection_post_layernorm", .bool(true)), ("mpt", "no_bias", .bool(false)),
        ("granite", "logits_scaling", .integer(0)), ("smollm3", "no_rope_layers", .array([1])),
        ("gpt_neo", "attention_layers", .array(["global"])), ("glm4", "hidden_act", .string("mish")),
    ])
    func whatIsNotComputedIsRefused(_ name: String, _ key: String, _ value: JSON) throws {
        try FamilyGolden(name).withFolder(change: { $0[key] = value }) { path in
            let error = #expect(throws: ModelError.self) { _ = try Checkpoint(path: path).decoder() }
            #expect("\(error.map { "\($0)" } ?? "")".contains(key))
        }
    }

    @Test func anUnknownFamilyIsRefusedWithItsNearestRelative() throws {
        try FamilyGolden("granite").withFolder(change: { $0["model_type"] = "granite_swa" }) { path in
            let error = #expect(throws: ModelError.self) { _ = try Checkpoint(path: path).decoder() }
            #expect("\(error.map { "\($0)" } ?? "")".contains("nearest relative that is: \"granite\""))
        }
    }
}

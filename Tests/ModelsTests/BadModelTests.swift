import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Folders that are no good model: the error names what is wrong.
struct BadModelTests {
    /// A copy of the llama golden with its configuration, and its tensors, changed.
    private func folder(
        _ change: (inout JSONObject) -> Void = { _ in }, tensors: ([(String, Tensor)]) -> [(String, Tensor)] = { $0 }
    ) throws -> String {
        let source = FamilyTests.goldens + "/llama"
        let target = NSTemporaryDirectory() + "martlet-bad-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
        let json = try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: source + "/config.json"))))
        var config = try #require(json.object)
        change(&config)
        try Data(JSON.object(config).bytes()).write(to: URL(filePath: target + "/config.json"))
        let file = try SafetensorsFile(path: source + "/model.safetensors")
        let all = try file.names.map { ($0, try file.tensor($0)) }
        try SafetensorsWriter.write(tensors(all), to: target + "/model.safetensors")
        return target
    }

    private func error(_ path: String) -> String {
        defer { try? FileManager.default.removeItem(atPath: path) }
        do {
            _ = try Checkpoint(path: path).decoder()
            return "loaded"
        } catch { return "\(error)" }
    }

    @Test func weightsOfFloat64AreReadAsFloat32() throws {
        let path = try folder(tensors: { $0.map { ($0.0, (try? $0.1.to(.float64)) ?? $0.1) } })
        defer { try? FileManager.default.removeItem(atPath: path) }
        let wide = try Checkpoint(path: path).decoder()
        let plain = try Checkpoint(path: FamilyTests.goldens + "/llama").decoder()
        try wide.prepare(.exact)
        try plain.prepare(.exact)
        #expect(try wide([1, 2, 3]).toArray(as: Float.self) == plain([1, 2, 3]).toArray(as: Float.self))
    }

    @Test func anUnknownArchitectureIsNamedWithTheKnownOnes() throws {
        let message = error(try folder { $0["model_type"] = "rwkv7" })
        #expect(message.contains("rwkv7") && message.contains("llama") && message.contains("gemma3"))
    }

    @Test func allMissingTensorsAreNamed() throws {
        let message = error(try folder(tensors: { $0.filter { !$0.0.contains("q_proj") } }))
        #expect(message.contains("layers.0.self_attn.q_proj") && message.contains("layers.1.self_attn.q_proj"))
    }

    @Test func wrongShapesAreNamedWithFoundAndExpected() throws {
        let message = error(try folder { $0["intermediate_size"] = 40 })
        #expect(message.contains("gate_proj") && message.contains("[48, 32]") && message.contains("[40, 32]"))
    }

    @Test(arguments: [
        ("hidden_size", JSON.integer(-1)), ("hidden_size", .string("x")), ("hidden_size", .integer(1 << 40)),
        ("num_hidden_layers", .number(1.5)), ("num_attention_heads", .integer(0)), ("num_key_value_heads", .integer(3)),
        ("head_dim", .integer(7)), ("rms_norm_eps", .number(-1)), ("rms_norm_eps", .number(1e300)),
        ("hidden_act", "swishh"), ("vocab_size", .null),
    ])
    func aBadValueIsNamedWithItsKey(_ key: String, _ value: JSON) throws {
        let message = error(try folder { $0[key] = value })
        #expect(message.contains(key), "\(message)")
    }

    @Test(arguments: [-1, 0, 0.1, 1.5, 1e300])
    func aShareOfRotatedDimensionsThatIsNoneIsNamed(_ share: Double) throws {
        let message = error(
            try folder { $0["rope_parameters"] = ["rope_theta": 10000.0, "partial_rotary_factor": .number(share)] })
        #expect(message.contains("partial_rotary_factor"), "\(message)")
    }

    @Test(arguments: ["partial_rotary_factor", "rope_parameters"])
    func aShareOfRotationThatTheFamilyHasNotIsRefused(_ key: String) throws {
        let message = error(
            try folder {
                $0[key] =
                    key == "rope_parameters" ? ["rope_theta": 10000.0, "partial_rotary_factor": 0.5] : .number(0.5)
            })
        #expect(message.contains("partial_rotary_factor") && message.contains("rotate whole"), "\(message)")
    }

    /// transformers puts `rope_scaling` in the place of `rope_parameters`, its base included.
    @Test func ofTwoRotationsTheOlderKeyCounts() throws {
        func rotary(_ scaling: JSON) throws -> RotaryEmbedding.Configuration? {
            let path = try folder {
                $0["rope_parameters"] = ["rope_theta": 10000.0, "rope_type": "default"]
                $0["rope_theta"] = 5000.0
                $0["rope_scaling"] = scaling
            }
            defer { try? FileManager.default.removeItem(atPath: path) }
            return try Checkpoint(path: path).decoderConfiguration().attention.rotary
        }
        let both = try rotary(["rope_type": "linear", "factor": 2.0])
        #expect(both?.scaling == .linear(factor: 2) && both?.theta == 5000)
        for none in [JSON.null, [:]] {
            #expect(try rotary(none)?.scaling == RotaryEmbedding.Scaling.none && rotary(none)?.theta == 10000)
        }
    }

    @Test func aLongListOfTensorsIsCountedAndCut() throws {
        let message = error(try folder { $0["num_hidden_layers"] = 10_000 })
        #expect(message.contains("89982 tensors are missing") && message.contains("and 89974 more"), "\(message)")
        #expect(message.utf8.count < 1000)
    }

    @Test func namesOfFilesAreShownWithoutTheirControls() throws {
        let message = error(try folder { $0["model_type"] = "\u{1B}[31mllama" })
        #expect(message.contains("\\u{1B}[31mllama") && !message.contains("\u{1B}"), "\(message)")
    }

    @Test func moreExpertsThanAnyModelHasAreRefused() throws {
        func message(_ experts: Int64, layers: Int64) throws -> String {
            error(
                try folder {
                    $0["model_type"] = "mixtral"
                    $0["num_local_experts"] = .integer(experts)
                    $0["num_hidden_layers"] = .integer(layers)
                })
        }
        #expect(try message(1025, layers: 1).contains("num_local_experts"))
        #expect(try message(1024, layers: 65).contains("num_local_experts"))
    }

    @Test func tensorsThatAreNoWeightsAreNamedWithTheirType() throws {
        let message = error(
            try folder(tensors: {
                $0.map { name, tensor in
                    let isWrong = name.contains("q_proj") || name == "model.norm.weight"
                    return (name, isWrong ? Tensor(uninitialized: tensor.shape, dtype: .int32) : tensor)
                }
            }))
        #expect(message.contains("I32 as in model.layers.0.self_attn.q_proj.weight"), "\(message)")
        #expect(message.contains("layers.1.self_attn.q_proj") && message.contains("model.norm.weight"))
    }

    @Test(arguments: ["pytorch_model.bin", "model.pt", "consolidated.00.pth"])
    func aPickleIsRefusedWithAWayOut(_ name: String) throws {
        let path = try folder()
        try FileManager.default.removeItem(atPath: path + "/model.safetensors")
        let pickle = URL(filePath: path + "/" + name)
        try Data([0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 64)).write(to: pickle)
        #expect(error(pickle.path).contains("torch.load('\(name)', weights_only=True)"))
        let whole = try folder()
        try FileManager.default.removeItem(atPath: whole + "/model.safetensors")
        try Data([0x80, 2]).write(to: URL(filePath: whole + "/" + name))
        let message = error(whole)
        #expect(message.contains(name) && message.contains("safetensors.torch"), "\(message)")
        try? FileManager.default.removeItem(atPath: path)
    }

    @Test func aFileCutShortIsNamed() throws {
        let path = try folder()
        let file = URL(filePath: path + "/model.safetensors")
        try Data(contentsOf: file).dropLast(100).write(to: file)
        let message = error(path)
        #expect(message.contains("model.safetensors") && message.contains("bytes"), "\(message)")
    }

    @Test(arguments: ["", "{", "[]", "null", #"{"model_type": 3}"#, "{}"])
    func aConfigurationThatIsNoneIsNamed(_ text: String) throws {
        let path = try folder()
        try Data(text.utf8).write(to: URL(filePath: path + "/config.json"))
        #expect(error(path).contains("config.json"))
    }

    @Test func aFolderWithoutConfigurationIsNoModel() throws {
        let path = try folder()
        try FileManager.default.removeItem(atPath: path + "/config.json")
        #expect(error(path).contains("config.json"))
    }
}
